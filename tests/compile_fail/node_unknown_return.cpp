// expect: a node returns its State, af::Update<State>
// SPDX-License-Identifier: MIT
// A node that returns something else.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [](State s) { return s.n; });
}
