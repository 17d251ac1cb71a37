// expect: a sum field must be a number other than bool
// SPDX-License-Identifier: MIT
// sum of bools.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  bool field;
};
AGENTFLOW_STATE(State, (field, af::sum))

int main() { af::StateGraph<State> graph; }
