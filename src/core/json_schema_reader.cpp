// SPDX-License-Identifier: MIT
// Reading schemas: what is wrong with one, the patterns in it, and where its references lead.
#include "core/compiled_schema.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/json_text.hpp"

namespace agentflow {

using detail::append_pointer;
using detail::find_member;
using detail::SchemaKeyword;
using detail::text_of;
using nlohmann::json;

namespace {

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
  SchemaKeyword keyword;
  Shape shape;
};

const std::map<std::string, Entry, std::less<>> keywords = {
    {"$defs", {SchemaKeyword::other, Shape::schema_map}},
    {"$ref", {SchemaKeyword::ref, Shape::text}},
    {"additionalItems", {SchemaKeyword::other, Shape::schema}},
    {"additionalProperties", {SchemaKeyword::additional_properties, Shape::schema}},
    {"allOf", {SchemaKeyword::all_of, Shape::schemas}},
    {"anyOf", {SchemaKeyword::any_of, Shape::schemas}},
    {"const", {SchemaKeyword::constant, Shape::any}},
    {"contains", {SchemaKeyword::contains, Shape::schema}},
    {"definitions", {SchemaKeyword::other, Shape::schema_map}},
    {"dependencies", {SchemaKeyword::dependencies, Shape::dependency_map}},
    {"dependentRequired", {SchemaKeyword::dependencies, Shape::dependency_map}},
    {"dependentSchemas", {SchemaKeyword::dependencies, Shape::dependency_map}},
    {"else", {SchemaKeyword::other, Shape::schema}},
    {"enum", {SchemaKeyword::enumeration, Shape::list}},
    {"exclusiveMaximum", {SchemaKeyword::below, Shape::number}},
    {"exclusiveMinimum", {SchemaKeyword::above, Shape::number}},
    {"format", {SchemaKeyword::format, Shape::text}},
    {"if", {SchemaKeyword::condition, Shape::schema}},
    {"items", {SchemaKeyword::items, Shape::schema_or_schemas}},
    {"maxItems", {SchemaKeyword::max_items, Shape::count}},
    {"maxLength", {SchemaKeyword::max_length, Shape::count}},
    {"maxProperties", {SchemaKeyword::max_properties, Shape::count}},
    {"maximum", {SchemaKeyword::maximum, Shape::number}},
    {"minItems", {SchemaKeyword::min_items, Shape::count}},
    {"minLength", {SchemaKeyword::min_length, Shape::count}},
    {"minProperties", {SchemaKeyword::min_properties, Shape::count}},
    {"minimum", {SchemaKeyword::minimum, Shape::number}},
    {"multipleOf", {SchemaKeyword::multiple_of, Shape::positive}},
    {"not", {SchemaKeyword::negation, Shape::schema}},
    {"oneOf", {SchemaKeyword::one_of, Shape::schemas}},
    {"pattern", {SchemaKeyword::pattern, Shape::pattern}},
    {"patternProperties", {SchemaKeyword::pattern_properties, Shape::pattern_map}},
    {"prefixItems", {SchemaKeyword::prefix_items, Shape::schemas}},
    {"properties", {SchemaKeyword::properties, Shape::schema_map}},
    {"propertyNames", {SchemaKeyword::property_names, Shape::schema}},
    {"required", {SchemaKeyword::required, Shape::names}},
    {"then", {SchemaKeyword::other, Shape::schema}},
    {"type", {SchemaKeyword::type, Shape::types}},
    {"uniqueItems", {SchemaKeyword::unique_items, Shape::boolean}},
};

bool is_count(const json& node) {
  return node.is_number_unsigned() || (node.is_number() && node.get<double>() >= 0 && node.get<double>() < 0x1p53 &&
                                       std::floor(node.get<double>()) == node.get<double>());
}

}  // namespace

const SchemaKeyword* detail::find_keyword(std::string_view name) {
  const auto it = keywords.find(name);
  return it == keywords.end() ? nullptr : &it->second.keyword;
}

void detail::append_pointer(std::string& out, std::string_view name) {
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

/// Goes over all subschemas, without recursion, and leaves behind compiled patterns and resolved references.
class JsonSchema::Compiled::Reader {
 public:
  explicit Reader(Compiled& out) : out_(out), root_(out.document.get()) {}

  void run() {
    if (const json* draft = root_.is_object() ? find_member(root_, "$schema") : nullptr;
        draft != nullptr && text_of(*draft))
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
    if (const json* ref = find_member(*item.schema, "$ref"); ref != nullptr && !out_.beside_ref) {
      check_keyword(item, "$ref", *ref, item.rebased);
      // The others are ignored, but something may refer to what is beneath them.
      for (const char* name : {"definitions", "$defs"})
        if (const json* kept = find_member(*item.schema, name)) check_keyword(item, name, *kept, item.rebased);
      return;
    }
    bool rebased = item.rebased;
    if (const json* id = find_member(*item.schema, "$id"); id != nullptr && item.schema != &root_)
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
    if (it->second.keyword == SchemaKeyword::ref) resolve(item, at, value, rebased);
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

JsonSchema::Compiled::Compiled(JsonValue d, FormatCheck f) : document(std::move(d)), format(std::move(f)) {
  Reader(*this).run();
}

}  // namespace agentflow
