// expect: a tool takes one struct described by AGENTFLOW_PARAMS
// SPDX-License-Identifier: MIT
// A tool that takes its parameters by mutable reference.
#include <agentflow/agentflow.hpp>

#include <string>

namespace af = agentflow;

struct Params {
  int n = 0;
};
AGENTFLOW_PARAMS(Params, n)

struct Opaque {};

int main() {
  auto tool = af::tool("t", "", [](Params&) {});
}
