// expect: a node with an input of its own cannot return the whole state
// SPDX-License-Identifier: MIT
// A whole state from a node that has not seen one.
#include <string>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [](const std::string&) { return State(); });
}
