// expect: an error handler takes the state and the error
// SPDX-License-Identifier: MIT
// An error handler for another exception.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.on_error("n", [](State s, const af::node_error&) { return s; });
}
