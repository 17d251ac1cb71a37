// SPDX-License-Identifier: MIT
// Which C++ types have a JSON mapping, found at compile time.
#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <agentflow/core/json_fwd.hpp>

namespace agentflow {

class JsonReader;
class JsonValue;
class JsonWriter;
template <class T>
struct JsonCodec;

namespace detail {

// Converts to exactly T, so that a function for a base class or for something T converts to is not taken for T's own.
template <class T>
struct Exactly {
  template <std::same_as<T> U>
  operator const U&() const;
};
template <class T>
struct ExactlyMutable {
  template <std::same_as<T> U>
  operator U&() const;
};

// A function for T, or a template that is told T: `template <std::same_as<Point> T> void agentflow_write_json(...)`.
template <class T>
concept HasWriteFunction = (std::is_class_v<T> || std::is_enum_v<T> || std::is_union_v<T>)&&(
    requires(JsonWriter& out, const Exactly<T>& v) { agentflow_write_json(out, v); } ||
    requires(JsonWriter & out, const T& v) { agentflow_write_json<T>(out, v); });
template <class T>
concept HasReadFunction = (std::is_class_v<T> || std::is_enum_v<T> || std::is_union_v<T>)&&(
    requires(const JsonReader& in, const ExactlyMutable<T>& v) { agentflow_read_json(in, v); } ||
    requires(const JsonReader& in, T& v) { agentflow_read_json<T>(in, v); });

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t N>
inline constexpr bool is_std_array<std::array<T, N>> = true;

template <class T>
inline constexpr bool is_tuple = false;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

template <class T>
inline constexpr bool is_system_time = false;
template <class D>
inline constexpr bool is_system_time<std::chrono::time_point<std::chrono::system_clock, D>> = true;

// Something to iterate over whose elements are of its value_type (so not a path, whose elements are paths).
template <class T>
concept Iterable = requires(const T& c) {
  typename T::value_type;
  { *c.begin() } -> std::convertible_to<typename T::value_type>;
  c.end();
};

// From `optional` on, what is made of elements.
enum class JsonShape : unsigned char {
  other,
  boolean,
  integer,
  real,
  enumeration,
  string,
  string_view,
  value,
  duration,
  time,
  optional,
  tuple,
  array,
  map,
  set,
  sequence
};

/// What a type is to JSON when it has no functions of its own.
template <class T>
consteval JsonShape json_shape() {
  if constexpr (std::is_same_v<T, nlohmann::json>)
    return JsonShape::other;  // first: it may be incomplete
  else if constexpr (std::is_same_v<T, bool>)
    return JsonShape::boolean;
  else if constexpr (std::is_integral_v<T> && sizeof(T) <= sizeof(std::int64_t))
    return JsonShape::integer;
  else if constexpr (std::is_same_v<T, double> || std::is_same_v<T, float>)
    return JsonShape::real;
  else if constexpr (std::is_enum_v<T>)
    return JsonShape::enumeration;
  else if constexpr (std::is_same_v<T, std::string>)
    return JsonShape::string;
  else if constexpr (std::is_same_v<T, std::string_view>)
    return JsonShape::string_view;
  else if constexpr (std::is_same_v<T, JsonValue>)
    return JsonShape::value;
  else if constexpr (is_optional<T>)
    return JsonShape::optional;
  else if constexpr (is_duration<T>)
    return JsonShape::duration;
  else if constexpr (is_system_time<T>)
    return JsonShape::time;
  else if constexpr (is_tuple<T>)
    return JsonShape::tuple;
  else if constexpr (is_std_array<T>)
    return JsonShape::array;
  else if constexpr (!Iterable<T>)
    return JsonShape::other;
  else if constexpr (requires { typename T::mapped_type; })
    return std::is_same_v<typename T::key_type, std::string> ? JsonShape::map : JsonShape::other;
  else if constexpr (requires { typename T::key_type; })
    return JsonShape::set;
  else
    return JsonShape::sequence;
}

template <class T, template <class> class Mapped>
inline constexpr bool elements_mapped = Mapped<typename T::value_type>::value;
template <class T, template <class> class Mapped>
  requires is_tuple<T>
inline constexpr bool elements_mapped<T, Mapped> = []<std::size_t... I>(std::index_sequence<I...>) {
  return (Mapped<std::tuple_element_t<I, T>>::value && ...);
}(std::make_index_sequence<std::tuple_size_v<T>>());
template <class T, template <class> class Mapped>
  requires requires { typename T::mapped_type; }
inline constexpr bool elements_mapped<T, Mapped> = Mapped<typename T::mapped_type>::value;

template <class T>
struct Writable;
template <class T>
consteval bool writable() {
  constexpr JsonShape shape = json_shape<T>();
  if constexpr (HasWriteFunction<T>)
    return true;
  else if constexpr (shape == JsonShape::other)
    return requires(JsonWriter& out, const T& v) { JsonCodec<T>::write(out, v); };
  else if constexpr (shape >= JsonShape::optional)
    return elements_mapped<T, Writable>;
  else
    return true;
}
template <class T>
struct Writable : std::bool_constant<writable<T>()> {};
template <class T>
struct Writable<const T> : Writable<T> {};

// Elements are read into an empty value, which is then put where it belongs.
template <class T>
concept Fillable = std::default_initializable<T> && std::movable<T>;

template <class T>
struct Readable;
template <class T>
consteval bool readable() {
  constexpr JsonShape shape = json_shape<T>();
  if constexpr (HasReadFunction<T>)
    return true;
  else if constexpr (shape == JsonShape::other)
    return requires(const JsonReader& in, T& v) { JsonCodec<T>::read(in, v); };
  else if constexpr (shape == JsonShape::string_view)
    return false;  // a view of what?
  else if constexpr (shape == JsonShape::array || shape == JsonShape::tuple)
    return elements_mapped<T, Readable>;
  else if constexpr (shape == JsonShape::optional)
    return Fillable<typename T::value_type> && elements_mapped<T, Readable>;
  else if constexpr (shape == JsonShape::map)
    return Fillable<T> && Fillable<typename T::mapped_type> && elements_mapped<T, Readable>;
  else if constexpr (shape == JsonShape::set)
    return Fillable<T> && Fillable<typename T::value_type> && elements_mapped<T, Readable>;
  else if constexpr (shape == JsonShape::sequence)
    return Fillable<T> && Fillable<typename T::value_type> && elements_mapped<T, Readable> &&
           requires(T& c, typename T::value_type v) { c.push_back(std::move(v)); };
  else
    return true;
}
template <class T>
struct Readable : std::bool_constant<readable<T>()> {};
template <class T>
struct Readable<const T> : std::false_type {};

}  // namespace detail
}  // namespace agentflow
