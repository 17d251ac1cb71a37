// SPDX-License-Identifier: MIT
// JsonValue: an immutable JSON document that costs a pointer to copy.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_fwd.hpp>

namespace agentflow {

namespace detail {
class JsonDocument;
struct JsonNode;
}  // namespace detail

/// How deep arrays and objects may nest, everywhere in the library: 128. The scalar `1` has depth 0, `[1]` has 1.
inline constexpr int max_json_depth = 128;

/// Holds a JSON document that never changes, so copies share it.
///
/// Every JsonValue is fit to be written as JSON: it nests at most `max_json_depth` deep, its strings and keys are
/// UTF-8, its numbers are finite, and it has no binary values. What is not so is rejected when the value is made.
/// To look inside without nlohmann's header use `JsonReader`; to make one from a C++ value, `to_json_value`.
///
/// **Thread safety** Distinct objects: safe, also when they share one document. Shared objects: safe while nobody
/// assigns to them.
class AGENTFLOW_API JsonValue {
 public:
  static constexpr std::size_t default_max_bytes = std::size_t{16} << 20;

  /// Makes `null`, without allocating.
  JsonValue() noexcept = default;

  /// Takes exactly a `nlohmann::json`: nothing else converts, so `JsonValue("[1]")` does not compile rather than
  /// guess. Needs `<agentflow/core/json.hpp>`.
  ///
  /// **Errors** `json_error`: json_limit (too deep), json_encoding (a string that is not UTF-8, NaN, infinity),
  /// json_type (binary or discarded values); `context().field()` is the path.
  template <std::same_as<nlohmann::json> Json>
  explicit JsonValue(const Json& document) : document_(copy(document)) {}
  template <std::same_as<nlohmann::json> Json>
  explicit JsonValue(Json&& document) : document_(adopt(std::move(document))) {}

  /// Parses one JSON text (RFC 8259), strictly: no comments, nothing after the document, each key of an object once,
  /// valid UTF-8, and integers that 64 bits hold (JSON parsers disagree about the others).
  ///
  /// **Errors** `json_error` whose message tells the byte, from 0, at which the fault shows: json_syntax (not JSON, or
  /// a key twice), json_encoding (not UTF-8), json_type (a number out of range), json_limit (deeper than
  /// `max_json_depth`, longer than `max_bytes` or than 4 GB).
  ///
  /// **Complexity/blocking** Linear in the text. Never recurses, however the text nests.
  static JsonValue parse(std::string_view text, std::size_t max_bytes = default_max_bytes);

  /// Writes the document as text: on one line, or with `indent` spaces for each level when that is 0 or more.
  std::string dump(int indent = -1) const;

  /// The document as nlohmann's type. The reference is valid while any JsonValue holds the document. A text that was
  /// parsed becomes a tree the first time somebody asks: `JsonReader` looks inside without one.
  const nlohmann::json& get() const;

  bool is_null() const noexcept { return document_ == nullptr; }

  /// Same document, or equal ones. Numbers are equal by value: 1 and 1.0 are.
  friend bool operator==(const JsonValue& a, const JsonValue& b) { return a.document_ == b.document_ || equal(a, b); }

 private:
  friend class JsonReader;
  friend class JsonWriter;
  using Document = std::shared_ptr<const detail::JsonDocument>;

  static Document copy(const nlohmann::json& document);
  static Document adopt(nlohmann::json&& document);
  static bool equal(const JsonValue& a, const JsonValue& b);
  const detail::JsonNode& root() const;

  Document document_;  // null for JSON null, so that nothing is allocated for it
};

}  // namespace agentflow
