// SPDX-License-Identifier: MIT
// AGENTFLOW_STATE: names the fields of a struct once; names, reducers and JSON follow from it.
#pragma once

#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>

#include <agentflow/core/json_codec.hpp>
#include <agentflow/state/reducers.hpp>

namespace agentflow {

namespace detail {
template <class T>
struct MemberPointer;
template <class C, class T>
struct MemberPointer<T C::*> {
  using class_type = C;
  using value_type = T;
};
}  // namespace detail

/// One field of a described struct: the member, its reducer and its name.
template <auto Member, class Reducer>
struct Field {
  using owner = typename detail::MemberPointer<decltype(Member)>::class_type;
  using value_type = typename detail::MemberPointer<decltype(Member)>::value_type;
  using reducer = Reducer;
  static constexpr auto member = Member;
  std::string_view name;

  static_assert(!std::is_const_v<value_type> && !std::is_reference_v<value_type>,
                "agentflow: a field of a state must not be const or a reference");
};

/// A struct that `AGENTFLOW_STATE` describes.
template <class T>
concept Described = requires { agentflow_describe(static_cast<const T*>(nullptr)); };

namespace detail {

template <class T>
inline constexpr auto fields_of = agentflow_describe(static_cast<const T*>(nullptr));

template <class T>
inline constexpr std::size_t field_count = std::tuple_size_v<std::remove_const_t<decltype(fields_of<T>)>>;

/// Calls `fn(field)` for each field of T, in the order of its description.
template <class T, class F>
constexpr void for_each_field(F&& fn) {
  std::apply([&fn](const auto&... field) { (fn(field), ...); }, fields_of<T>);
}

template <class T>
consteval bool described_writable() {
  return std::apply([](auto... f) { return (JsonWritable<typename decltype(f)::value_type> && ...); }, fields_of<T>);
}
template <class T>
consteval bool described_readable() {
  return std::apply([](auto... f) { return (JsonReadable<typename decltype(f)::value_type> && ...); }, fields_of<T>);
}

template <class T>
void write_described(JsonWriter& out, const T& value) {
  out.begin_object();
  for_each_field<T>([&](const auto& f) {
    out.key(f.name);
    write_json(out, value.*(f.member));
  });
  out.end_object();
}

template <class T>
void read_described(const JsonReader& in, T& value) {
  static constexpr auto names =
      std::apply([](const auto&... f) { return std::array<std::string_view, sizeof...(f)>{f.name...}; }, fields_of<T>);
  check_members(in, names);
  for_each_field<T>([&](const auto& f) { read_member(in, f.name, value.*(f.member)); });
}

}  // namespace detail
}  // namespace agentflow

// The preprocessor part. AGENTFLOW_STATE(Type, a, (b, reducer), c): a field stands alone (reducer last_value)
// or in parentheses with its reducer.
#define AGENTFLOW_DETAIL_PARENS ()
#define AGENTFLOW_DETAIL_STRIP(...) __VA_ARGS__
#define AGENTFLOW_DETAIL_EXPAND(...) \
  AGENTFLOW_DETAIL_EXPAND3(AGENTFLOW_DETAIL_EXPAND3(AGENTFLOW_DETAIL_EXPAND3(AGENTFLOW_DETAIL_EXPAND3(__VA_ARGS__))))
#define AGENTFLOW_DETAIL_EXPAND3(...) \
  AGENTFLOW_DETAIL_EXPAND2(AGENTFLOW_DETAIL_EXPAND2(AGENTFLOW_DETAIL_EXPAND2(AGENTFLOW_DETAIL_EXPAND2(__VA_ARGS__))))
#define AGENTFLOW_DETAIL_EXPAND2(...) \
  AGENTFLOW_DETAIL_EXPAND1(AGENTFLOW_DETAIL_EXPAND1(AGENTFLOW_DETAIL_EXPAND1(AGENTFLOW_DETAIL_EXPAND1(__VA_ARGS__))))
#define AGENTFLOW_DETAIL_EXPAND1(...) __VA_ARGS__
#define AGENTFLOW_DETAIL_FIELDS(type, first, ...) \
  AGENTFLOW_DETAIL_FIELD(type, first)             \
  __VA_OPT__(, AGENTFLOW_DETAIL_FIELDS_AGAIN AGENTFLOW_DETAIL_PARENS(type, __VA_ARGS__))
#define AGENTFLOW_DETAIL_FIELDS_AGAIN() AGENTFLOW_DETAIL_FIELDS
#define AGENTFLOW_DETAIL_CAT(a, b) AGENTFLOW_DETAIL_CAT_(a, b)
#define AGENTFLOW_DETAIL_CAT_(a, b) a##b
#define AGENTFLOW_DETAIL_PROBE(...) ~, 1
#define AGENTFLOW_DETAIL_SECOND(a, b, ...) b
#define AGENTFLOW_DETAIL_IS_PAREN_(...) AGENTFLOW_DETAIL_SECOND(__VA_ARGS__, 0, 0)
#define AGENTFLOW_DETAIL_IS_PAREN(x) AGENTFLOW_DETAIL_IS_PAREN_(AGENTFLOW_DETAIL_PROBE x)
#define AGENTFLOW_DETAIL_FIELD(type, f) \
  AGENTFLOW_DETAIL_CAT(AGENTFLOW_DETAIL_FIELD_, AGENTFLOW_DETAIL_IS_PAREN(f))(type, f)
#define AGENTFLOW_DETAIL_FIELD_0(type, f) AGENTFLOW_DETAIL_FIELD_MAKE(type, f, ::agentflow::last_value)
#define AGENTFLOW_DETAIL_FIELD_1(type, f) AGENTFLOW_DETAIL_FIELD_2(type, AGENTFLOW_DETAIL_STRIP f)
#define AGENTFLOW_DETAIL_FIELD_2(type, ...) AGENTFLOW_DETAIL_FIELD_MAKE(type, __VA_ARGS__)
#define AGENTFLOW_DETAIL_FIELD_MAKE(type, f, ...) \
  ::agentflow::Field<&type::f, __VA_ARGS__> { #f }

/// Describes a struct as a state, once: its fields in order, each with the reducer that merges the changes of
/// nodes that run in the same step. A field without a reducer has one writer per step (`last_value`).
/// Write it at namespace scope, after the struct and in the same namespace. Up to about 250 fields.
///
/// ```cpp
/// struct Research { std::string topic; af::List<std::string> findings; int calls = 0; };
/// AGENTFLOW_STATE(Research, topic, (findings, af::append), (calls, af::sum))
/// ```
#define AGENTFLOW_STATE(type, ...)                                                            \
  [[maybe_unused]] constexpr auto agentflow_describe(const type*) {                           \
    return ::std::tuple{AGENTFLOW_DETAIL_EXPAND(AGENTFLOW_DETAIL_FIELDS(type, __VA_ARGS__))}; \
  }                                                                                           \
  AGENTFLOW_DETAIL_JSON_FUNCTIONS(type)
#define AGENTFLOW_DETAIL_JSON_FUNCTIONS(type)                                                              \
  template <class AgentflowT>                                                                              \
    requires ::std::is_same_v<AgentflowT, type> && (::agentflow::detail::described_writable<AgentflowT>()) \
  void agentflow_write_json(::agentflow::JsonWriter& out, const AgentflowT& value) {                       \
    ::agentflow::detail::write_described(out, value);                                                      \
  }                                                                                                        \
  template <class AgentflowT>                                                                              \
    requires ::std::is_same_v<AgentflowT, type> && (::agentflow::detail::described_readable<AgentflowT>()) \
  void agentflow_read_json(const ::agentflow::JsonReader& in, AgentflowT& value) {                         \
    ::agentflow::detail::read_described(in, value);                                                        \
  }
