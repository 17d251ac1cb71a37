// SPDX-License-Identifier: MIT
// Every form of a tool that may be written.
#include <agentflow/agentflow.hpp>

#include <asio/awaitable.hpp>
#include <map>
#include <string>

namespace af = agentflow;

struct Params {
  int n = 0;
};
AGENTFLOW_PARAMS(Params, n)

int main() {
  af::ToolSet tools;
  tools.add(af::tool("a", "", [](Params) {}));
  tools.add(af::tool("b", "", [](const Params& p) { return p; }));
  tools.add(af::tool("c", "", [](Params p, af::ToolContext&) { return p.n; }));
  tools.add(af::tool("d", "", [](std::map<std::string, int> m) { return m; }));
  tools.add(af::tool("e", "", af::blocking([] { return "x"; })));
  tools.add(af::tool("f", "", [](Params p) -> asio::awaitable<int> { co_return p.n; }));
}
