// SPDX-License-Identifier: MIT
// Private: a stream in front of another one.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <agentflow/ports/chat_model.hpp>

namespace agentflow::llm {

/// Gives the message a stable id although the stream behind may change: that of the first one.
class RelayStream : public ChatStream {
 public:
  ChatResponse response() const override {
    ChatResponse out = inner_->response();
    out.message = std::move(out.message).with_id(id_);
    return out;
  }
  const std::string& message_id() const noexcept override { return id_; }

 protected:
  explicit RelayStream(std::unique_ptr<ChatStream> inner) : inner_(std::move(inner)), id_(inner_->message_id()) {}
  ChatStream& inner() noexcept { return *inner_; }
  void replace(std::unique_ptr<ChatStream> other) noexcept { inner_ = std::move(other); }

 private:
  std::unique_ptr<ChatStream> inner_;
  std::string id_;
};

/// What awaiting a step of a stream came to; a coroutine cannot await in a catch block.
class Step {
 public:
  Step() = default;
  /// Whether there is no way back: another attempt would say it again. Of usage the last word counts anyway.
  bool is_piece() const noexcept { return event && event->kind != ChatEventKind::usage; }
  std::optional<ChatEvent> event;
  std::optional<model_error> error;
};

inline asio::awaitable<Step> step(ChatStream& stream) {
  Step out;
  try {
    auto next = stream.next();
    out.event = co_await std::move(next);
  } catch (const model_error& e) {
    out.error.emplace(e);
  }
  co_return out;
}

}  // namespace agentflow::llm
