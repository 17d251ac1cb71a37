// expect: a node returns its State, af::Update<State>
// SPDX-License-Identifier: MIT
// A coroutine that returns something else.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [](State s) -> asio::awaitable<int> { co_return s.n; });
}
