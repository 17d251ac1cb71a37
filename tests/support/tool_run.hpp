// SPDX-License-Identifier: MIT
// Runs tool calls through a ToolNode, as an agent would.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <agentflow/agentflow.hpp>

/// A message of the assistant with these calls.
inline agentflow::Message calling(const std::vector<agentflow::ToolCallBlock>& calls) {
  std::vector<agentflow::ContentBlock> blocks(calls.begin(), calls.end());
  return agentflow::Message(agentflow::Role::assistant, std::move(blocks));
}

inline agentflow::ToolCallBlock call_of(std::string tool, const std::string& arguments = "{}", std::string id = "c1") {
  return agentflow::ToolCallBlock(std::move(id), std::move(tool), agentflow::JsonValue::parse(arguments));
}

/// A graph of nothing but a node for tools.
inline agentflow::CompiledGraph<agentflow::AgentState> tool_graph(const agentflow::ToolNode& node,
                                                                  agentflow::CompileOptions options = {}) {
  agentflow::StateGraph<> graph;
  graph.add_node("tools", node).set_entry_point("tools").add_edge("tools", "END");
  return graph.compile(std::move(options));
}

inline agentflow::AgentState state_of(agentflow::Message message) {
  agentflow::AgentState state;
  state.messages.push_back(std::move(message));
  return state;
}

/// The results in a conversation, in order.
inline std::vector<agentflow::ToolResultBlock> results_in(const agentflow::AgentState& state) {
  std::vector<agentflow::ToolResultBlock> out;
  for (const auto& message : state.messages)
    for (const auto& block : message.content())
      if (const auto* result = block.get_if<agentflow::ToolResultBlock>()) out.push_back(*result);
  return out;
}

/// Makes calls on the calling thread, and gives their results.
inline std::vector<agentflow::ToolResultBlock> make_calls(const agentflow::ToolNode& node,
                                                          const std::vector<agentflow::ToolCallBlock>& calls) {
  return results_in(tool_graph(node).invoke(state_of(calling(calls))).state);
}
