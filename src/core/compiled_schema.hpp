// SPDX-License-Identifier: MIT
// Private: a schema as it was read, between reading it and checking values.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include <agentflow/core/json_schema.hpp>
#include <nlohmann/json.hpp>

#include "core/pattern.hpp"

namespace agentflow {
namespace detail {

/// What a keyword does to a value; `other` is one that only holds schemas.
enum class SchemaKeyword {
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

/// The keyword of a name; null for names that are no keywords.
const SchemaKeyword* find_keyword(std::string_view name);

inline const nlohmann::json* find_member(const nlohmann::json& object, std::string_view name) {
  const auto it = object.find(name);
  return it == object.end() ? nullptr : &*it;
}
/// The text of a node that is one; else null.
inline const std::string* text_of(const nlohmann::json& node) { return node.get_ptr<const std::string*>(); }
/// Puts a name behind a JSON pointer.
void append_pointer(std::string& out, std::string_view name);

}  // namespace detail

struct JsonSchema::Compiled {
  /// **Errors** `schema_error`.
  Compiled(JsonValue document, FormatCheck format);
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  class Reader;
  class Judge;

  const JsonValue document;
  const FormatCheck format;
  bool beside_ref = false;  // keywords beside a $ref count
  std::map<std::string, detail::Pattern> patterns;
  std::unordered_map<const nlohmann::json*, const nlohmann::json*> refs;  // the value of a $ref -> the schema it means
};

}  // namespace agentflow
