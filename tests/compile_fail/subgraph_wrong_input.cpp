// expect: the first mapping of a subgraph is Child to(const Parent&)
// SPDX-License-Identifier: MIT
// A mapping that does not make the subgraph's state.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_subgraph(
      "n", af::StateGraph<>().compile(), [](const State& s) { return s; },
      [](const State& s, const af::AgentState&) { return s; });
}
