// SPDX-License-Identifier: MIT
// JsonWriter: writes JSON text straight from values, without a tree in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/core/json_value.hpp>

namespace agentflow {

/// Appends one JSON document to a string, in the order of the calls.
///
/// Commas and quotes are its business. A call out of order (a value where a key belongs, an `end_array` too many) is a
/// `json_error` with json_syntax. It does not remember keys: writing one twice is the caller's mistake.
///
/// **Errors** `json_error`, with where the writer stood in `context().field()`, such as "messages[3].content". After
/// one the text is incomplete and the writer must not be used further.
///
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe.
///
/// **Units/limits** Nests at most `max_json_depth` deep. Allocates only through the string.
///
/// **Example**
/// ```cpp
/// af::JsonWriter out;
/// out.begin_object();
/// out.key("n");
/// out.integer(1);
/// out.end_object();
/// std::string text = std::move(out).take();  // {"n":1}
/// ```
class AGENTFLOW_API JsonWriter {
 public:
  /// Writes to a string of its own: see `take()`.
  JsonWriter() noexcept : out_(&own_) {}
  /// Appends to `out`, which must outlive the writer and not be changed by others meanwhile.
  explicit JsonWriter(std::string& out) noexcept : out_(&out) {}
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;

  void null();
  void boolean(bool v);
  void integer(std::int64_t v);
  void unsigned_integer(std::uint64_t v);
  /// Writes the shortest text that reads back as the same number, with ".0" when it would look like an integer.
  /// NaN and infinity are json_encoding errors.
  void number(double v);
  void number(float v);
  /// Writes a string; text that is not UTF-8 is a json_encoding error.
  void string(std::string_view v);
  void value(const JsonValue& v);
  /// Writes a value that is JSON text already, as it is: what another writer made.
  void raw(std::string_view json);

  void begin_object();
  /// Names the member whose value comes next.
  void key(std::string_view name);
  void end_object();
  void begin_array();
  void end_array();

  /// The text so far, with what the string held before.
  const std::string& text() const noexcept { return *out_; }
  /// Moves the text out. Only for a writer that owns its string or is not used again.
  std::string take() && { return std::move(*out_); }
  /// Where the writer stands, such as "messages[3].content"; empty at the top.
  std::string path() const;
  /// Throws a `json_error` with that path.
  [[noreturn]] void fail(errc code, std::string message) const;

 private:
  struct Frame {
    std::uint64_t object : 1;
    std::uint64_t at : 63;  // array: elements begun; object: 1 + where its current key stands in the text, 0 before one
  };

  void before_value();
  void open(bool object, char bracket);
  void close(bool object, char bracket);
  template <class T>
  void write_integer(T v);
  template <class T>
  void write_real(T v);
  void write_node(const nlohmann::json& node);
  void write_node(const detail::JsonNode& node);

  std::string own_;
  std::string* out_;
  int depth_ = 0;
  bool after_key_ = false;
  bool started_ = false;
  Frame frames_[max_json_depth];  // left uninitialised: the first depth_ are in use
};

}  // namespace agentflow
