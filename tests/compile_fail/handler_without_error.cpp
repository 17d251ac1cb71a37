// expect: an error handler takes the state and the error
// SPDX-License-Identifier: MIT
// An error handler that does not take the error.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.on_error([](State s) { return s; });
}
