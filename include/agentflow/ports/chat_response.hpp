// SPDX-License-Identifier: MIT
// ChatResponse: what a model answered, and why it stopped.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/state/message.hpp>

namespace agentflow {

/// Why a model stopped, in the words of no provider.
enum class StopReason : std::uint8_t {
  end,            ///< It had said everything.
  tool_calls,     ///< It waits for the results of its tool calls.
  length,         ///< The limit on tokens, or the context, was reached: the answer is cut.
  stop_sequence,  ///< It came to one of `ChatRequest::stop`.
  refused,        ///< It, or a filter of the provider, would not go on.
  paused,         ///< The provider asks to be called again with the answer so far.
  other,          ///< A reason we do not know; see the raw answer.
};
AGENTFLOW_API std::string_view to_string(StopReason reason) noexcept;
/// Reads what `to_string` wrote, and nothing else.
AGENTFLOW_API std::optional<StopReason> parse_stop_reason(std::string_view name) noexcept;
AGENTFLOW_API std::ostream& operator<<(std::ostream& out, StopReason reason);

/// The answer of a model.
class ChatResponse {
 public:
  ChatResponse() = default;
  explicit ChatResponse(Message m, StopReason s = StopReason::end) : message(std::move(m)), stop(s) {}

  /// Role assistant: text, reasoning and tool calls in the order they came, and `usage()` where it is known.
  Message message;
  StopReason stop = StopReason::end;
  /// The model that answered, as the provider calls it.
  std::string model;
  /// The provider's name for this answer, for its support.
  std::string id;
  /// The answer as the provider sent it: an object, or of a stream the array of its events if `keep_raw` asked for it.
  JsonValue raw;
  /// The request as it was sent, if `ChatRequest::keep_raw` asked for it.
  JsonValue raw_request;

  /// Zero where the provider did not say.
  TokenUsage usage() const { return message.usage().value_or(TokenUsage()); }
  std::string text() const { return message.text(); }
};
static_assert(!std::is_aggregate_v<ChatResponse>);

}  // namespace agentflow
