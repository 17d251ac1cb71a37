// expect: a tool returns text, anything with a JSON mapping
// SPDX-License-Identifier: MIT
// A tool that returns what has no JSON form.
#include <agentflow/agentflow.hpp>

#include <string>

namespace af = agentflow;

struct Params {
  int n = 0;
};
AGENTFLOW_PARAMS(Params, n)

struct Opaque {};

int main() {
  auto tool = af::tool("t", "", [](Params) { return Opaque(); });
}
