// expect: a state must be copyable
// SPDX-License-Identifier: MIT
// A state that cannot be copied.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
  State() = default;
  State(State&&) = default;
  State& operator=(State&&) = default;
};
AGENTFLOW_STATE(State, n)

int main() { af::StateGraph<State> graph; }
