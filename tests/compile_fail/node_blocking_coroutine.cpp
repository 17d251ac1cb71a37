// expect: af::blocking is for plain functions
// SPDX-License-Identifier: MIT
// A coroutine marked as blocking.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", af::blocking([](State s) -> asio::awaitable<State> { co_return s; }));
}
