// expect: this member is not listed in the AGENTFLOW_STATE of its state
// SPDX-License-Identifier: MIT
// An update of a member that AGENTFLOW_STATE does not list.
#include <string>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
  int unlisted = 0;
  af::List<std::string> log;
};
AGENTFLOW_STATE(State, n, (log, af::append))

int main() { af::Update<State>().write<&State::unlisted>(1); }
