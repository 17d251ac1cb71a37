// SPDX-License-Identifier: MIT
// JsonState: a state whose fields are known at run time only. Opt-in, because it includes nlohmann's header.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <agentflow/core/json.hpp>
#include <agentflow/state/detail/shared_json.hpp>
#include <agentflow/state/update.hpp>

namespace agentflow {

/// How the changes of one key merge; the built-in reducers, over JSON values.
enum class json_reducer {
  last_value,    ///< One writer per step.
  append,        ///< Arrays (and strings) grow at the end.
  add_messages,  ///< An array of objects with an "id": same id replaces, new id appends.
  sum,           ///< Numbers are added.
  min,
  max,
  set_union,  ///< An array as a set: what is not there yet is appended.
  merge_map,  ///< Objects merge key by key.
};

/// A reducer of the application's own: `diff` gives the delta that turns `base` into `mine`, nothing, or
/// `Diff<json>::replaced()` where no delta does; `apply` merges a delta. The law of reducers holds:
/// `apply(base, diff(base, mine))` makes `base` equal to `mine`. A `std::optional<json>` is taken for a diff too.
class JsonReducer {
 public:
  using Diff = std::function<agentflow::Diff<nlohmann::json>(const nlohmann::json& base, const nlohmann::json& mine)>;
  using Apply = std::function<void(nlohmann::json& value, nlohmann::json delta)>;
  JsonReducer(Diff d, Apply a, bool one_writer = false)
      : diff(std::move(d)), apply(std::move(a)), exclusive(one_writer) {}
  Diff diff;
  Apply apply;
  bool exclusive;
};

/// The keys of a JsonState, each with its reducer and first value. Shared by all copies of the states made from it.
class AGENTFLOW_API JsonFields {
 public:
  JsonFields() = default;
  /// Adds a key. Without `initial` it starts as what the reducer starts from: [], {}, 0, or null.
  JsonFields& add(std::string key, json_reducer reducer = json_reducer::last_value,
                  std::optional<nlohmann::json> initial = std::nullopt);
  JsonFields& add(std::string key, JsonReducer reducer, nlohmann::json initial = nullptr);

  struct Field {
    std::string key;
    json_reducer kind;
    std::shared_ptr<const JsonReducer> custom;
    std::shared_ptr<const nlohmann::json> initial;
    bool exclusive() const noexcept { return custom ? custom->exclusive : kind == json_reducer::last_value; }
  };
  const std::vector<Field>& list() const noexcept { return fields_; }
  std::optional<std::size_t> find(std::string_view key) const noexcept;

 private:
  std::vector<Field> fields_;
};

/// A state that is a JSON object with declared keys. Values are shared between copies until they are edited, so a copy
/// costs a pointer per key.
///
/// ```cpp
/// af::JsonFields fields;
/// fields.add("topic").add("findings", af::json_reducer::append).add("calls", af::json_reducer::sum);
/// af::JsonState input(fields);
/// input.set("topic", "C++");
/// ```
/// **Errors** an undeclared key is a `state_error` (`errc::unknown_field`) that lists the declared ones.
/// **Thread safety** Distinct objects: safe. Shared objects: safe to read.
class AGENTFLOW_API JsonState {
 public:
  /// A state without keys.
  JsonState();
  explicit JsonState(JsonFields fields);
  /// A state with the given object's values. **Errors** unknown keys; `json_error` if it is not an object.
  JsonState(JsonFields fields, const nlohmann::json& object);

  const nlohmann::json& at(std::string_view key) const;
  const nlohmann::json& operator[](std::string_view key) const { return at(key); }
  /// The value to be changed in place; copied first if another state shares it.
  nlohmann::json& edit(std::string_view key);
  JsonState& set(std::string_view key, nlohmann::json value);

  nlohmann::json to_json() const;
  const JsonFields& fields() const noexcept { return *fields_; }
  bool operator==(const JsonState& other) const;

 private:
  friend struct StateModel<JsonState>;
  std::size_t index(std::string_view key) const;
  std::shared_ptr<const JsonFields> fields_;
  std::vector<detail::SharedJson> values_;
};

/// The changes a node makes to a JsonState, by key.
template <>
class AGENTFLOW_API Update<JsonState> {
 public:
  Update() = default;
  /// Writes a delta through the reducer of the key; for arrays one element stands for an array of it.
  Update& write(std::string key, nlohmann::json delta) &;
  Update&& write(std::string key, nlohmann::json delta) && {
    return std::move(write(std::move(key), std::move(delta)));
  }
  /// Replaces the value past the reducer.
  Update& overwrite(std::string key, nlohmann::json value) &;
  Update&& overwrite(std::string key, nlohmann::json value) && {
    return std::move(overwrite(std::move(key), std::move(value)));
  }
  bool empty() const noexcept { return changes_.empty(); }
  nlohmann::json to_json() const;

 private:
  friend struct StateModel<JsonState>;
  struct Change {
    std::string key;
    nlohmann::json value;
    bool replaced;
  };
  std::vector<Change> changes_;
};

template <>
struct AGENTFLOW_API StateModel<JsonState> {
  using update_type = Update<JsonState>;
  static void prepare_branch(JsonState&) noexcept {}
  static void diff(const JsonState& base, JsonState& mine, update_type& out);
  static void apply(JsonState& state, update_type& update, MergeGuard* guard);
  /// Keys belong to the input, not to the type: any declared write may be right.
  static field_rule rule_of(std::string_view) noexcept { return field_rule::shared; }
  static constexpr bool json_writable = true;
  static constexpr bool json_readable = false;
  static void write_update(JsonWriter& out, const update_type& update);

  static constexpr bool durable = true;
  static void as_update(JsonState& state, update_type& out);
  /// Writes and reads a state with its keys, and an update as `[[key, delta], [key, value, "="]]`.
  ///
  /// **Errors** `json_error`: not_serializable for a reducer of the application's own, which a file cannot hold.
  static void save(JsonWriter& out, const JsonState& state);
  static void load(const JsonReader& in, JsonState& state);
  static void save_update(JsonWriter& out, const update_type& update);
  static void load_update(const JsonReader& in, update_type& update);
  static void fingerprint(std::string& out);
};

AGENTFLOW_API void agentflow_write_json(JsonWriter& out, const JsonState& state);

}  // namespace agentflow
