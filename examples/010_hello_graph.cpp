// SPDX-License-Identifier: MIT
// The smallest graph: a conversation, one node, one answer.
#include <iostream>
#include <string>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

// A node of a conversation may return text: it becomes a message of the assistant.
std::string agent(const af::AgentState& state) { return "You said: " + state.messages.back().text(); }

int main() {
  af::StateGraph<> graph;  // short for StateGraph<af::AgentState>
  graph.add_node("agent", agent);
  graph.set_entry_point("agent").add_edge("agent", "END");

  const auto app = graph.compile();  // checks everything; may be shared by any number of threads
  const auto result = app.invoke("Hello");

  for (const af::Message& message : result->messages) std::cout << message << "\n";
  return result->messages.back().text() == "You said: Hello" ? 0 : 1;
}
