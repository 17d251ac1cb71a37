// SPDX-License-Identifier: MIT
// Private: reading JSON that may be anything. What is absent, null or of another kind reads as empty.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <agentflow/core/json.hpp>

namespace agentflow::llm {

using nlohmann::json;

inline const json* find(const json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

inline std::string text(const json& object, std::string_view key) {
  const json* value = find(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

inline std::uint64_t number(const json& object, std::string_view key) {
  const json* value = find(object, key);
  return value != nullptr && value->is_number_unsigned() ? value->get<std::uint64_t>() : 0;
}

/// A member that is an array; else an empty one.
inline const json& array(const json& object, std::string_view key) {
  static const json none = json::array();
  const json* value = find(object, key);
  return value != nullptr && value->is_array() ? *value : none;
}

/// A member that is an object; else an empty one.
inline const json& object(const json& parent, std::string_view key) {
  static const json none = json::object();
  const json* value = find(parent, key);
  return value != nullptr && value->is_object() ? *value : none;
}

}  // namespace agentflow::llm
