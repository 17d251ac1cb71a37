// expect: a node takes the state by value or const reference
// SPDX-License-Identifier: MIT
// A node without parameters.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [] { return State(); });
}
