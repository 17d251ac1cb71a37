// expect: a node takes the state by value or const reference
// SPDX-License-Identifier: MIT
// A node with a parameter too many.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [](State s, af::NodeContext&, int) { return s; });
}
