// SPDX-License-Identifier: MIT
// ChatEvent: a piece of an answer while it comes, and how pieces become the answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/chat_request.hpp>
#include <agentflow/ports/chat_response.hpp>
#include <agentflow/state/content_block.hpp>
#include <agentflow/state/message.hpp>

namespace agentflow {

enum class ChatEventKind : std::uint8_t {
  text,             ///< `text` goes on.
  reasoning,        ///< `text` of a thought, and a piece of its `signature`.
  tool_call_begin,  ///< A call of the tool `name`, with its `id`.
  tool_call_args,   ///< `text` is a piece of the call's arguments.
  tool_call_end,    ///< The arguments are complete.
  content,          ///< A part that comes whole, such as an image: `content`.
  usage,            ///< `usage` so far; the last one counts.
  stop,             ///< Why the model stopped. The last event, but for usage.
};

/// A piece of an answer. Pieces with the same `block` number belong to the same block of the message; those of
/// different blocks may alternate. An error is no event: `ChatStream::next` throws it.
class ChatEvent {
 public:
  ChatEvent() = default;
  static ChatEvent text_piece(std::size_t block, std::string text) {
    return ChatEvent(ChatEventKind::text, block, std::move(text));
  }
  static ChatEvent reasoning_piece(std::size_t block, std::string text, std::string signature = {}) {
    ChatEvent e(ChatEventKind::reasoning, block, std::move(text));
    e.signature = std::move(signature);
    return e;
  }
  static ChatEvent tool_begin(std::size_t block, std::string id, std::string name) {
    ChatEvent e(ChatEventKind::tool_call_begin, block, {});
    e.id = std::move(id);
    e.name = std::move(name);
    return e;
  }
  static ChatEvent tool_args(std::size_t block, std::string text) {
    return ChatEvent(ChatEventKind::tool_call_args, block, std::move(text));
  }
  static ChatEvent tool_end(std::size_t block) { return ChatEvent(ChatEventKind::tool_call_end, block, {}); }
  static ChatEvent whole(std::size_t block, ContentBlock content) {
    ChatEvent e(ChatEventKind::content, block, {});
    e.content = std::move(content);
    return e;
  }
  static ChatEvent usage_so_far(TokenUsage usage) {
    ChatEvent e(ChatEventKind::usage, 0, {});
    e.usage = usage;
    return e;
  }
  static ChatEvent stopped(StopReason reason) {
    ChatEvent e(ChatEventKind::stop, 0, {});
    e.reason = reason;
    return e;
  }

  ChatEventKind kind = ChatEventKind::text;
  std::size_t block = 0;
  std::string text, signature, id, name;
  ContentBlock content;
  TokenUsage usage;
  StopReason reason = StopReason::end;
  bool operator==(const ChatEvent&) const = default;

 private:
  ChatEvent(ChatEventKind k, std::size_t b, std::string t) : kind(k), block(b), text(std::move(t)) {}
};
static_assert(!std::is_aggregate_v<ChatEvent>);

/// Puts an answer together from its events; every `ChatStream` uses it, so that what is streamed and what is returned
/// cannot differ.
///
/// Arguments of a tool call that are not JSON are kept as a JSON string, for the tool to refuse: a model that writes
/// nonsense is no failure of the call. No arguments at all are `{}`.
///
/// **Errors** `model_error` (model_protocol): pieces that do not fit together, and answers past the limits.
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe.
class AGENTFLOW_API ChatAssembler {
 public:
  /// With the limits of a request, and a fresh message id.
  explicit ChatAssembler(const ChatRequest& request);

  void add(const ChatEvent& event);
  const std::string& message_id() const noexcept { return message_id_; }
  /// Whether nothing of the answer has come: an attempt may be repeated.
  bool empty() const noexcept { return parts_.empty(); }
  bool stopped() const noexcept { return stopped_; }
  /// The answer so far. A stream that ended with calls has stopped for them, whatever the provider says.
  ChatResponse response() const;

 private:
  struct Part {
    ChatEventKind kind;
    std::string text, signature, id, name;
    ContentBlock content;
    bool ended = false;
  };
  Part& part_of(const ChatEvent& event, ChatEventKind kind);

  std::vector<Part> parts_;
  std::string message_id_;
  Message::Clock::time_point time_;
  std::size_t max_tool_calls_, max_bytes_;
  std::size_t tool_calls_ = 0, bytes_ = 0;
  TokenUsage usage_;
  StopReason reason_ = StopReason::other;
  bool has_usage_ = false, stopped_ = false;
};

/// Gives the events of an answer that came at once: its text word by word, as a stream would have it.
AGENTFLOW_API std::vector<ChatEvent> events_of(const ChatResponse& response);

}  // namespace agentflow
