// SPDX-License-Identifier: MIT
// The synchronous application of docs/async_patterns.md.
#include <iostream>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

int main() {
  af::StateGraph<> graph;
  graph.add_node("agent", [](af::AgentState s) { return s; });
  graph.set_entry_point("agent").add_edge("agent", "END");
  std::cout << graph.compile().invoke(af::Message::from_text("Hello")) << "\n";
}
