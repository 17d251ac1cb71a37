// expect: a min or max field needs operator== and operator<
// SPDX-License-Identifier: MIT
// min of values without an order.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct Point {
  int x = 0;
  bool operator==(const Point&) const = default;
};
struct State {
  Point field;
};
AGENTFLOW_STATE(State, (field, af::min))

int main() { af::StateGraph<State> graph; }
