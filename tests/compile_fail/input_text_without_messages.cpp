// expect: text is an input of conversations only
// SPDX-License-Identifier: MIT
// Text as the input of a state without messages.
#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
};
AGENTFLOW_STATE(State, n)

void run(const af::CompiledGraph<State>& app) { app.invoke("Hello"); }

int main() {}
