// expect: this member is not listed in the AGENTFLOW_STATE of its state
// SPDX-License-Identifier: MIT
// An update of a member of another struct.
#include <string>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
  int unlisted = 0;
  af::List<std::string> log;
};
AGENTFLOW_STATE(State, n, (log, af::append))

struct Other {
  int n = 0;
};

int main() { af::Update<State>().write<&Other::n>(1); }
