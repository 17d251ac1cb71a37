// expect: the state comes first: write node(State s, af::NodeContext& ctx)
// SPDX-License-Identifier: MIT
// A node with its parameters the wrong way round.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [](af::NodeContext&, State s) { return s; });
}
