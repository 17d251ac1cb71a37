// SPDX-License-Identifier: MIT
// A planner that stands in for a language model when there is none.
#pragma once

#include <memory>
#include <string>

#include <agentflow/agentflow.hpp>

namespace agent_cli {

/// Understands a short list of requests by rules, calls the tools that answer them, and words the results. It is no
/// language model and says so; it takes part in the same loop as one: requests with tools in, tool calls and text out.
///
/// **Thread safety** Shared objects: safe (it has no state).
class OfflineModel final : public agentflow::ChatModel {
 public:
  asio::awaitable<agentflow::ChatResponse> complete(agentflow::ChatRequest request) override;
  std::unique_ptr<agentflow::ChatStream> stream(agentflow::ChatRequest request) override;
  std::string name() const override { return "offline"; }

  /// The requests it understands, for people.
  static std::string help();
};

}  // namespace agent_cli
