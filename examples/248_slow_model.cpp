// SPDX-License-Identifier: MIT
// Many slow model calls on one thread: a thousand runs that wait at the same time take hardly longer than one.
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

// Stands for a model that takes its time. Nothing is computed, so nothing is gained from threads.
asio::awaitable<std::string> slow_model(const af::AgentState& s, af::NodeContext& ctx) {
  co_await ctx.sleep(200ms);
  co_return "an answer to " + s.messages.back().text();
}

asio::awaitable<int> amain() {
  af::StateGraph<> graph;
  graph.add_node("model", slow_model, af::NodeOptions().timeout(30s));
  graph.set_entry_point("model").add_edge("model", "END");
  const auto app = graph.compile();

  std::vector<std::string> questions;
  for (int i = 0; i < 1000; ++i) questions.push_back("question " + std::to_string(i));
  const auto start = std::chrono::steady_clock::now();
  const auto results = co_await af::gather(app, std::move(questions), af::GatherOptions().limit(0));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;

  std::cout << results.size() << " answers in " << taken.count() << " s, one after the other they take 200 s\n";
  co_return results.size() == 1000 && results[7]->messages.back().text() == "an answer to question 7" && taken < 20s
      ? 0
      : 1;
}

int main() { return af::run(amain()); }
