// expect: write its parameter types
// SPDX-License-Identifier: MIT
// A tool whose parameter type cannot be seen.
#include <agentflow/agentflow.hpp>

#include <string>

namespace af = agentflow;

struct Params {
  int n = 0;
};
AGENTFLOW_PARAMS(Params, n)

struct Opaque {};

int main() {
  auto tool = af::tool("t", "", [](auto) {});
}
