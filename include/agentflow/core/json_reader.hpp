// SPDX-License-Identifier: MIT
// JsonReader: a cursor over a JSON document, with errors that say where.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/core/json_value.hpp>

namespace agentflow {

/// What a JSON value is. `integer` is any number written without fraction and exponent.
enum class JsonKind : std::uint8_t { null, boolean, integer, real, string, array, object };

AGENTFLOW_API std::string_view to_string(JsonKind kind) noexcept;

/// Points at one value inside a document. Costs two pointers; copy it freely.
///
/// **Errors** What does not fit throws `json_error`: json_type (another kind, or out of range), json_missing (no such
/// member or element). `context().field()` is the path, such as "messages[3].content"; it is computed only then.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe (immutable).
///
/// **Lifetime** The `JsonValue` must outlive every reader made from it, and so must the strings it returns as views.
class AGENTFLOW_API JsonReader {
 public:
  explicit JsonReader(const JsonValue& document) : document_(&document), node_(&document.root()) {}
  JsonReader(const JsonValue&& document) = delete;  // it would dangle

  JsonKind kind() const noexcept;
  bool is_null() const noexcept { return kind() == JsonKind::null; }
  bool is_string() const noexcept { return kind() == JsonKind::string; }
  bool is_array() const noexcept { return kind() == JsonKind::array; }
  bool is_object() const noexcept { return kind() == JsonKind::object; }

  bool as_bool() const;
  /// Gives an integer within [min, max].
  std::int64_t as_int64(std::int64_t min = std::numeric_limits<std::int64_t>::min(),
                        std::int64_t max = std::numeric_limits<std::int64_t>::max()) const;
  std::uint64_t as_uint64(std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) const;
  /// Gives any number; integers past 2^53 are rounded.
  double as_double() const;
  /// Gives any number that a float can be nearest to.
  float as_float() const;
  std::string_view as_string() const;

  /// The number of elements of an array or members of an object.
  std::size_t size() const;
  /// The number of elements of an array.
  std::size_t elements() const;
  /// Checks that the value is an array of so many elements.
  void require_elements(std::size_t count) const;
  JsonReader at(std::size_t index) const;
  JsonReader at(std::string_view key) const;
  /// The member with this name, if the object has one. O(log of the members).
  std::optional<JsonReader> find(std::string_view key) const;
  /// Calls `fn(key, reader)` for each member of an object, in the order of the keys' bytes.
  template <class F>
  void for_each_member(F&& fn) const {
    using Fn = std::remove_reference_t<F>;
    each_member([](void* f, std::string_view key, JsonReader member) { (*static_cast<Fn*>(f))(key, member); },
                const_cast<void*>(static_cast<const void*>(std::addressof(fn))));
  }

  /// The value as a document of its own: a copy, except of the whole document.
  JsonValue value() const;
  /// The value as nlohmann's type: a copy.
  nlohmann::json get() const;

  /// Where the value is, such as "messages[3].content"; empty for the document itself. Searches the document.
  std::string path() const;
  /// Throws a `json_error` with this value's path.
  [[noreturn]] void fail(errc code, std::string message) const;

 private:
  JsonReader(const JsonValue* document, const detail::JsonNode* node) noexcept : document_(document), node_(node) {}
  void each_member(void (*fn)(void*, std::string_view, JsonReader), void* arg) const;
  [[noreturn]] void wrong_kind(const char* expected) const;

  const JsonValue* document_;
  const detail::JsonNode* node_;
};

}  // namespace agentflow
