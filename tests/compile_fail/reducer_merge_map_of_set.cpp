// expect: a merge_map field must be a std::map
// SPDX-License-Identifier: MIT
// merge_map of sets.
#include <set>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  std::set<int> field;
};
AGENTFLOW_STATE(State, (field, af::merge_map))

int main() { af::StateGraph<State> graph; }
