// SPDX-License-Identifier: MIT
// Putting answers together from their events, and taking them apart.
#include <agentflow/ports/chat_event.hpp>

#include <array>
#include <ostream>
#include <string_view>

#include <fmt/format.h>

#include <agentflow/core/ids.hpp>
#include <agentflow/core/json_codec.hpp>
#include <agentflow/ports/model_error.hpp>

namespace agentflow {
namespace {

constexpr std::array<std::string_view, 7> reason_names = {"end",     "tool_calls", "length", "stop_sequence",
                                                          "refused", "paused",     "other"};

constexpr std::size_t max_blocks = 4096;  // those without content cost memory too

[[noreturn]] void fail(std::string message) { throw model_error(errc::model_protocol, std::move(message)); }

/// No text is an object without members, unless the answer was cut: then more was to come.
JsonValue arguments_of(const std::string& text, bool cut) {
  if (!cut && text.find_first_not_of(" \t\r\n") == text.npos) return JsonValue::parse("{}");
  try {
    return JsonValue::parse(text);
  } catch (const json_error&) {
    return to_json_value(text);
  }
}

}  // namespace

std::string_view to_string(StopReason reason) noexcept {
  const auto i = static_cast<std::size_t>(reason);
  return i < reason_names.size() ? reason_names[i] : "unknown";
}

std::optional<StopReason> parse_stop_reason(std::string_view name) noexcept {
  for (std::size_t i = 0; i < reason_names.size(); ++i)
    if (reason_names[i] == name) return static_cast<StopReason>(i);
  return std::nullopt;
}

std::ostream& operator<<(std::ostream& out, StopReason reason) { return out << to_string(reason); }

ChatAssembler::ChatAssembler(const ChatRequest& request)
    : message_id_(make_message_id()),
      time_(Message::Clock::now()),
      max_tool_calls_(request.max_tool_calls),
      max_bytes_(request.max_answer_bytes) {}

ChatAssembler::Part& ChatAssembler::part_of(const ChatEvent& event, ChatEventKind kind) {
  if (event.block == parts_.size()) {
    if (parts_.size() == max_blocks) fail(fmt::format("the answer has more than {} blocks", max_blocks));
    parts_.emplace_back().kind = kind;
  } else if (event.block > parts_.size() || parts_[event.block].kind != kind || parts_[event.block].ended) {
    fail(fmt::format("the answer's pieces do not fit together: block {} of {} is of another kind, or complete",
                     event.block, parts_.size()));
  }
  bytes_ += event.text.size() + event.signature.size() + event.id.size() + event.name.size();
  if (bytes_ > max_bytes_)
    fail(fmt::format("the answer is longer than ChatRequest::max_answer_bytes ({})", max_bytes_));
  return parts_[event.block];
}

void ChatAssembler::add(const ChatEvent& event) {
  switch (event.kind) {
    case ChatEventKind::text: part_of(event, ChatEventKind::text).text += event.text; return;
    case ChatEventKind::reasoning: {
      Part& part = part_of(event, ChatEventKind::reasoning);
      part.text += event.text;
      part.signature += event.signature;
      return;
    }
    case ChatEventKind::tool_call_begin: {
      if (event.block != parts_.size()) fail("a tool call begins inside another block");
      if (++tool_calls_ > max_tool_calls_)
        fail(fmt::format("the answer has more tool calls than ChatRequest::max_tool_calls ({})", max_tool_calls_));
      Part& part = part_of(event, ChatEventKind::tool_call_begin);
      part.id = event.id;
      part.name = event.name;
      return;
    }
    case ChatEventKind::tool_call_args:
    case ChatEventKind::tool_call_end: {
      if (event.block >= parts_.size()) fail("arguments of a tool call that has not begun");
      Part& part = part_of(event, ChatEventKind::tool_call_begin);
      part.text += event.text;
      part.ended = event.kind == ChatEventKind::tool_call_end;
      return;
    }
    case ChatEventKind::content: {
      if (event.block != parts_.size()) fail("a whole part inside another block");
      part_of(event, ChatEventKind::content).content = event.content;
      return;
    }
    case ChatEventKind::usage:
      usage_ = event.usage;
      has_usage_ = true;
      return;
    case ChatEventKind::stop:
      reason_ = event.reason;
      stopped_ = true;
      return;
  }
}

ChatResponse ChatAssembler::response() const {
  std::vector<ContentBlock> blocks;
  const bool cut = reason_ == StopReason::length;
  bool calls = false;
  for (const Part& part : parts_) {
    switch (part.kind) {
      case ChatEventKind::text: blocks.emplace_back(TextBlock(part.text)); break;
      case ChatEventKind::reasoning: blocks.emplace_back(ReasoningBlock(part.text, part.signature)); break;
      case ChatEventKind::content: blocks.push_back(part.content); break;
      default:
        calls = true;
        blocks.emplace_back(ToolCallBlock(part.id, part.name, arguments_of(part.text, cut && &part == &parts_.back())));
    }
  }
  Message message(Role::assistant, std::move(blocks));
  message = std::move(message).with_id(message_id_).with_timestamp(time_);
  if (has_usage_) message = std::move(message).with_usage(usage_);
  ChatResponse out(std::move(message), reason_);
  if (calls && out.stop == StopReason::end) out.stop = StopReason::tool_calls;
  return out;
}

std::vector<ChatEvent> events_of(const ChatResponse& response) {
  std::vector<ChatEvent> out;
  std::size_t block = 0;
  for (const ContentBlock& content : response.message.content()) {
    if (const auto* text = content.get_if<TextBlock>()) {
      // Words keep the space before them; an empty text is still a block.
      std::string_view rest = text->text;
      do {
        const std::size_t end = rest.find(' ', 1);
        out.push_back(ChatEvent::text_piece(block, std::string(rest.substr(0, end))));
        rest = end == rest.npos ? std::string_view() : rest.substr(end);
      } while (!rest.empty());
    } else if (const auto* thought = content.get_if<ReasoningBlock>()) {
      out.push_back(ChatEvent::reasoning_piece(block, thought->text, thought->signature));
    } else if (const auto* call = content.get_if<ToolCallBlock>()) {
      out.push_back(ChatEvent::tool_begin(block, call->id, call->name));
      out.push_back(ChatEvent::tool_args(block, call->arguments.dump()));
      out.push_back(ChatEvent::tool_end(block));
    } else {
      out.push_back(ChatEvent::whole(block, content));
    }
    ++block;
  }
  if (response.message.usage()) out.push_back(ChatEvent::usage_so_far(*response.message.usage()));
  out.push_back(ChatEvent::stopped(response.stop));
  return out;
}

}  // namespace agentflow
