// expect: a state is a struct
// SPDX-License-Identifier: MIT
// A number as the state.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

int main() {
  af::StateGraph<int> graph;
  (void)graph;
}
