// expect: a field of a state must not be const or a reference
// SPDX-License-Identifier: MIT
// A field that cannot be written.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  const int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() { af::StateGraph<State> graph; }
