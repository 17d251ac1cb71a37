// expect: a set_union field must be a std::set
// SPDX-License-Identifier: MIT
// set_union of vectors.
#include <vector>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  std::vector<int> field;
};
AGENTFLOW_STATE(State, (field, af::set_union))

int main() { af::StateGraph<State> graph; }
