// expect: an add_messages field must be an agentflow::List of elements with id()
// SPDX-License-Identifier: MIT
// add_messages on texts.
#include <string>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  af::List<std::string> field;
};
AGENTFLOW_STATE(State, (field, af::add_messages))

int main() { af::StateGraph<State> graph; }
