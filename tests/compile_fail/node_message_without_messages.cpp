// expect: a node returns its State, af::Update<State>
// SPDX-License-Identifier: MIT
// A message from a node whose state has none.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [](State) { return af::Message::assistant("hi"); });
}
