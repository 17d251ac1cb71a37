// SPDX-License-Identifier: MIT
// schema_of: the JSON Schema of a C++ type.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <agentflow/state/params.hpp>

namespace agentflow {

/// How a schema says that a field may be missing.
enum class SchemaStyle {
  plain,   ///< An optional field is not required.
  strict,  ///< Every field is required, and an optional one may be null: what OpenAI's strict mode wants.
};

namespace detail {

template <class T>
inline constexpr bool is_variant = false;
template <class... T>
inline constexpr bool is_variant<std::variant<T...>> = true;

template <class T>
concept HasSchemaFunction = requires(JsonWriter& out) { agentflow_write_schema(out, static_cast<const T*>(nullptr)); };

void write_schema_type(JsonWriter& out, std::string_view name);

template <class T>
void write_schema_members(JsonWriter& out, SchemaStyle style);

template <class T>
void write_schema(JsonWriter& out, SchemaStyle style, std::string_view description = {}) {
  out.begin_object();
  if (!description.empty()) {
    out.key("description");
    out.string(description);
  }
  write_schema_members<T>(out, style);
  out.end_object();
}

template <class... T>
void write_any_of(JsonWriter& out, SchemaStyle style) {
  out.key("anyOf");
  out.begin_array();
  (write_schema<T>(out, style), ...);
  out.end_array();
}

template <class T>
void write_object_schema(JsonWriter& out, SchemaStyle style) {
  write_schema_type(out, "object");
  out.key("properties");
  out.begin_object();
  std::size_t i = 0;
  for_each_field<T>([&]<class F>(const F& f) {
    out.key(f.name);
    write_schema<typename F::value_type>(out, style, description_of<T>(i++));
  });
  out.end_object();
  out.key("required");
  out.begin_array();
  for_each_field<T>([&]<class F>(const F& f) {
    if (style == SchemaStyle::strict || !is_optional<typename F::value_type>) out.string(f.name);
  });
  out.end_array();
  out.key("additionalProperties");
  out.boolean(false);
}

template <class T>
void write_array_schema(JsonWriter& out, SchemaStyle style) {
  constexpr JsonShape shape = json_shape<T>();
  write_schema_type(out, "array");
  if constexpr (shape == JsonShape::tuple) {
    out.key("prefixItems");
    out.begin_array();
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (write_schema<std::tuple_element_t<I, T>>(out, style), ...);
    }(std::make_index_sequence<std::tuple_size_v<T>>());
    out.end_array();
  } else {
    out.key("items");
    write_schema<typename T::value_type>(out, style);
  }
  if constexpr (shape == JsonShape::tuple || shape == JsonShape::array)
    for (const char* bound : {"minItems", "maxItems"}) {
      out.key(bound);
      out.unsigned_integer(std::tuple_size_v<T>);
    }
  if constexpr (shape == JsonShape::set) {
    out.key("uniqueItems");
    out.boolean(true);
  }
}

template <class T>
void write_schema_members(JsonWriter& out, SchemaStyle style) {
  constexpr JsonShape shape = json_shape<T>();
  if constexpr (HasSchemaFunction<T>) {
    agentflow_write_schema(out, static_cast<const T*>(nullptr));
  } else if constexpr (NamedEnum<T>) {
    write_schema_type(out, "string");
    out.key("enum");
    out.begin_array();
    for (const auto& e : enumerators_of<T>) out.string(e.name);
    out.end_array();
  } else if constexpr (Described<T>) {
    write_object_schema<T>(out, style);
  } else if constexpr (std::is_same_v<T, std::monostate>) {
    write_schema_type(out, "null");
  } else if constexpr (is_variant<T>) {
    []<class... A>(JsonWriter& to, SchemaStyle s, std::type_identity<std::variant<A...>>) {
      write_any_of<A...>(to, s);
    }(out, style, std::type_identity<T>());
  } else if constexpr (shape == JsonShape::boolean) {
    write_schema_type(out, "boolean");
  } else if constexpr (shape == JsonShape::integer) {
    write_schema_type(out, "integer");
    if constexpr (std::is_unsigned_v<T>) {
      out.key("minimum");
      out.integer(0);
    }
  } else if constexpr (shape == JsonShape::real) {
    write_schema_type(out, "number");
  } else if constexpr (shape == JsonShape::string) {
    write_schema_type(out, "string");
  } else if constexpr (shape == JsonShape::value) {
    // any JSON
  } else if constexpr (shape == JsonShape::optional) {
    if (style == SchemaStyle::strict)
      write_any_of<typename T::value_type, std::monostate>(out, style);
    else
      write_schema_members<typename T::value_type>(out, style);
  } else if constexpr (shape == JsonShape::map) {
    write_schema_type(out, "object");
    out.key("additionalProperties");
    write_schema<typename T::mapped_type>(out, style);
  } else if constexpr (shape > JsonShape::optional) {
    write_array_schema<T>(out, style);
  } else {
    static_assert(HasSchemaFunction<T>,
                  "agentflow: no JSON Schema is known for this type. Describe a struct with AGENTFLOW_PARAMS(Type, "
                  "fields...), name an enum's values with AGENTFLOW_ENUM(Type, values...), write "
                  "`void agentflow_write_schema(af::JsonWriter&, const Type*)` beside it, or give the tool a schema by "
                  "hand");
  }
}

inline void write_schema_type(JsonWriter& out, std::string_view name) {
  out.key("type");
  out.string(name);
}

}  // namespace detail

/// Gives the JSON Schema of a type: described structs as objects that know their fields and no others, enums by name,
/// vectors and the like, maps with string keys, `std::optional`, `std::variant` as alternatives, `JsonValue` as
/// anything. What has a function `void agentflow_write_schema(af::JsonWriter&, const Type*)` beside it, which writes
/// the members of the schema, is what that says.
///
/// **Errors** `json_error` (json_limit) for a struct that contains itself: give such a schema by hand.
template <class T>
JsonValue schema_of(SchemaStyle style = SchemaStyle::plain) {
  JsonWriter out;
  detail::write_schema<T>(out, style);
  const std::string text = std::move(out).take();
  return JsonValue::parse(text);
}

}  // namespace agentflow
