// expect: a last_value field needs operator==
// SPDX-License-Identifier: MIT
// A field that cannot be compared.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct Point {
  int x = 0;
};
struct State {
  Point field;
};
AGENTFLOW_STATE(State, field)

int main() { af::StateGraph<State> graph; }
