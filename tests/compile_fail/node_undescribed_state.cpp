// expect: this state is not described: write AGENTFLOW_STATE(YourState
// SPDX-License-Identifier: MIT
// A state without AGENTFLOW_STATE.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct Plain {
  int n = 0;
};

int main() {
  af::StateGraph<Plain> graph;
  graph.add_node("n", [](Plain s) { return s; });
}
