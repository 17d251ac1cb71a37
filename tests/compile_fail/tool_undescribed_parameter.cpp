// expect: the parameter of a tool is a struct described by AGENTFLOW_PARAMS
// SPDX-License-Identifier: MIT
// A tool whose parameter has no names.
#include <agentflow/agentflow.hpp>

#include <string>

namespace af = agentflow;

struct Params {
  int n = 0;
};
AGENTFLOW_PARAMS(Params, n)

struct Opaque {};

int main() {
  auto tool = af::tool("t", "", [](Opaque) {});
}
