// SPDX-License-Identifier: MIT
// A user's program, built by every project beside it: runs a graph, and catches an error thrown inside the library.
#include <agentflow/agentflow.hpp>
#include <cstdio>

namespace af = agentflow;

struct Count {
  af::List<int> seen;
  int sum = 0;
};
AGENTFLOW_STATE(Count, (seen, af::append), (sum, af::sum))

int main() {
  af::StateGraph<Count> graph;
  graph.add_node("one", [](Count c) {
    c.seen.push_back(1), c.sum += 1;
    return c;
  });
  graph.add_node("two", [](Count c) {
    c.seen.push_back(2), c.sum += 2;
    return c;
  });
  try {
    graph.compile();
    return 1;
  } catch (const af::graph_error& e) {
    std::puts(e.what());
  }
  graph.add_edge("START", "one").add_edge("START", "two").add_edge("one", "END").add_edge("two", "END");
  auto result = graph.compile().invoke(Count());
  return result->sum == 3 && result->seen.size() == 2 ? 0 : 1;
}
