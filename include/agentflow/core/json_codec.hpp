// SPDX-License-Identifier: MIT
// C++ values to JSON and back: which types have a mapping, and how a type gets one.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <agentflow/core/detail/json_shape.hpp>
#include <agentflow/core/json_reader.hpp>
#include <agentflow/core/json_writer.hpp>

namespace agentflow {

/// The mapping of a whole family of types, as a specialisation with `static void write(JsonWriter&, const T&)` and
/// `static void read(const JsonReader&, T&)`. For one type write the two functions instead, next to the type:
///
/// ```cpp
/// void agentflow_write_json(af::JsonWriter& out, const Point& p);
/// void agentflow_read_json(const af::JsonReader& in, Point& p);
/// ```
///
/// They apply to exactly that type, not to what derives from it or converts to it. AGENTFLOW_STATE writes them for you.
template <class T>
struct JsonCodec {};
template <>
struct JsonCodec<nlohmann::json>;  // in <agentflow/core/json.hpp>

namespace detail {

template <class D>
std::int64_t nanoseconds_of(const JsonWriter& out, const D& d) {
  const long double ns = std::chrono::duration<long double, std::nano>(d).count();
  if (!(ns >= -0x1p63L && ns < 0x1p63L)) out.fail(errc::json_type, "a duration of more than 292 years");
  return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
}

template <class D>
D duration_of(const JsonReader& in) {
  const std::chrono::nanoseconds ns(in.as_int64());
  const D d = std::chrono::duration_cast<D>(ns);
  if constexpr (std::is_integral_v<typename D::rep>)
    if (std::chrono::duration_cast<std::chrono::nanoseconds>(d) != ns)
      in.fail(errc::json_type, "out of range: not a whole number of the duration's unit, or too many");
  return d;
}

}  // namespace detail

/// A type that `write_json` takes. False for a vector of what has no mapping, and so on inwards.
template <class T>
concept JsonWritable = detail::Writable<T>::value;

/// A type that `read_json` takes.
template <class T>
concept JsonReadable = detail::Readable<T>::value;

/// Writes a value. In this order: the type's `agentflow_write_json`, then what is built in, then its `JsonCodec`.
///
/// Built in: bool; integers; enums as their integer; float and double; strings; `JsonValue`; optional (null when
/// empty); durations and `system_clock` times as integers, in nanoseconds (since the epoch); pair, tuple, array and
/// anything with `begin`, `end` and `value_type` as arrays; maps with string keys as objects. Unordered containers are
/// written in their own order, which differs from run to run.
///
/// **Errors** `json_error` with the path: what `JsonWriter` throws, and json_type for a duration past 292 years.
template <class T>
void write_json(JsonWriter& out, const T& value) {
  using detail::JsonShape;
  static_assert(
      JsonWritable<T>,
      "agentflow: this type has no JSON mapping. Describe the struct with AGENTFLOW_STATE(Type, fields...), or "
      "write `void agentflow_write_json(af::JsonWriter&, const Type&)` beside it; for a type with nlohmann's "
      "to_json include <agentflow/core/json.hpp>");
  constexpr JsonShape shape = detail::json_shape<T>();
  if constexpr (detail::HasWriteFunction<T>) {
    agentflow_write_json(out, value);
  } else if constexpr (!JsonWritable<T>) {
    // said above
  } else if constexpr (shape == JsonShape::boolean) {
    out.boolean(value);
  } else if constexpr (shape == JsonShape::integer) {
    if constexpr (std::is_signed_v<T>)
      out.integer(value);
    else
      out.unsigned_integer(value);
  } else if constexpr (shape == JsonShape::real) {
    out.number(value);
  } else if constexpr (shape == JsonShape::enumeration) {
    agentflow::write_json(out, static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (shape == JsonShape::string || shape == JsonShape::string_view) {
    out.string(value);
  } else if constexpr (shape == JsonShape::value) {
    out.value(value);
  } else if constexpr (shape == JsonShape::duration) {
    out.integer(detail::nanoseconds_of(out, value));
  } else if constexpr (shape == JsonShape::time) {
    out.integer(detail::nanoseconds_of(out, value.time_since_epoch()));
  } else if constexpr (shape == JsonShape::optional) {
    if (value)
      agentflow::write_json(out, *value);
    else
      out.null();
  } else if constexpr (shape == JsonShape::tuple) {
    out.begin_array();
    std::apply([&out](const auto&... element) { (agentflow::write_json(out, element), ...); }, value);
    out.end_array();
  } else if constexpr (shape == JsonShape::map) {
    out.begin_object();
    for (const auto& [key, element] : value) {
      out.key(key);
      agentflow::write_json(out, element);
    }
    out.end_object();
  } else if constexpr (shape == JsonShape::array || shape == JsonShape::set || shape == JsonShape::sequence) {
    out.begin_array();
    for (const auto& element : value) agentflow::write_json<typename T::value_type>(out, element);
    out.end_array();
  } else {
    JsonCodec<T>::write(out, value);
  }
}

template <class T>
void read_json(const JsonReader& in, T& value);

namespace detail {

/// Fills an empty container, or optional.
template <JsonShape shape, class T>
void read_elements(const JsonReader& in, T& fresh) {
  if constexpr (shape == JsonShape::optional) {
    if (!in.is_null()) agentflow::read_json(in, fresh.emplace());
  } else if constexpr (shape == JsonShape::map) {
    in.for_each_member([&fresh](std::string_view key, const JsonReader& member) {
      typename T::mapped_type element{};
      agentflow::read_json(member, element);
      fresh.emplace(std::string(key), std::move(element));
    });
  } else {
    const std::size_t size = in.elements();
    if constexpr (requires { fresh.reserve(size); }) fresh.reserve(size);
    for (std::size_t i = 0; i < size; ++i) {
      typename T::value_type element{};
      agentflow::read_json(in.at(i), element);
      if constexpr (shape == JsonShape::sequence) {
        fresh.push_back(std::move(element));
      } else {
        fresh.insert(std::move(element));
        if (fresh.size() != i + 1) in.at(i).fail(errc::json_type, "the set has this element already");
      }
    }
  }
}

}  // namespace detail

/// Reads into a value; the counterpart of `write_json`, as strict: no kind becomes another (but an integer is a fine
/// float or double), integers must fit, arrays and tuples must have their size, sets must not repeat an element. An
/// enum takes any integer of its underlying type.
///
/// **Errors** `json_error` with the path. A container is then unchanged; a struct may be partly read.
template <class T>
void read_json(const JsonReader& in, T& value) {
  using detail::JsonShape;
  static_assert(
      JsonReadable<T>,
      "agentflow: this type cannot be read from JSON. Describe the struct with AGENTFLOW_STATE(Type, fields...), "
      "or write `void agentflow_read_json(const af::JsonReader&, Type&)` beside it; for a type with nlohmann's "
      "from_json include <agentflow/core/json.hpp>. Elements of containers need a default constructor");
  constexpr JsonShape shape = detail::json_shape<T>();
  if constexpr (detail::HasReadFunction<T>) {
    agentflow_read_json(in, value);
  } else if constexpr (!JsonReadable<T>) {
    // said above
  } else if constexpr (shape == JsonShape::boolean) {
    value = in.as_bool();
  } else if constexpr (shape == JsonShape::integer) {
    using Limits = std::numeric_limits<T>;
    if constexpr (std::is_signed_v<T>)
      value = static_cast<T>(in.as_int64(Limits::min(), Limits::max()));
    else
      value = static_cast<T>(in.as_uint64(Limits::max()));
  } else if constexpr (shape == JsonShape::real) {
    if constexpr (std::is_same_v<T, float>)
      value = in.as_float();
    else
      value = in.as_double();
  } else if constexpr (shape == JsonShape::enumeration) {
    std::underlying_type_t<T> number{};
    agentflow::read_json(in, number);
    value = static_cast<T>(number);
  } else if constexpr (shape == JsonShape::string) {
    value = in.as_string();
  } else if constexpr (shape == JsonShape::value) {
    value = in.value();
  } else if constexpr (shape == JsonShape::duration) {
    value = detail::duration_of<T>(in);
  } else if constexpr (shape == JsonShape::time) {
    value = T(detail::duration_of<typename T::duration>(in));
  } else if constexpr (shape == JsonShape::optional || shape == JsonShape::map || shape == JsonShape::set ||
                       shape == JsonShape::sequence) {
    T fresh;
    detail::read_elements<shape>(in, fresh);
    value = std::move(fresh);
  } else if constexpr (shape == JsonShape::tuple || shape == JsonShape::array) {
    in.require_elements(std::tuple_size_v<T>);
    std::size_t i = 0;
    std::apply([&](auto&... element) { (agentflow::read_json(in.at(i++), element), ...); }, value);
  } else {
    JsonCodec<T>::read(in, value);
  }
}

/// Reads the member `key` of an object. It must be there, unless the value is a `std::optional`, which is then empty.
///
/// **Errors** `json_error`: json_missing, and what reading the value throws.
template <class T>
void read_member(const JsonReader& object, std::string_view key, T& value) {
  if constexpr (detail::is_optional<T>) {
    if (const auto member = object.find(key))
      agentflow::read_json(*member, value);
    else
      value.reset();
  } else {
    agentflow::read_json(object.at(key), value);
  }
}

/// Checks that a value is an object that has no members but the known ones.
///
/// **Errors** `json_error`: json_type (not an object), json_unknown (with the path of the unknown member, and the known
/// names in the message).
AGENTFLOW_API void check_members(const JsonReader& object, std::span<const std::string_view> known);

/// Gives a value as JSON text, on one line.
template <class T>
std::string to_json_text(const T& value) {
  JsonWriter out;
  agentflow::write_json(out, value);
  return std::move(out).take();
}

/// Makes a value from JSON text. **Errors** those of `JsonValue::parse` and `read_json`.
template <class T>
T from_json_text(std::string_view text, std::size_t max_bytes = JsonValue::default_max_bytes) {
  const JsonValue document = JsonValue::parse(text, max_bytes);
  T value{};
  agentflow::read_json(JsonReader(document), value);
  return value;
}

/// Gives a value as a JSON document.
template <class T>
JsonValue to_json_value(const T& value) {
  const std::string text = agentflow::to_json_text(value);
  return JsonValue::parse(text, text.size());
}

/// Makes a value from a JSON document. **Errors** those of `read_json`.
template <class T>
T from_json_value(const JsonValue& document) {
  T value{};
  agentflow::read_json(JsonReader(document), value);
  return value;
}

}  // namespace agentflow
