// expect: the reducer of this field cannot take a value of this type
// SPDX-License-Identifier: MIT
// An element of the wrong type for a list.
#include <string>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
  int unlisted = 0;
  af::List<std::string> log;
};
AGENTFLOW_STATE(State, n, (log, af::append))

int main() { af::Update<State>().write<&State::log>(1); }
