// expect: a node returns its State, af::Update<State>
// SPDX-License-Identifier: MIT
// An update of another state.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

int main() {
  af::StateGraph<State> graph;
  graph.add_node("n", [](State) { return af::Update<af::AgentState>(); });
}
