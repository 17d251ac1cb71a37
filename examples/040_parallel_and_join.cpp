// SPDX-License-Identifier: MIT
// Fan-out and join: plain functions and coroutines run in one step, and the order of finishing changes nothing.
#include <chrono>
#include <iostream>
#include <string>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

struct Research {
  std::string topic;
  af::List<std::string> findings;
  int calls = 0;
  std::string summary;
};
AGENTFLOW_STATE(Research, topic, (findings, af::append), (calls, af::sum), summary)

Research search_web(Research s) {
  s.findings.push_back("web: " + s.topic);
  ++s.calls;
  return s;
}

asio::awaitable<Research> search_papers(Research s, af::NodeContext& ctx) {
  co_await ctx.sleep(20ms);  // stands for a request; nothing else is held up meanwhile
  s.findings.push_back("papers: " + s.topic);
  ++s.calls;
  co_return s;
}

asio::awaitable<Research> search_news(Research s, af::NodeContext& ctx) {
  co_await ctx.sleep(1ms);
  s.findings.push_back("news: " + s.topic);
  ++s.calls;
  co_return s;
}

Research summarise(Research s) {
  s.summary = std::to_string(s.findings.size()) + " findings after " + std::to_string(s.calls) + " calls";
  return s;
}

int main() {
  af::StateGraph<Research> graph;
  graph.add_node("web", search_web).add_node("papers", search_papers).add_node("news", search_news);
  graph.add_node("summarise", summarise);
  // A deferred node waits until nothing else can run, however long the branches are.
  graph.add_node(
      "goodbye", [](const Research&) { return af::Update<Research>().write<&Research::findings>("(end)"); },
      af::NodeOptions().defer());

  for (const char* branch : {"web", "papers", "news"}) graph.set_entry_point(branch);
  graph.add_edge({"web", "papers", "news"}, "summarise");  // once, when all three are done
  graph.add_edge("web", "goodbye").add_edge("summarise", "END").add_edge("goodbye", "END");
  const auto app = graph.compile();

  Research input;
  input.topic = "C++ coroutines";
  const auto result = app.invoke(input);
  for (const auto& finding : result->findings) std::cout << finding << "\n";
  std::cout << result->summary << ", " << result.steps() << " steps\n";

  // "news" is done long before "papers", yet the order is that of add_node.
  const af::List<std::string> expected{"web: C++ coroutines", "papers: C++ coroutines", "news: C++ coroutines",
                                       "(end)"};
  bool right = result->findings == expected && result->calls == 3 && result.steps() == 3;
  right = right && app.invoke(input, af::RunConfig().max_concurrency(1))->findings == expected;
  return right ? 0 : 1;
}
