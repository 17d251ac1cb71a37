// expect: an error handler returns what a node may return
// SPDX-License-Identifier: MIT
// An error handler that returns a number.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.on_error([](State s, const af::error&) { return s.n; });
}
