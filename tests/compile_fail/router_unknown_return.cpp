// expect: a router returns a node's name
// SPDX-License-Identifier: MIT
// A router that returns a number.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_conditional_edges("n", [](const State& s) { return s.n; });
}
