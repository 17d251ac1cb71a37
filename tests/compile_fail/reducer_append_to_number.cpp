// expect: an append field must be an agentflow::List
// SPDX-License-Identifier: MIT
// append on a number.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int field;
};
AGENTFLOW_STATE(State, (field, af::append))

int main() { af::StateGraph<State> graph; }
