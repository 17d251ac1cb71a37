// SPDX-License-Identifier: MIT
// The port to a model: what its interfaces share.
#include <agentflow/ports/chat_model.hpp>

namespace agentflow {

ChatStream::~ChatStream() = default;
ChatModel::~ChatModel() = default;

asio::awaitable<ChatResponse> read_all(ChatStream& stream) {
  for (;;) {
    auto next = stream.next();
    const std::optional<ChatEvent> event = co_await std::move(next);
    if (!event) co_return stream.response();
  }
}

}  // namespace agentflow
