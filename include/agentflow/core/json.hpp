// SPDX-License-Identifier: MIT
// The opt-in header for nlohmann::json: includes it, and lets types with its to_json and from_json take part.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include <agentflow/core/json_codec.hpp>
#include <agentflow/core/json_value.hpp>

namespace agentflow {

namespace detail {

/// Throws the `json_error` that says what nlohmann's exception says.
[[noreturn]] AGENTFLOW_API void rethrow_nlohmann(const nlohmann::json::exception& e, std::string path);

template <class T>
concept NlohmannWritable = requires(nlohmann::json& j, const T& v) { nlohmann::adl_serializer<T>::to_json(j, v); };
template <class T>
concept NlohmannReadable = requires(const nlohmann::json& j, T& v) { nlohmann::adl_serializer<T>::from_json(j, v); };

}  // namespace detail

/// Types that nlohmann::json knows and this library does not: through their `to_json` and `from_json`, or a
/// specialisation of `nlohmann::adl_serializer`. Its exceptions become `json_error` with the path of the value.
/// Include this header wherever such a type is written or read: without it, it has no mapping.
template <class T>
  requires(std::is_class_v<T> && detail::json_shape<T>() == detail::JsonShape::other &&
           (detail::NlohmannWritable<T> || detail::NlohmannReadable<T>))
struct JsonCodec<T> {
  static void write(JsonWriter& out, const T& value)
    requires detail::NlohmannWritable<T>
  {
    nlohmann::json tree;
    try {
      nlohmann::adl_serializer<T>::to_json(tree, value);
    } catch (const nlohmann::json::exception& e) {
      detail::rethrow_nlohmann(e, out.path());
    }
    out.value(JsonValue(std::move(tree)));
  }
  static void read(const JsonReader& in, T& value)
    requires detail::NlohmannReadable<T>
  {
    try {
      nlohmann::adl_serializer<T>::from_json(in.get(), value);
    } catch (const nlohmann::json::exception& e) {
      detail::rethrow_nlohmann(e, in.path());
    }
  }
};

template <>
struct JsonCodec<nlohmann::json> {
  static void write(JsonWriter& out, const nlohmann::json& value) { out.value(JsonValue(value)); }
  static void read(const JsonReader& in, nlohmann::json& value) { value = in.get(); }
};

}  // namespace agentflow
