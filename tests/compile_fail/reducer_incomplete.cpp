// expect: a reducer needs, for the type T of its field
// SPDX-License-Identifier: MIT
// A reducer without apply.
#include <optional>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct Mine {
  static std::optional<int> diff(const int&, const int&) { return std::nullopt; }
};
struct State {
  int field;
};
AGENTFLOW_STATE(State, (field, Mine))

int main() { af::StateGraph<State> graph; }
