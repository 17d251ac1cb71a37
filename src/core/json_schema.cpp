// SPDX-License-Identifier: MIT
// Checking values against schemas.
#include <agentflow/core/json_schema.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "core/compiled_schema.hpp"
#include "core/json_text.hpp"

namespace agentflow {

using detail::append_pointer;
using detail::find_member;
using detail::SchemaKeyword;
using detail::text_of;
using nlohmann::json;

namespace {

std::size_t count_of(const json& node) {
  return node.is_number_unsigned() ? node.get<std::size_t>() : static_cast<std::size_t>(node.get<double>());
}

/// A value as it may stand in a message: short.
std::string shown(const json& value) {
  if (value.is_object()) return fmt::format("an object with {} member{}", value.size(), value.size() == 1 ? "" : "s");
  if (value.is_array()) return fmt::format("an array of {}", value.size());
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > 60) text = text.substr(0, 56) + "...\"";
  return text;
}

std::size_t code_points(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
}

std::string_view kind_of(const json& value) {
  switch (value.type()) {
    case json::value_t::object: return "object";
    case json::value_t::array: return "array";
    case json::value_t::string: return "string";
    case json::value_t::boolean: return "boolean";
    case json::value_t::null: return "null";
    case json::value_t::number_float: return "number";
    default: return "integer";
  }
}

bool is_type(const json& value, std::string_view type) {
  const auto kind = kind_of(value);
  if (type == "number") return value.is_number();
  if (type == "integer" && value.is_number_float()) {
    const double v = value.get<double>();
    return std::floor(v) == v;
  }
  return kind == type;
}

bool is_multiple(const json& value, const json& of) {
  if (value.is_number_integer() && of.is_number_integer() && of.get<std::int64_t>() > 0) {
    if (value.is_number_unsigned()) return value.get<std::uint64_t>() % of.get<std::uint64_t>() == 0;
    return value.get<std::int64_t>() % of.get<std::int64_t>() == 0;
  }
  const double quotient = value.get<double>() / of.get<double>();
  if (!std::isfinite(quotient)) return false;
  return std::abs(quotient - std::round(quotient)) <= 1e-9 * std::max(1.0, std::abs(quotient) * 1e-3);
}

bool refuses_null(const json& schema) {
  const json* type = schema.is_object() ? find_member(schema, "type") : nullptr;
  if (type == nullptr) return schema.is_object() && schema.contains("enum");
  return *type != "null" && (!type->is_array() || std::find(type->begin(), type->end(), "null") == type->end());
}

bool requires_member(const json& schema, const std::string& name) {
  const json* required = find_member(schema, "required");
  return required != nullptr && std::find(required->begin(), required->end(), name) != required->end();
}

/// Recurses no deeper than the value nests, which JsonValue bounds.
void drop_idle_nulls(const json& schema, json& value) {
  if (!schema.is_object()) return;
  if (value.is_array()) {
    const json* items = find_member(schema, "items");
    if (items == nullptr || items->is_array()) return;
    for (json& element : value) drop_idle_nulls(*items, element);
    return;
  }
  if (!value.is_object()) return;
  const json* properties = find_member(schema, "properties");
  const json* others = find_member(schema, "additionalProperties");
  for (auto it = value.begin(); it != value.end();) {
    const json* part = properties != nullptr ? find_member(*properties, it.key()) : nullptr;
    if (part == nullptr) part = others;
    if (part != nullptr && part != others && it->is_null() && refuses_null(*part) &&
        !requires_member(schema, it.key())) {
      it = value.erase(it);
      continue;
    }
    if (part != nullptr) drop_idle_nulls(*part, *it);
    ++it;
  }
}

}  // namespace

schema_error::schema_error(errc code, std::string message, std::vector<SchemaIssue> issues)
    : error(code, std::move(message)), issues_(std::make_shared<const std::vector<SchemaIssue>>(std::move(issues))) {}
schema_error::~schema_error() = default;

std::string to_string(const std::vector<SchemaIssue>& issues) {
  std::string out;
  for (const auto& issue : issues)
    out += fmt::format("{}{}: {}", out.empty() ? "" : "\n", issue.instance.empty() ? "the value" : issue.instance,
                       issue.message);
  return out;
}

/// One validation. Recurses as deep as the value and the schema nest, within bounds.
class JsonSchema::Compiled::Judge {
 public:
  explicit Judge(const Compiled& schema) : schema_(schema) {}

  std::vector<SchemaIssue> run(const json& value) {
    check(schema_.document.get(), value);
    if (exhausted_) {
      issues_.clear();
      issues_.emplace_back("", "$limit", "is too large or nests too deeply to be checked against its schema");
    }
    return std::move(issues_);
  }

 private:
  struct Step {
    const std::string* name;  // null in an array
    std::size_t index;
  };

  /// Runs a check and gives whether it found nothing; what it finds stays only if `keep`.
  template <class F>
  bool trial(bool keep, F&& fn, std::vector<SchemaIssue>* found = nullptr) {
    const std::size_t before = failures_;
    std::vector<SchemaIssue> outer = std::move(issues_);
    issues_.clear();
    fn();
    const bool ok = failures_ == before;
    if (found != nullptr) *found = std::move(issues_);
    issues_ = std::move(outer);
    if (!keep) failures_ = before;
    return ok;
  }
  bool fits(const json& schema, const json& value) {
    return trial(false, [&] { check(schema, value); });
  }

  void report(std::string_view keyword, std::string message) {
    ++failures_;
    if (issues_.size() >= max_issues) return;
    issues_.emplace_back(pointer(), std::string(keyword), std::move(message));
  }
  std::string pointer() const {
    std::string out;
    for (const Step& s : path_) {
      if (s.name != nullptr)
        append_pointer(out, *s.name);
      else
        out += fmt::format("/{}", s.index);
    }
    return out;
  }

  void check_at(Step step, const json& schema, const json& value) {
    path_.push_back(step);
    check(schema, value);
    path_.pop_back();
  }

  void check(const json& schema, const json& value) {
    if (exhausted_ || budget_ == 0 || depth_ == 400) {
      exhausted_ = true;
      return;
    }
    --budget_;
    ++depth_;
    if (const bool* all = schema.get_ptr<const bool*>()) {
      if (!*all) report("false", path_.empty() ? "nothing is allowed" : "is not allowed here");
    } else if (const json* ref = find_member(schema, "$ref"); ref != nullptr && !schema_.beside_ref) {
      check(*schema_.refs.at(ref), value);
    } else {
      for (const auto& [name, argument] : *schema.get_ptr<const json::object_t*>())
        if (const auto* keyword = detail::find_keyword(name)) judge(*keyword, name, schema, argument, value);
    }
    --depth_;
  }

  void judge(SchemaKeyword keyword, const std::string& name, const json& schema, const json& argument,
             const json& value) {
    switch (keyword) {
      case SchemaKeyword::ref: return check(*schema_.refs.at(&argument), value);
      case SchemaKeyword::type: return judge_type(argument, value);
      case SchemaKeyword::enumeration: return judge_enum(argument, value);
      case SchemaKeyword::constant:
        if (value != argument) report(name, fmt::format("must be {}, and is {}", shown(argument), shown(value)));
        return;
      case SchemaKeyword::all_of:
        for (const json& part : argument) check(part, value);
        return;
      case SchemaKeyword::any_of: return judge_any(argument, value);
      case SchemaKeyword::one_of: return judge_one(argument, value);
      case SchemaKeyword::negation:
        if (fits(argument, value)) report(name, "fits a schema that it must not fit");
        return;
      case SchemaKeyword::condition:
        if (const json* next = find_member(schema, fits(argument, value) ? "then" : "else")) check(*next, value);
        return;
      default: break;
    }
    if (value.is_number()) return judge_number(keyword, name, argument, value);
    if (value.is_string()) return judge_string(keyword, name, argument, *text_of(value));
    if (value.is_array()) return judge_array(keyword, name, schema, argument, value);
    if (value.is_object()) return judge_object(keyword, name, schema, argument, value);
  }

  void judge_type(const json& argument, const json& value) {
    if (const auto* one = text_of(argument)) {
      if (!is_type(value, *one)) report("type", fmt::format("must be {}, and is {}", *one, kind_of(value)));
      return;
    }
    std::string names;
    for (const json& type : argument) {
      if (is_type(value, *text_of(type))) return;
      names += (names.empty() ? "" : " or ") + *text_of(type);
    }
    report("type", fmt::format("must be {}, and is {}", names, kind_of(value)));
  }

  void judge_enum(const json& argument, const json& value) {
    std::string names;
    for (const json& allowed : argument) {
      if (!spend()) return;
      if (allowed == value) return;
      if (names.size() < 400) names += (names.empty() ? "" : ", ") + shown(allowed);
    }
    report("enum", fmt::format("must be one of {}, and is {}", names, shown(value)));
  }

  void judge_any(const json& alternatives, const json& value) {
    std::vector<SchemaIssue> best;
    std::size_t deepest = 0;
    for (const json& alternative : alternatives) {
      std::vector<SchemaIssue> found;
      if (trial(false, [&] { check(alternative, value); }, &found)) return;
      // What went wrong furthest inside is most likely the alternative that was meant.
      std::size_t depth = 0;
      for (const auto& issue : found) depth = std::max(depth, issue.instance.size());
      if (best.empty() || depth > deepest) {
        best = std::move(found);
        deepest = depth;
      }
    }
    const bool inside = deepest > pointer().size();
    report("anyOf", fmt::format("fits none of the {} alternatives{}", alternatives.size(),
                                inside ? "; the closest one says:" : ""));
    if (inside)
      for (auto& issue : best)
        if (issues_.size() < max_issues) issues_.push_back(std::move(issue));
  }

  void judge_one(const json& alternatives, const json& value) {
    std::size_t fitting = 0;
    for (const json& alternative : alternatives) fitting += fits(alternative, value) ? 1 : 0;
    if (fitting == 0) return judge_any(alternatives, value);
    if (fitting > 1)
      report("oneOf",
             fmt::format("fits {} of the {} alternatives, and must fit just one", fitting, alternatives.size()));
  }

  void judge_number(SchemaKeyword keyword, const std::string& name, const json& limit, const json& value) {
    const auto must = [&](bool ok, const char* what) {
      if (!ok) report(name, fmt::format("must be {} {}, and is {}", what, limit.dump(), value.dump()));
    };
    switch (keyword) {
      case SchemaKeyword::minimum: return must(value >= limit, "at least");
      case SchemaKeyword::maximum: return must(value <= limit, "at most");
      case SchemaKeyword::above: return must(value > limit, "more than");
      case SchemaKeyword::below: return must(value < limit, "less than");
      case SchemaKeyword::multiple_of: return must(is_multiple(value, limit), "a multiple of");
      default: return;
    }
  }

  void judge_size(const std::string& name, const json& limit, std::size_t size, bool least, const char* what) {
    const std::size_t bound = count_of(limit);
    if (least ? size >= bound : size <= bound) return;
    report(name, fmt::format("must have at {} {} {}, and has {}", least ? "least" : "most", bound, what, size));
  }

  void judge_string(SchemaKeyword keyword, const std::string& name, const json& argument, const std::string& text) {
    switch (keyword) {
      case SchemaKeyword::min_length: return judge_size(name, argument, code_points(text), true, "characters");
      case SchemaKeyword::max_length: return judge_size(name, argument, code_points(text), false, "characters");
      case SchemaKeyword::pattern:
        if (!matches(*text_of(argument), text))
          report(name, fmt::format("must match the pattern {}", detail::quoted(*text_of(argument))));
        return;
      case SchemaKeyword::format:
        if (schema_.format && !schema_.format(*text_of(argument), text))
          report(name, fmt::format("must be a {}", *text_of(argument)));
        return;
      default: return;
    }
  }

  void judge_array(SchemaKeyword keyword, const std::string& name, const json& schema, const json& argument,
                   const json& value) {
    const auto check_rest = [&](std::size_t first, const json& rest) {
      for (std::size_t i = first; i < value.size(); ++i) check_at({nullptr, i}, rest, value[i]);
    };
    const auto check_places = [&](const json& places) {
      for (std::size_t i = 0; i < std::min(places.size(), value.size()); ++i)
        check_at({nullptr, i}, places[i], value[i]);
    };
    switch (keyword) {
      case SchemaKeyword::min_items: return judge_size(name, argument, value.size(), true, "elements");
      case SchemaKeyword::max_items: return judge_size(name, argument, value.size(), false, "elements");
      case SchemaKeyword::unique_items:
        if (argument.get<bool>()) judge_unique(value);
        return;
      case SchemaKeyword::prefix_items: return check_places(argument);
      case SchemaKeyword::items:
        if (!argument.is_array()) {
          const json* prefix = find_member(schema, "prefixItems");
          return check_rest(prefix != nullptr ? prefix->size() : 0, argument);
        }
        check_places(argument);
        if (const json* rest = find_member(schema, "additionalItems")) check_rest(argument.size(), *rest);
        return;
      case SchemaKeyword::contains:
        if (std::none_of(value.begin(), value.end(), [&](const json& v) { return fits(argument, v); }))
          report(name, "has no element like the one it must contain");
        return;
      default: return;
    }
  }

  void judge_unique(const json& value) {
    if (budget_ < value.size()) {
      exhausted_ = true;
      return;
    }
    budget_ -= value.size();
    std::vector<const json*> sorted;
    for (const json& v : value) sorted.push_back(&v);
    std::sort(sorted.begin(), sorted.end(), [](const json* a, const json* b) { return *a < *b; });
    const auto twice =
        std::adjacent_find(sorted.begin(), sorted.end(), [](const json* a, const json* b) { return *a == *b; });
    if (twice != sorted.end()) report("uniqueItems", fmt::format("has {} more than once", shown(**twice)));
  }

  void judge_object(SchemaKeyword keyword, const std::string& name, const json& schema, const json& argument,
                    const json& value) {
    const auto& members = *value.get_ptr<const json::object_t*>();
    switch (keyword) {
      case SchemaKeyword::min_properties: return judge_size(name, argument, members.size(), true, "members");
      case SchemaKeyword::max_properties: return judge_size(name, argument, members.size(), false, "members");
      case SchemaKeyword::required:
        for (const json& wanted : argument) require_member(name, value, *text_of(wanted), "");
        return;
      case SchemaKeyword::properties:
        for (const auto& [key, part] : *argument.get_ptr<const json::object_t*>())
          if (const auto it = members.find(key); it != members.end()) check_at({&it->first, 0}, part, it->second);
        return;
      case SchemaKeyword::pattern_properties:
        for (const auto& [pattern, part] : *argument.get_ptr<const json::object_t*>())
          for (const auto& [key, v] : members)
            if (matches(pattern, key)) check_at({&key, 0}, part, v);
        return;
      case SchemaKeyword::additional_properties:
        for (const auto& [key, v] : members)
          if (!is_named(schema, key)) check_additional(schema, argument, key, v);
        return;
      case SchemaKeyword::property_names:
        for (const auto& [key, v] : members) check_at({&key, 0}, argument, json(key));
        return;
      case SchemaKeyword::dependencies:
        for (const auto& [key, needs] : *argument.get_ptr<const json::object_t*>()) {
          if (!members.contains(key)) continue;
          if (!needs.is_array()) {
            check(needs, value);
            continue;
          }
          for (const json& wanted : needs) require_member(name, value, *text_of(wanted), " when " + key + " is given");
        }
        return;
      default: return;
    }
  }

  void require_member(const std::string& keyword, const json& object, const std::string& wanted,
                      std::string_view when) {
    if (object.contains(wanted)) return;
    path_.push_back({&wanted, 0});
    report(keyword, fmt::format("is required{}, and is missing", when));
    path_.pop_back();
  }
  bool is_named(const json& schema, const std::string& key) {
    if (const json* named = find_member(schema, "properties"); named != nullptr && named->contains(key)) return true;
    const json* by_pattern = find_member(schema, "patternProperties");
    if (by_pattern == nullptr) return false;
    const auto& all = *by_pattern->get_ptr<const json::object_t*>();
    return std::any_of(all.begin(), all.end(), [&](const auto& entry) { return matches(entry.first, key); });
  }
  void check_additional(const json& schema, const json& argument, const std::string& key, const json& v) {
    if (argument != json(false)) return check_at({&key, 0}, argument, v);
    std::string known;
    if (const json* named = find_member(schema, "properties"))
      for (const auto& [name, part] : *named->get_ptr<const json::object_t*>())
        if (known.size() < 400) known += (known.empty() ? "; known are " : ", ") + name;
    path_.push_back({&key, 0});
    report("additionalProperties", "is not known" + known);
    path_.pop_back();
  }

  bool matches(const std::string& pattern, const std::string& text) {
    const bool found = schema_.patterns.at(pattern).found_in(text, budget_);
    if (budget_ == 0) exhausted_ = true;
    return found;
  }
  bool spend() {
    if (budget_ == 0) exhausted_ = true;
    return !exhausted_ && budget_-- > 0;
  }

  const Compiled& schema_;
  std::vector<SchemaIssue> issues_;
  std::vector<Step> path_;
  std::size_t failures_ = 0;
  std::uint64_t budget_ = 2'000'000;
  int depth_ = 0;
  bool exhausted_ = false;
};

JsonSchema::JsonSchema() : JsonSchema(JsonValue(json(true))) {}

JsonSchema::JsonSchema(JsonValue document, FormatCheck format) {
  compiled_ = std::make_shared<const Compiled>(std::move(document), std::move(format));
}

std::vector<SchemaIssue> JsonSchema::issues(const JsonValue& value) const {
  return Compiled::Judge(*compiled_).run(value.get());
}

void JsonSchema::require(const JsonValue& value) const {
  auto found = issues(value);
  if (found.empty()) return;
  std::string text = to_string(found);
  throw schema_error(errc::schema_mismatch, "the value does not fit its schema:\n" + text, std::move(found));
}

JsonValue JsonSchema::without_idle_nulls(const JsonValue& value) const {
  json copy = value.get();
  drop_idle_nulls(compiled_->document.get(), copy);
  return JsonValue(std::move(copy));
}

const JsonValue& JsonSchema::document() const noexcept { return compiled_->document; }

}  // namespace agentflow
