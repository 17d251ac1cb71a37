// SPDX-License-Identifier: MIT
// EchoModel: a model that repeats what it is told.
#pragma once

#include <memory>
#include <string>

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/chat_model.hpp>

namespace agentflow::testing {

/// Answers with the text of the last user message, and counts words as tokens. For programs that need some model.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
class AGENTFLOW_API EchoModel final : public ChatModel {
 public:
  EchoModel();
  ~EchoModel() override;
  asio::awaitable<ChatResponse> complete(ChatRequest request) override;
  std::unique_ptr<ChatStream> stream(ChatRequest request) override;
  std::string name() const override { return "echo"; }
};

}  // namespace agentflow::testing
