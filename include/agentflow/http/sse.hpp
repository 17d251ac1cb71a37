// SPDX-License-Identifier: MIT
// SseParser: server-sent events from bytes.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <agentflow/core/config.hpp>

namespace agentflow::http {

/// One server-sent event.
class SseEvent {
 public:
  SseEvent() = default;
  std::string event;  ///< The type; empty for "message".
  std::string data;   ///< The lines of data, joined by newlines. May be empty.
  std::string id;     ///< The last id of the stream.
  bool operator==(const SseEvent&) const = default;
};
static_assert(!std::is_aggregate_v<SseEvent>);

/// Reads server-sent events (WHATWG HTML, section 9.2) from bytes that come in any pieces, with any of the line ends.
///
/// An event ends with an empty line; what is left at the end of the stream is no event. An event with an empty `data:`
/// is one: some servers begin with it.
///
/// **Errors** `http_error` (http_limit) for a line or an event past the limits; the parser must not be used further.
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe.
class AGENTFLOW_API SseParser {
 public:
  static constexpr std::size_t default_max_line = std::size_t{1} << 20, default_max_event = std::size_t{8} << 20;

  explicit SseParser(std::size_t max_line_bytes = default_max_line, std::size_t max_event_bytes = default_max_event)
      : max_line_(max_line_bytes), max_event_(max_event_bytes) {}

  void feed(std::string_view bytes);
  /// The next complete event.
  std::optional<SseEvent> next();
  /// Whether bytes have come that belong to no event yet.
  bool in_the_middle() const noexcept { return !line_.empty() || has_data_; }

 private:
  void end_line();
  void field(std::string_view name, std::string_view value);

  std::size_t max_line_, max_event_;
  std::string line_;
  SseEvent event_;
  std::size_t event_bytes_ = 0;
  std::deque<SseEvent> ready_;
  bool has_data_ = false, after_cr_ = false, first_line_ = true;
};

}  // namespace agentflow::http
