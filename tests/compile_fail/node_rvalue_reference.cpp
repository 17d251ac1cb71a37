// expect: take the state by value or by const reference
// SPDX-License-Identifier: MIT
// A node that takes its state by rvalue reference.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [](State&& s) { return s; });
}
