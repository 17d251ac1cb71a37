// SPDX-License-Identifier: MIT
// Checking schemas, and values against them.
#include <agentflow/core/json_schema.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json_text.hpp"
#include "core/pattern.hpp"

namespace agentflow {
namespace {

using nlohmann::json;

enum class Keyword {
  ref,
  type,
  enumeration,
  constant,
  multiple_of,
  minimum,
  maximum,
  above,
  below,
  min_length,
  max_length,
  pattern,
  format,
  items,
  prefix_items,
  min_items,
  max_items,
  unique_items,
  contains,
  properties,
  required,
  additional_properties,
  pattern_properties,
  property_names,
  min_properties,
  max_properties,
  dependencies,
  all_of,
  any_of,
  one_of,
  negation,
  condition,
  other,
};

/// What the value of a keyword must be.
enum class Shape {
  text,
  types,
  any,
  list,
  number,
  positive,
  count,
  boolean,
  pattern,
  names,
  schema,
  schemas,
  schema_or_schemas,
  schema_map,
  pattern_map,
  dependency_map,
};

struct Entry {
  Keyword keyword;
  Shape shape;
};

const std::map<std::string, Entry, std::less<>> keywords = {
    {"$defs", {Keyword::other, Shape::schema_map}},
    {"$ref", {Keyword::ref, Shape::text}},
    {"additionalItems", {Keyword::other, Shape::schema}},
    {"additionalProperties", {Keyword::additional_properties, Shape::schema}},
    {"allOf", {Keyword::all_of, Shape::schemas}},
    {"anyOf", {Keyword::any_of, Shape::schemas}},
    {"const", {Keyword::constant, Shape::any}},
    {"contains", {Keyword::contains, Shape::schema}},
    {"definitions", {Keyword::other, Shape::schema_map}},
    {"dependencies", {Keyword::dependencies, Shape::dependency_map}},
    {"dependentRequired", {Keyword::dependencies, Shape::dependency_map}},
    {"dependentSchemas", {Keyword::dependencies, Shape::dependency_map}},
    {"else", {Keyword::other, Shape::schema}},
    {"enum", {Keyword::enumeration, Shape::list}},
    {"exclusiveMaximum", {Keyword::below, Shape::number}},
    {"exclusiveMinimum", {Keyword::above, Shape::number}},
    {"format", {Keyword::format, Shape::text}},
    {"if", {Keyword::condition, Shape::schema}},
    {"items", {Keyword::items, Shape::schema_or_schemas}},
    {"maxItems", {Keyword::max_items, Shape::count}},
    {"maxLength", {Keyword::max_length, Shape::count}},
    {"maxProperties", {Keyword::max_properties, Shape::count}},
    {"maximum", {Keyword::maximum, Shape::number}},
    {"minItems", {Keyword::min_items, Shape::count}},
    {"minLength", {Keyword::min_length, Shape::count}},
    {"minProperties", {Keyword::min_properties, Shape::count}},
    {"minimum", {Keyword::minimum, Shape::number}},
    {"multipleOf", {Keyword::multiple_of, Shape::positive}},
    {"not", {Keyword::negation, Shape::schema}},
    {"oneOf", {Keyword::one_of, Shape::schemas}},
    {"pattern", {Keyword::pattern, Shape::pattern}},
    {"patternProperties", {Keyword::pattern_properties, Shape::pattern_map}},
    {"prefixItems", {Keyword::prefix_items, Shape::schemas}},
    {"properties", {Keyword::properties, Shape::schema_map}},
    {"propertyNames", {Keyword::property_names, Shape::schema}},
    {"required", {Keyword::required, Shape::names}},
    {"then", {Keyword::other, Shape::schema}},
    {"type", {Keyword::type, Shape::types}},
    {"uniqueItems", {Keyword::unique_items, Shape::boolean}},
};

const json* member(const json& object, std::string_view name) {
  const auto it = object.find(name);
  return it == object.end() ? nullptr : &*it;
}

const std::string* text_of(const json& node) { return node.get_ptr<const std::string*>(); }

bool is_count(const json& node) {
  return node.is_number_unsigned() || (node.is_number() && node.get<double>() >= 0 && node.get<double>() < 0x1p53 &&
                                       std::floor(node.get<double>()) == node.get<double>());
}

std::size_t count_of(const json& node) {
  return node.is_number_unsigned() ? node.get<std::size_t>() : static_cast<std::size_t>(node.get<double>());
}

/// A name as a part of a JSON pointer.
void append_pointer(std::string& out, std::string_view name) {
  out += '/';
  for (const char c : name) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
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
  const json* type = schema.is_object() ? member(schema, "type") : nullptr;
  if (type == nullptr) return schema.is_object() && schema.contains("enum");
  return *type != "null" && (!type->is_array() || std::find(type->begin(), type->end(), "null") == type->end());
}

bool requires_member(const json& schema, const std::string& name) {
  const json* required = member(schema, "required");
  return required != nullptr && std::find(required->begin(), required->end(), name) != required->end();
}

/// Recurses no deeper than the value nests, which JsonValue bounds.
void drop_idle_nulls(const json& schema, json& value) {
  if (!schema.is_object()) return;
  if (value.is_array()) {
    const json* items = member(schema, "items");
    if (items == nullptr || items->is_array()) return;
    for (json& element : value) drop_idle_nulls(*items, element);
    return;
  }
  if (!value.is_object()) return;
  const json* properties = member(schema, "properties");
  const json* others = member(schema, "additionalProperties");
  for (auto it = value.begin(); it != value.end();) {
    const json* part = properties != nullptr ? member(*properties, it.key()) : nullptr;
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

struct JsonSchema::Compiled {
  class Checker;
  class Judge;

  JsonValue document;
  FormatCheck format;
  bool beside_ref = false;  // keywords beside a $ref count
  std::map<std::string, detail::Pattern> patterns;
  std::unordered_map<const json*, const json*> refs;  // the value of a $ref -> the schema it means
};

// ---- the schema itself ---------------------------------------------------------------------------------------------

/// Goes over all subschemas, without recursion, and leaves behind compiled patterns and resolved references.
class JsonSchema::Compiled::Checker {
 public:
  explicit Checker(Compiled& out) : out_(out), root_(out.document.get()) {}

  void run() {
    if (const json* draft = root_.is_object() ? member(root_, "$schema") : nullptr; draft != nullptr && text_of(*draft))
      out_.beside_ref = text_of(*draft)->find("/draft-0") == std::string::npos;
    push(root_, "", 0, false);
    while (!todo_.empty()) {
      const Item item = std::move(todo_.back());
      todo_.pop_back();
      check(item);
    }
  }

 private:
  struct Item {
    const json* schema;
    std::string at;  // a JSON pointer
    int depth;
    bool rebased;  // beneath an $id of its own
  };

  [[noreturn]] static void fail(const std::string& at, const std::string& message, errc code = errc::schema_invalid) {
    throw schema_error(code, fmt::format("the schema is no good at '#{}': {}", at, message));
  }

  void push(const json& schema, std::string at, int depth, bool rebased) {
    if (!seen_.insert(&schema).second) return;
    if (seen_.size() > max_subschemas) fail(at, fmt::format("it has more than {} subschemas", max_subschemas));
    if (depth > max_depth) fail(at, fmt::format("it nests deeper than {}", max_depth));
    if (!schema.is_boolean() && !schema.is_object()) fail(at, "a schema is an object, true or false");
    todo_.push_back({&schema, std::move(at), depth, rebased});
  }

  void check(const Item& item) {
    if (!item.schema->is_object()) return;
    if (const json* ref = member(*item.schema, "$ref"); ref != nullptr && !out_.beside_ref) {
      check_keyword(item, "$ref", *ref, item.rebased);
      // The others are ignored, but something may refer to what is beneath them.
      for (const char* name : {"definitions", "$defs"})
        if (const json* kept = member(*item.schema, name)) check_keyword(item, name, *kept, item.rebased);
      return;
    }
    bool rebased = item.rebased;
    if (const json* id = member(*item.schema, "$id"); id != nullptr && item.schema != &root_)
      rebased = rebased || text_of(*id) == nullptr || !text_of(*id)->starts_with('#');
    for (const auto& [name, value] : *item.schema->get_ptr<const json::object_t*>())
      check_keyword(item, name, value, rebased);
  }

  void check_keyword(const Item& item, const std::string& name, const json& value, bool rebased) {
    const auto it = keywords.find(name);
    if (it == keywords.end()) return;
    std::string at = item.at;
    append_pointer(at, name);
    check_shape(it->second.shape, at, value);
    const auto below = [&](const json& schema, std::string where) {
      push(schema, std::move(where), item.depth + 1, rebased);
    };
    switch (it->second.shape) {
      case Shape::schema: return below(value, at);
      case Shape::schemas: return each_element(value, at, below);
      case Shape::schema_or_schemas:
        if (value.is_array()) return each_element(value, at, below);
        return below(value, at);
      case Shape::pattern: return compile(*text_of(value), at);
      case Shape::pattern_map:
        for (const auto& [pattern, schema] : *value.get_ptr<const json::object_t*>()) compile(pattern, at);
        return each_member(value, at, below);
      case Shape::schema_map: return each_member(value, at, below);
      case Shape::dependency_map:
        return each_member(value, at, [&](const json& entry, const std::string& where) {
          if (!entry.is_array()) return below(entry, where);
          check_shape(Shape::names, where, entry);
        });
      default: break;
    }
    if (it->second.keyword == Keyword::ref) resolve(item, at, value, rebased);
  }

  template <class F>
  static void each_element(const json& array, const std::string& at, F&& fn) {
    for (std::size_t i = 0; i < array.size(); ++i) fn(array[i], fmt::format("{}/{}", at, i));
  }
  template <class F>
  static void each_member(const json& object, const std::string& at, F&& fn) {
    for (const auto& [name, schema] : *object.get_ptr<const json::object_t*>()) {
      std::string where = at;
      append_pointer(where, name);
      fn(schema, where);
    }
  }

  static void check_shape(Shape shape, const std::string& at, const json& value) {
    const auto need = [&](bool ok, const char* what) {
      if (!ok) fail(at, fmt::format("must be {}", what));
    };
    const auto all_texts = [&] {
      return std::all_of(value.begin(), value.end(), [](const json& v) { return v.is_string(); });
    };
    switch (shape) {
      case Shape::text:
      case Shape::pattern: return need(value.is_string(), "a string");
      case Shape::types:
        for (const json& type : value.is_array() ? value : json::array({value}))
          need(text_of(type) != nullptr && is_type_name(*text_of(type)),
               "null, boolean, integer, number, string, array or object, or an array of these");
        return;
      case Shape::any: return;
      case Shape::list: return need(value.is_array(), "an array");
      case Shape::number: return need(value.is_number(), "a number");
      case Shape::positive: return need(value.is_number() && value.get<double>() > 0, "a number above 0");
      case Shape::count: return need(is_count(value), "a whole number from 0 on");
      case Shape::boolean: return need(value.is_boolean(), "true or false");
      case Shape::names: return need(value.is_array() && all_texts(), "an array of strings");
      case Shape::schemas: return need(value.is_array() && !value.empty(), "an array of schemas");
      case Shape::schema_map:
      case Shape::pattern_map:
      case Shape::dependency_map: return need(value.is_object(), "an object of schemas");
      case Shape::schema:
      case Shape::schema_or_schemas: return;  // when it is its turn
    }
  }
  static bool is_type_name(std::string_view name) {
    for (const std::string_view known : {"null", "boolean", "integer", "number", "string", "array", "object"})
      if (name == known) return true;
    return false;
  }

  void compile(const std::string& pattern, const std::string& at) {
    if (out_.patterns.contains(pattern)) return;
    try {
      out_.patterns.emplace(pattern, detail::Pattern(pattern));
    } catch (const detail::PatternFault& e) {
      fail(at, fmt::format("the pattern {} cannot be used: {}", detail::quoted(pattern), e.message),
           e.message.ends_with("not supported") ? errc::schema_unsupported : errc::schema_invalid);
    }
  }

  void resolve(const Item& item, const std::string& at, const json& ref, bool rebased) {
    const std::string& text = *text_of(ref);
    if (!text.starts_with('#') || rebased)
      fail(at, fmt::format("{} refers to another document, which is never fetched", detail::quoted(text)),
           errc::schema_unsupported);
    if (text.size() > 1 && text[1] != '/')
      fail(at, fmt::format("{} refers to a name; only JSON pointers are followed", detail::quoted(text)),
           errc::schema_unsupported);
    const json* target = nullptr;
    try {
      const json::json_pointer pointer(unescaped(text.substr(1)));
      if (root_.contains(pointer)) target = &root_.at(pointer);
    } catch (const json::exception&) {
    }
    if (target == nullptr) fail(at, fmt::format("{} refers to nothing", detail::quoted(text)));
    out_.refs[&ref] = target;
    push(*target, text.substr(1), std::min(item.depth + 1, max_depth), rebased);
  }

  /// Undoes the %XX of a URI fragment.
  static std::string unescaped(std::string_view text) {
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const int high = text[i] == '%' && i + 2 < text.size() ? digit(text[i + 1]) : -1;
      const int low = high >= 0 ? digit(text[i + 2]) : -1;
      if (low < 0) {
        out += text[i];
      } else {
        out += static_cast<char>(high * 16 + low);
        i += 2;
      }
    }
    return out;
  }

  Compiled& out_;
  const json& root_;
  std::vector<Item> todo_;
  std::unordered_set<const json*> seen_;
};

// ---- values --------------------------------------------------------------------------------------------------------

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
    } else if (const json* ref = member(schema, "$ref"); ref != nullptr && !schema_.beside_ref) {
      check(*schema_.refs.at(ref), value);
    } else {
      for (const auto& [name, argument] : *schema.get_ptr<const json::object_t*>())
        if (const auto it = keywords.find(name); it != keywords.end())
          judge(it->second.keyword, name, schema, argument, value);
    }
    --depth_;
  }

  void judge(Keyword keyword, const std::string& name, const json& schema, const json& argument, const json& value) {
    switch (keyword) {
      case Keyword::ref: return check(*schema_.refs.at(&argument), value);
      case Keyword::type: return judge_type(argument, value);
      case Keyword::enumeration: return judge_enum(argument, value);
      case Keyword::constant:
        if (value != argument) report(name, fmt::format("must be {}, and is {}", shown(argument), shown(value)));
        return;
      case Keyword::all_of:
        for (const json& part : argument) check(part, value);
        return;
      case Keyword::any_of: return judge_any(argument, value);
      case Keyword::one_of: return judge_one(argument, value);
      case Keyword::negation:
        if (fits(argument, value)) report(name, "fits a schema that it must not fit");
        return;
      case Keyword::condition:
        if (const json* next = member(schema, fits(argument, value) ? "then" : "else")) check(*next, value);
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

  void judge_number(Keyword keyword, const std::string& name, const json& limit, const json& value) {
    const auto must = [&](bool ok, const char* what) {
      if (!ok) report(name, fmt::format("must be {} {}, and is {}", what, limit.dump(), value.dump()));
    };
    switch (keyword) {
      case Keyword::minimum: return must(value >= limit, "at least");
      case Keyword::maximum: return must(value <= limit, "at most");
      case Keyword::above: return must(value > limit, "more than");
      case Keyword::below: return must(value < limit, "less than");
      case Keyword::multiple_of: return must(is_multiple(value, limit), "a multiple of");
      default: return;
    }
  }

  void judge_size(const std::string& name, const json& limit, std::size_t size, bool least, const char* what) {
    const std::size_t bound = count_of(limit);
    if (least ? size >= bound : size <= bound) return;
    report(name, fmt::format("must have at {} {} {}, and has {}", least ? "least" : "most", bound, what, size));
  }

  void judge_string(Keyword keyword, const std::string& name, const json& argument, const std::string& text) {
    switch (keyword) {
      case Keyword::min_length: return judge_size(name, argument, code_points(text), true, "characters");
      case Keyword::max_length: return judge_size(name, argument, code_points(text), false, "characters");
      case Keyword::pattern:
        if (!matches(*text_of(argument), text))
          report(name, fmt::format("must match the pattern {}", detail::quoted(*text_of(argument))));
        return;
      case Keyword::format:
        if (schema_.format && !schema_.format(*text_of(argument), text))
          report(name, fmt::format("must be a {}", *text_of(argument)));
        return;
      default: return;
    }
  }

  void judge_array(Keyword keyword, const std::string& name, const json& schema, const json& argument,
                   const json& value) {
    const auto check_rest = [&](std::size_t first, const json& rest) {
      for (std::size_t i = first; i < value.size(); ++i) check_at({nullptr, i}, rest, value[i]);
    };
    const auto check_places = [&](const json& places) {
      for (std::size_t i = 0; i < std::min(places.size(), value.size()); ++i)
        check_at({nullptr, i}, places[i], value[i]);
    };
    switch (keyword) {
      case Keyword::min_items: return judge_size(name, argument, value.size(), true, "elements");
      case Keyword::max_items: return judge_size(name, argument, value.size(), false, "elements");
      case Keyword::unique_items:
        if (argument.get<bool>()) judge_unique(value);
        return;
      case Keyword::prefix_items: return check_places(argument);
      case Keyword::items:
        if (!argument.is_array()) {
          const json* prefix = member(schema, "prefixItems");
          return check_rest(prefix != nullptr ? prefix->size() : 0, argument);
        }
        check_places(argument);
        if (const json* rest = member(schema, "additionalItems")) check_rest(argument.size(), *rest);
        return;
      case Keyword::contains:
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

  void judge_object(Keyword keyword, const std::string& name, const json& schema, const json& argument,
                    const json& value) {
    const auto& members = *value.get_ptr<const json::object_t*>();
    switch (keyword) {
      case Keyword::min_properties: return judge_size(name, argument, members.size(), true, "members");
      case Keyword::max_properties: return judge_size(name, argument, members.size(), false, "members");
      case Keyword::required:
        for (const json& wanted : argument) require_member(name, value, *text_of(wanted), "");
        return;
      case Keyword::properties:
        for (const auto& [key, part] : *argument.get_ptr<const json::object_t*>())
          if (const auto it = members.find(key); it != members.end()) check_at({&it->first, 0}, part, it->second);
        return;
      case Keyword::pattern_properties:
        for (const auto& [pattern, part] : *argument.get_ptr<const json::object_t*>())
          for (const auto& [key, v] : members)
            if (matches(pattern, key)) check_at({&key, 0}, part, v);
        return;
      case Keyword::additional_properties:
        for (const auto& [key, v] : members)
          if (!is_named(schema, key)) check_additional(schema, argument, key, v);
        return;
      case Keyword::property_names:
        for (const auto& [key, v] : members) check_at({&key, 0}, argument, json(key));
        return;
      case Keyword::dependencies:
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
    if (const json* named = member(schema, "properties"); named != nullptr && named->contains(key)) return true;
    const json* patterns = member(schema, "patternProperties");
    if (patterns == nullptr) return false;
    const auto& all = *patterns->get_ptr<const json::object_t*>();
    return std::any_of(all.begin(), all.end(), [&](const auto& entry) { return matches(entry.first, key); });
  }
  void check_additional(const json& schema, const json& argument, const std::string& key, const json& v) {
    if (argument != json(false)) return check_at({&key, 0}, argument, v);
    std::string known;
    if (const json* named = member(schema, "properties"))
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
  auto compiled = std::make_shared<Compiled>();
  compiled->document = std::move(document);
  compiled->format = std::move(format);
  Compiled::Checker(*compiled).run();
  compiled_ = std::move(compiled);
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
