// expect: non-const lvalue reference
// SPDX-License-Identifier: MIT
// The state of a result that goes at the end of the line.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

int main() {
  af::StateGraph<> graph;
  graph.add_node("a", [](const af::AgentState&) { return "hi"; }).set_entry_point("a").add_edge("a", "END");
  af::AgentState& state = *graph.compile().invoke("Hello");
  state.messages.clear();
}
