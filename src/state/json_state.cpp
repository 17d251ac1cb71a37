// SPDX-License-Identifier: MIT
// JsonState: fields, diff and merge.
#include <agentflow/state/json_state.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>

namespace agentflow {

using nlohmann::json;

namespace {

json first_value(json_reducer r) {
  switch (r) {
    case json_reducer::append:
    case json_reducer::add_messages:
    case json_reducer::set_union: return json(json::value_t::array);
    case json_reducer::merge_map: return json(json::value_t::object);
    case json_reducer::sum: return json(0);
    default: return json();
  }
}

constexpr std::pair<json_reducer, std::string_view> reducer_names[] = {
    {json_reducer::last_value, "last_value"},
    {json_reducer::append, "append"},
    {json_reducer::add_messages, "add_messages"},
    {json_reducer::sum, "sum"},
    {json_reducer::min, "min"},
    {json_reducer::max, "max"},
    {json_reducer::set_union, "set_union"},
    {json_reducer::merge_map, "merge_map"},
};

std::string_view name_of(json_reducer kind) {
  const auto* it = std::find_if(std::begin(reducer_names), std::end(reducer_names),
                                [kind](const auto& n) { return n.first == kind; });
  return it->second;
}

json_reducer kind_of(const JsonReader& in) {
  const auto* it = std::find_if(std::begin(reducer_names), std::end(reducer_names),
                                [name = in.as_string()](const auto& n) { return n.second == name; });
  if (it == std::end(reducer_names)) in.fail(errc::json_type, "not a reducer");
  return it->first;
}

[[noreturn]] void misfit(const std::string& key, std::string_view what) {
  throw state_error(errc::reducer_failed, fmt::format("key '{}': {}", key, what), ErrorContext().field(key));
}

bool starts_with(const json& whole, const json& part) {
  return whole.size() >= part.size() && std::equal(part.begin(), part.end(), whole.begin());
}

json tail(const json& whole, std::size_t from) {
  json out(json::value_t::array);
  for (std::size_t i = from; i < whole.size(); ++i) out.push_back(whole[i]);
  return out;
}

json id_of(const json& message) {
  if (!message.is_object()) return json();
  const auto it = message.find("id");
  return it == message.end() ? json() : *it;
}

/// The position of the element with this id; the size where there is none.
std::size_t find_id(const json& list, const json& id) {
  std::size_t i = 0;
  for (; i < list.size(); ++i)
    if (!id.is_null() && id_of(list[i]) == id) break;
  return i;
}

void add_number(const std::string& key, json& value, const json& delta) {
  if (!delta.is_number() || !(value.is_number() || value.is_null())) misfit(key, "sum adds numbers");
  if (value.is_null()) {
    value = delta;
  } else if (value.is_number_float() || delta.is_number_float()) {
    value = value.get<double>() + delta.get<double>();
  } else {
    std::int64_t result = 0;
    if (__builtin_add_overflow(value.get<std::int64_t>(), delta.get<std::int64_t>(), &result))
      misfit(key, "the sum does not fit 64 bits");
    value = result;
  }
}

/// What turns base into mine: a delta; nothing; or, as `replaced`, the whole value.
struct Found {
  std::optional<json> delta;
  bool replaced = false;
};

Found find_change(const JsonFields::Field& f, const json& base, const json& mine) {
  if (base == mine) return {};
  const Found whole{mine, true};
  if (f.custom) {
    auto d = f.custom->diff(base, mine);
    if (d.is_replaced()) return whole;
    if (d.is_none()) return {};
    return {std::move(d).delta(), false};
  }
  switch (f.kind) {
    case json_reducer::last_value: return {mine, false};
    case json_reducer::append:
      if (base.is_string() && mine.is_string()) {
        const auto &a = base.get_ref<const std::string&>(), &b = mine.get_ref<const std::string&>();
        if (b.compare(0, a.size(), a) != 0) return whole;
        return {json(b.substr(a.size())), false};
      }
      if (!base.is_array() || !mine.is_array() || !starts_with(mine, base)) return whole;
      return {tail(mine, base.size()), false};
    case json_reducer::add_messages: {
      if (!base.is_array() || !mine.is_array() || mine.size() < base.size()) return whole;
      json changed(json::value_t::array);
      for (std::size_t i = 0; i < base.size(); ++i) {
        if (base[i] == mine[i]) continue;
        const json id = id_of(base[i]);
        if (id.is_null() || id != id_of(mine[i])) return whole;
        changed.push_back(mine[i]);
      }
      for (std::size_t i = base.size(); i < mine.size(); ++i) {
        if (find_id(mine, id_of(mine[i])) < i) return whole;
        changed.push_back(mine[i]);
      }
      return {std::move(changed), false};
    }
    case json_reducer::sum:
      if (base.is_number_float() || mine.is_number_float()) {
        if (!base.is_number() || !mine.is_number()) return whole;
        return {json(mine.get<double>() - base.get<double>()), false};
      }
      if (std::int64_t d = 0; base.is_number_integer() && mine.is_number_integer() &&
                              !__builtin_sub_overflow(mine.get<std::int64_t>(), base.get<std::int64_t>(), &d))
        return {json(d), false};
      return whole;
    case json_reducer::min: return base.is_null() || mine < base ? Found{mine, false} : whole;
    case json_reducer::max: return base.is_null() || base < mine ? Found{mine, false} : whole;
    case json_reducer::set_union:
      if (!base.is_array() || !mine.is_array() || !starts_with(mine, base)) return whole;
      return {tail(mine, base.size()), false};
    case json_reducer::merge_map: {
      if (!base.is_object() || !mine.is_object()) return whole;
      json changed(json::value_t::object);
      for (const auto& [key, value] : base.items())
        if (!mine.contains(key)) return whole;
      for (const auto& [key, value] : mine.items())
        if (const auto it = base.find(key); it == base.end() || *it != value) changed[key] = value;
      return {std::move(changed), false};
    }
  }
  return whole;
}

void put_message(json& list, json message) {
  const auto at = find_id(list, id_of(message));
  if (at < list.size())
    list[at] = std::move(message);
  else
    list.push_back(std::move(message));
}

void apply_change(const JsonFields::Field& f, json& value, json delta) {
  if (f.custom) return f.custom->apply(value, std::move(delta));
  auto as_list = [&delta]() {
    if (delta.is_array()) return delta;
    json one(json::value_t::array);
    one.push_back(delta);
    return one;
  };
  switch (f.kind) {
    case json_reducer::last_value: value = std::move(delta); break;
    case json_reducer::append:
      if (value.is_string() && delta.is_string()) {
        value.get_ref<std::string&>() += delta.get_ref<const std::string&>();
        break;
      }
      if (!value.is_array()) misfit(f.key, "append needs an array or a string");
      for (auto& x : as_list()) value.push_back(x);
      break;
    case json_reducer::add_messages:
      if (!value.is_array()) misfit(f.key, "add_messages needs an array");
      for (auto& x : as_list()) put_message(value, x);
      break;
    case json_reducer::sum: add_number(f.key, value, delta); break;
    case json_reducer::min:
      if (value.is_null() || delta < value) value = std::move(delta);
      break;
    case json_reducer::max:
      if (value.is_null() || value < delta) value = std::move(delta);
      break;
    case json_reducer::set_union:
      if (!value.is_array()) misfit(f.key, "set_union needs an array");
      for (auto& x : as_list())
        if (std::find(value.begin(), value.end(), x) == value.end()) value.push_back(x);
      break;
    case json_reducer::merge_map:
      if (!value.is_object() || !delta.is_object()) misfit(f.key, "merge_map needs objects");
      value.update(delta);
      break;
  }
}

/// The built-in reducer for values like this one.
std::string_view suggested_reducer(const json& value) {
  if (value.is_array() || value.is_string()) return "af::json_reducer::append";
  if (value.is_object()) return "af::json_reducer::merge_map";
  return value.is_number() ? "af::json_reducer::sum" : "af::json_reducer::max";
}

}  // namespace

JsonFields& JsonFields::add(std::string key, json_reducer reducer, std::optional<json> initial) {
  if (find(key)) throw config_error(errc::bad_config, fmt::format("key '{}' is declared twice", key));
  if (!initial) initial = first_value(reducer);
  fields_.push_back({std::move(key), reducer, nullptr, std::make_shared<const json>(std::move(*initial))});
  return *this;
}

JsonFields& JsonFields::add(std::string key, JsonReducer reducer, json initial) {
  add(std::move(key), json_reducer::last_value, std::move(initial));
  fields_.back().custom = std::make_shared<const JsonReducer>(std::move(reducer));
  return *this;
}

std::optional<std::size_t> JsonFields::find(std::string_view key) const noexcept {
  for (std::size_t i = 0; i < fields_.size(); ++i)
    if (fields_[i].key == key) return i;
  return std::nullopt;
}

JsonState::JsonState() : fields_(std::make_shared<const JsonFields>()) {}

JsonState::JsonState(JsonFields fields) : fields_(std::make_shared<const JsonFields>(std::move(fields))) {
  for (const auto& f : fields_->list()) values_.emplace_back(*f.initial);
}

JsonState::JsonState(JsonFields fields, const json& object) : JsonState(std::move(fields)) {
  if (!object.is_object()) throw json_error(errc::json_type, "a JsonState is made from an object");
  for (const auto& [key, value] : object.items()) set(key, value);
}

std::size_t JsonState::index(std::string_view key) const {
  if (const auto i = fields_->find(key)) return *i;
  std::string known;
  for (const auto& f : fields_->list()) known += (known.empty() ? "" : ", ") + f.key;
  throw state_error(errc::unknown_field,
                    fmt::format("'{}' is not a key of this state; keys are: {}", key,
                                known.empty() ? "none (start the run with a JsonState "
                                                "made from JsonFields)"
                                              : known),
                    ErrorContext().field(std::string(key)));
}

const json& JsonState::at(std::string_view key) const { return *values_[index(key)]; }

json& JsonState::edit(std::string_view key) { return values_[index(key)].edit(); }

JsonState& JsonState::set(std::string_view key, json value) {
  values_[index(key)] = detail::SharedJson(std::move(value));
  return *this;
}

json JsonState::to_json() const {
  json out(json::value_t::object);
  for (std::size_t i = 0; i < values_.size(); ++i) out[fields_->list()[i].key] = *values_[i];
  return out;
}

bool JsonState::operator==(const JsonState& other) const {
  if (values_.size() != other.values_.size()) return false;
  for (std::size_t i = 0; i < values_.size(); ++i)
    if (fields_->list()[i].key != other.fields_->list()[i].key || *values_[i] != *other.values_[i]) return false;
  return true;
}

Update<JsonState>& Update<JsonState>::write(std::string key, json delta) & {
  changes_.push_back({std::move(key), std::move(delta), false});
  return *this;
}
Update<JsonState>& Update<JsonState>::overwrite(std::string key, json value) & {
  changes_.push_back({std::move(key), std::move(value), true});
  return *this;
}

json Update<JsonState>::to_json() const {
  json out(json::value_t::object);
  for (const auto& c : changes_) {
    if (!c.replaced) {
      out[c.key] = c.value;
      continue;
    }
    json whole(json::value_t::object);
    whole["overwrite"] = c.value;
    out[c.key] = std::move(whole);
  }
  return out;
}

void StateModel<JsonState>::diff(const JsonState& base, JsonState& mine, update_type& out) {
  if (mine.fields_ != base.fields_)
    throw state_error(
        errc::bad_input,
        "the node returned a JsonState with other keys: change the state it was given, or return an Update");
  for (std::size_t i = 0; i < base.values_.size(); ++i) {
    if (base.values_[i].same_as(mine.values_[i])) continue;
    auto found = find_change(base.fields_->list()[i], *base.values_[i], *mine.values_[i]);
    if (found.delta) out.changes_.push_back({base.fields_->list()[i].key, std::move(*found.delta), found.replaced});
  }
}

void StateModel<JsonState>::apply(JsonState& state, update_type& update, MergeGuard* guard) {
  for (auto& c : update.changes_) {
    const auto i = state.index(c.key);
    const auto& field = state.fields_->list()[i];
    if (guard != nullptr)
      guard->claim(c.key, c.replaced || field.exclusive(),
                   field.exclusive() ? suggested_reducer(*state.values_[i]) : std::string_view());
    if (c.replaced)
      state.set(c.key, std::move(c.value));
    else
      apply_change(field, state.edit(c.key), std::move(c.value));
  }
  update.changes_.clear();
}

void StateModel<JsonState>::write_update(JsonWriter& out, const update_type& update) {
  out.value(JsonValue(update.to_json()));
}

void StateModel<JsonState>::as_update(JsonState& state, update_type& out) {
  JsonState empty;
  empty.fields_ = state.fields_;
  for (const auto& f : state.fields_->list()) empty.values_.emplace_back(*f.initial);
  diff(empty, state, out);
}

void StateModel<JsonState>::save(JsonWriter& out, const JsonState& state) {
  out.begin_array();
  for (std::size_t i = 0; i < state.values_.size(); ++i) {
    const auto& f = state.fields_->list()[i];
    if (f.custom)
      out.fail(errc::not_serializable,
               fmt::format("key '{}' has a reducer of the application's own, which cannot be stored", f.key));
    out.begin_array();
    out.string(f.key);
    out.string(name_of(f.kind));
    out.value(JsonValue(*f.initial));
    if (*state.values_[i] != *f.initial) out.value(JsonValue(*state.values_[i]));
    out.end_array();
  }
  out.end_array();
}

void StateModel<JsonState>::load(const JsonReader& in, JsonState& state) {
  JsonFields fields;
  for (std::size_t i = 0, n = in.elements(); i < n; ++i) {
    const auto f = in.at(i);
    fields.add(std::string(f.at(std::size_t{0}).as_string()), kind_of(f.at(std::size_t{1})),
               f.at(std::size_t{2}).get());
  }
  JsonState fresh(std::move(fields));
  for (std::size_t i = 0, n = in.elements(); i < n; ++i)
    if (const auto f = in.at(i); f.elements() > 3) fresh.set(f.at(std::size_t{0}).as_string(), f.at(3).get());
  state = std::move(fresh);
}

void StateModel<JsonState>::save_update(JsonWriter& out, const update_type& update) {
  out.begin_array();
  for (const auto& c : update.changes_) {
    out.begin_array();
    out.string(c.key);
    out.value(JsonValue(c.value));
    if (c.replaced) out.string("=");
    out.end_array();
  }
  out.end_array();
}

void StateModel<JsonState>::load_update(const JsonReader& in, update_type& update) {
  for (std::size_t i = 0, n = in.elements(); i < n; ++i) {
    const auto c = in.at(i);
    update.changes_.push_back(
        {std::string(c.at(std::size_t{0}).as_string()), c.at(std::size_t{1}).get(), c.elements() > 2});
  }
}

// The keys belong to the input, not to the type.
void StateModel<JsonState>::fingerprint(std::string& out) { out += "json\n"; }

void agentflow_write_json(JsonWriter& out, const JsonState& state) { out.value(JsonValue(state.to_json())); }

}  // namespace agentflow
