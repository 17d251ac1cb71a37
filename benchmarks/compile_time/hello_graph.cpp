// SPDX-License-Identifier: MIT
// The first program of the README, compiled by scripts/compile_time. Not part of any target.
#include <agentflow/agentflow.hpp>
#include <cstdio>

namespace af = agentflow;

int main() {
  af::StateGraph<> graph;
  graph.add_node("agent", [](af::AgentState s) { return s; });
  graph.set_entry_point("agent").add_edge("agent", "END");
  auto result = graph.compile().invoke(af::Message::from_text("Hello"));
  std::puts(result->messages.back().text().c_str());
}
