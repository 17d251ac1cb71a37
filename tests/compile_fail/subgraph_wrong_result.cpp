// expect: the second mapping of a subgraph is from(const Parent&, Child)
// SPDX-License-Identifier: MIT
// A mapping that does not take the subgraph's state.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_subgraph(
      "n", af::StateGraph<>().compile(), [](const State&) { return af::AgentState(); },
      [](const State& s) { return s; });
}
