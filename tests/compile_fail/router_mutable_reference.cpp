// expect: a router takes the state by const reference or value
// SPDX-License-Identifier: MIT
// A router that would change the state.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_conditional_edges("n", [](State&) { return "END"; });
}
