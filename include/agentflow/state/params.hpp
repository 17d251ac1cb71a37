// SPDX-License-Identifier: MIT
// AGENTFLOW_PARAMS and AGENTFLOW_ENUM: what the parameters of a tool are called, what they are for, and what they may
// be.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include <agentflow/core/json_variant.hpp>
#include <agentflow/state/describe.hpp>

namespace agentflow {

/// One value of an enum, and its name.
template <class E>
struct Enumerator {
  E value;
  std::string_view name;
};

/// An enum that `AGENTFLOW_ENUM` names.
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires { agentflow_enumerators(static_cast<const E*>(nullptr)); };

namespace detail {

template <class E>
inline constexpr auto enumerators_of = agentflow_enumerators(static_cast<const E*>(nullptr));

template <class E>
void write_enumerator(JsonWriter& out, E value) {
  for (const auto& e : enumerators_of<E>)
    if (e.value == value) return out.string(e.name);
  out.fail(errc::json_type, "an enum has a value that its AGENTFLOW_ENUM does not list");
}

template <class E>
void read_enumerator(const JsonReader& in, E& value) {
  const std::string_view text = in.as_string();
  std::string names;
  for (const auto& e : enumerators_of<E>) {
    if (e.name == text) {
      value = e.value;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(e.name);
  }
  in.fail(errc::json_type, "must be one of " + names);
}

/// The description of a field, by its position; empty when it has none.
template <class T>
constexpr std::string_view description_of(std::size_t field) {
  if constexpr (requires { agentflow_descriptions(static_cast<const T*>(nullptr)); })
    return agentflow_descriptions(static_cast<const T*>(nullptr))[field];
  else
    return static_cast<void>(field), std::string_view();
}

}  // namespace detail
}  // namespace agentflow

#define AGENTFLOW_DETAIL_PARAM_FIELDS(type, first, ...) \
  AGENTFLOW_DETAIL_FIELD_MAKE_FROM(type, first)         \
  __VA_OPT__(, AGENTFLOW_DETAIL_PARAM_FIELDS_AGAIN AGENTFLOW_DETAIL_PARENS(type, __VA_ARGS__))
#define AGENTFLOW_DETAIL_PARAM_FIELDS_AGAIN() AGENTFLOW_DETAIL_PARAM_FIELDS
#define AGENTFLOW_DETAIL_FIELD_MAKE_FROM(type, f) \
  AGENTFLOW_DETAIL_CAT(AGENTFLOW_DETAIL_PARAM_, AGENTFLOW_DETAIL_IS_PAREN(f))(type, f)
#define AGENTFLOW_DETAIL_PARAM_0(type, f) AGENTFLOW_DETAIL_FIELD_MAKE(type, f, ::agentflow::last_value)
#define AGENTFLOW_DETAIL_PARAM_1(type, f) AGENTFLOW_DETAIL_PARAM_2(type, AGENTFLOW_DETAIL_STRIP f)
#define AGENTFLOW_DETAIL_PARAM_2(type, ...) AGENTFLOW_DETAIL_PARAM_3(type, __VA_ARGS__)
#define AGENTFLOW_DETAIL_PARAM_3(type, f, text) AGENTFLOW_DETAIL_FIELD_MAKE(type, f, ::agentflow::last_value)
#define AGENTFLOW_DETAIL_TEXTS(first, ...) \
  AGENTFLOW_DETAIL_TEXT(first) __VA_OPT__(, AGENTFLOW_DETAIL_TEXTS_AGAIN AGENTFLOW_DETAIL_PARENS(__VA_ARGS__))
#define AGENTFLOW_DETAIL_TEXTS_AGAIN() AGENTFLOW_DETAIL_TEXTS
#define AGENTFLOW_DETAIL_TEXT(f) AGENTFLOW_DETAIL_CAT(AGENTFLOW_DETAIL_TEXT_, AGENTFLOW_DETAIL_IS_PAREN(f))(f)
#define AGENTFLOW_DETAIL_TEXT_0(f) \
  ::std::string_view {}
#define AGENTFLOW_DETAIL_TEXT_1(f) AGENTFLOW_DETAIL_TEXT_2(AGENTFLOW_DETAIL_STRIP f)
#define AGENTFLOW_DETAIL_TEXT_2(...) AGENTFLOW_DETAIL_TEXT_3(__VA_ARGS__)
#define AGENTFLOW_DETAIL_TEXT_3(f, text) \
  ::std::string_view { text }
#define AGENTFLOW_DETAIL_ENUMERATORS(type, first, ...) \
  ::agentflow::Enumerator<type>{                       \
      type::first, #first} __VA_OPT__(, AGENTFLOW_DETAIL_ENUMERATORS_AGAIN AGENTFLOW_DETAIL_PARENS(type, __VA_ARGS__))
#define AGENTFLOW_DETAIL_ENUMERATORS_AGAIN() AGENTFLOW_DETAIL_ENUMERATORS

/// Describes a struct as the parameters of a tool: its fields, each alone or in parentheses with a sentence for the
/// model. The struct then has a JSON mapping and a JSON Schema (`schema_of`). Fields that are `std::optional` may be
/// left out; all others must be given. Write it at namespace scope, after the struct and in the same namespace.
///
/// ```cpp
/// struct Weather { std::string city; std::optional<int> days; };
/// AGENTFLOW_PARAMS(Weather, (city, "The city, such as \"Rome\""), (days, "How many days, 1 to 14"))
/// ```
/// A struct described by AGENTFLOW_STATE serves too; its fields have no sentences.
#define AGENTFLOW_PARAMS(type, ...)                                                                 \
  [[maybe_unused]] constexpr auto agentflow_describe(const type*) {                                 \
    return ::std::tuple{AGENTFLOW_DETAIL_EXPAND(AGENTFLOW_DETAIL_PARAM_FIELDS(type, __VA_ARGS__))}; \
  }                                                                                                 \
  [[maybe_unused]] constexpr auto agentflow_descriptions(const type*) {                             \
    return ::std::array{AGENTFLOW_DETAIL_EXPAND(AGENTFLOW_DETAIL_TEXTS(__VA_ARGS__))};              \
  }                                                                                                 \
  AGENTFLOW_DETAIL_JSON_FUNCTIONS(type)

/// Names the values of an enum: in JSON it is then its name, and a schema lists the names. Works for states too.
///
/// ```cpp
/// enum class Unit { celsius, fahrenheit };
/// AGENTFLOW_ENUM(Unit, celsius, fahrenheit)
/// ```
#define AGENTFLOW_ENUM(type, ...)                                                                  \
  [[maybe_unused]] constexpr auto agentflow_enumerators(const type*) {                             \
    return ::std::array{AGENTFLOW_DETAIL_EXPAND(AGENTFLOW_DETAIL_ENUMERATORS(type, __VA_ARGS__))}; \
  }                                                                                                \
  [[maybe_unused]] inline void agentflow_write_json(::agentflow::JsonWriter& out, const type& v) { \
    ::agentflow::detail::write_enumerator(out, v);                                                 \
  }                                                                                                \
  [[maybe_unused]] inline void agentflow_read_json(const ::agentflow::JsonReader& in, type& v) {   \
    ::agentflow::detail::read_enumerator(in, v);                                                   \
  }
