// SPDX-License-Identifier: MIT
// Testing a graph: fakes in place of nodes, a shuffled order of starting, and a loop on which waiting takes no time.
#include <chrono>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <agentflow/testing/virtual_time.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

struct Review {
  std::string code;
  af::List<std::string> remarks;
};
AGENTFLOW_STATE(Review, code, (remarks, af::append))

af::Update<Review> remark(std::string text) { return af::Update<Review>().write<&Review::remarks>(std::move(text)); }

// ---- the program: a graph that asks a model ------------------------------------------------------------------------

asio::awaitable<af::Update<Review>> ask_model(const Review&) { throw std::runtime_error("no network in this example"); }

asio::awaitable<af::Update<Review>> compile_code(const Review&, af::NodeContext& ctx) {
  co_await ctx.sleep(5min);
  co_return remark("it compiles");
}

af::StateGraph<Review> review_graph() {
  af::StateGraph<Review> graph;
  graph.add_node("model", ask_model, af::NodeOptions().retry(af::RetryPolicy().attempts(5).backoff(10min).cap(1h)));
  graph.add_node("compile", compile_code);
  graph.add_node("style", [](const Review& r) { return remark(r.code.size() > 20 ? "too long" : "fine"); });
  graph.add_node("close", [](const Review& r) { return remark("remarks: " + std::to_string(r.remarks.size())); });
  for (const char* check : {"model", "compile", "style"}) graph.set_entry_point(check);
  graph.add_edge({"model", "compile", "style"}, "close").add_edge("close", "END");
  return graph;
}

// ---- its test ------------------------------------------------------------------------------------------------------

int main() {
  // When nothing is ready, this loop moves its clock to the next wake-up; when there is none, it reports a deadlock.
  af::testing::VirtualLoop loop;

  // The fake takes the node's place; edges and options (here: five attempts) stay.
  af::StateGraph<Review> test = review_graph();
  test.override_node("model", [](const Review& r, af::NodeContext& ctx) {
    if (ctx.attempt() < 3) throw std::runtime_error("overloaded");
    return remark("model: rename " + r.code);
  });
  const auto app = test.compile(af::CompileOptions().clock(loop.clock()));

  Review input;
  input.code = "int x;";
  const af::List<std::string> expected{"model: rename int x;", "it compiles", "fine", "remarks: 3"};
  // Shuffle in which order the nodes of a step start; the result must not depend on it.
  int right = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto result = loop.run(app.ainvoke(input, af::RunConfig().shuffle(seed)));
    right += result->remarks == expected;
  }
  const auto passed = std::chrono::duration_cast<std::chrono::minutes>(loop.clock()->passed());
  std::cout << right << " of 20 orders are right; " << passed.count() << " minutes passed in no time\n";
  return right == 20 && passed > 20 * 20min ? 0 : 1;
}
