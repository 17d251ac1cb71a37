// expect: add it with add_subgraph
// SPDX-License-Identifier: MIT
// A graph over another state, added without mappings.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", af::StateGraph<>().compile());
}
