// expect: a state must be default-constructible
// SPDX-License-Identifier: MIT
// A state without a default constructor.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  explicit State(int v) : n(v) {}
  int n;
};
AGENTFLOW_STATE(State, n)

int main() { af::StateGraph<State> graph; }
