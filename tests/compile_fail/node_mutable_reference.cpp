// expect: take the state by value or by const reference
// SPDX-License-Identifier: MIT
// A node that would share its state.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [](State& s) { ++s.n; });
}
