// SPDX-License-Identifier: MIT
// gather over a graph, and try_ainvoke.
#include <agentflow/typed/gather_graph.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/state/agent_state.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;

namespace {

struct Job {
  int n = 0;
  int out = 0;
};
AGENTFLOW_STATE(Job, n, out)

/// How many are in the node, and the most there were.
struct Load {
  int now = 0, most = 0, begun = 0;
};

/// Later jobs are quicker; negative ones fail.
af::CompiledGraph<Job> jobs(Load& load, std::shared_ptr<af::Clock> clock) {
  af::StateGraph<Job> g;
  g.add_node("job", [&load, alive = Alive()](Job j, af::NodeContext& ctx) -> asio::awaitable<Job> {
    static_cast<void>(alive);
    ++load.begun;
    load.most = std::max(load.most, ++load.now);
    struct Leave {
      Load& load;
      ~Leave() { --load.now; }
    } const leave{load};
    co_await ctx.sleep(std::chrono::seconds(100 - j.n));
    if (j.n < 0) throw std::runtime_error("job " + std::to_string(j.n));
    j.out = j.n * j.n;
    co_return j;
  });
  g.set_entry_point("job").add_edge("job", "END");
  return g.compile(af::CompileOptions().clock(std::move(clock)));
}

std::vector<Job> numbers(int n) {
  std::vector<Job> all;
  for (int i = 1; i <= n; ++i) all.push_back(Job{i, 0});
  return all;
}

}  // namespace

TEST_CASE("25 gather over a graph runs five at once, in the order of its inputs", "[gather]") {
  af::testing::VirtualLoop loop;
  Load load;
  const auto app = jobs(load, loop.clock());
  SECTION("by default") {
    const auto results = loop.run(af::gather(app, numbers(12)));
    REQUIRE(results.size() == 12);
    for (int i = 0; i < 12; ++i) CHECK(results[static_cast<std::size_t>(i)]->out == (i + 1) * (i + 1));
    CHECK(load.most == 5);
  }
  SECTION("or as many as it is told") {
    loop.run(af::gather(app, numbers(12), af::GatherOptions().limit(3)));
    CHECK(load.most == 3);
    loop.run(af::gather(app, numbers(12), af::GatherOptions().limit(0)));
    CHECK(load.most == 12);
  }
  SECTION("or none") { CHECK(loop.run(af::gather(app, std::vector<Job>())).empty()); }
  SECTION("of a view, which keeps what it shows") {
    const auto all = numbers(3);
    CHECK(loop.run(af::gather(app, std::span(all))).size() == 3);
    CHECK(loop.run(af::gather(app, std::views::all(all))).size() == 3);
    CHECK(all[2].n == 3);
  }
}

TEST_CASE("25 gather over a graph propagates the first failure and joins the rest", "[gather]") {
  af::testing::VirtualLoop loop;
  Load load;
  const auto app = jobs(load, loop.clock());
  auto inputs = numbers(9);
  inputs[2].n = -7;
  try {
    loop.run(af::gather(app, inputs, af::GatherOptions().limit(3)));
    FAIL("no failure");
  } catch (const af::node_error& e) {
    CHECK_THAT(e.message(), Catch::Matchers::Contains("job -7"));
  }
  CHECK(load.now == 0);
  CHECK(load.begun < 9);
  CHECK(loop.clock()->pending() == 0);
}

TEST_CASE("18 gather over a graph gives every outcome", "[gather]") {
  af::testing::VirtualLoop loop;
  Load load;
  const auto app = jobs(load, loop.clock());
  auto inputs = numbers(7);
  inputs[0].n = -1;
  inputs[6].n = -2;
  const auto outcomes = loop.run(af::gather(app, inputs, af::return_exceptions));
  REQUIRE(outcomes.size() == 7);
  CHECK_THROWS_AS(outcomes[0].value(), af::node_error);
  CHECK(outcomes[3].value()->out == 16);
  CHECK_THAT(af::describe(outcomes[6].error()), Catch::Matchers::Contains("job -2"));
  CHECK(load.most == 5);
  CHECK(loop.run(af::gather(app, inputs, af::return_exceptions, af::GatherOptions().limit(2))).size() == 7);
}

TEST_CASE("gather over a graph gives each run its configuration", "[gather]") {
  af::testing::VirtualLoop loop;
  Load load;
  const auto app = jobs(load, loop.clock());
  const auto config = af::RunConfig().timeout(30s);
  CHECK_THROWS_AS(loop.run(af::gather(app, numbers(2), af::GatherOptions(), config)), af::timeout_error);
}

TEST_CASE("24 gather over a conversation takes its texts", "[gather]") {
  af::StateGraph<> g;
  g.add_node("echo", [](const af::AgentState& s) { return "You said: " + s.messages.back().text(); });
  g.set_entry_point("echo").add_edge("echo", "END");
  const auto app = g.compile();
  const std::vector<std::string> questions{"one", "two"};
  const auto results = on_loop([&] { return af::gather(app, questions); });
  REQUIRE(results.size() == 2);
  CHECK(results[1]->messages.back().text() == "You said: two");
  CHECK(questions[1] == "two");
}

TEST_CASE("gather over a graph leaves nothing behind at any point", "[gather]") {
  Load load;  // a loop that is destroyed takes coroutines with it in no particular order
  const auto make = [&load]() -> asio::awaitable<void> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    const auto app = jobs(load, af::clock_of(ex));
    auto inputs = numbers(4);
    const auto results = co_await af::gather(app, std::move(inputs), af::GatherOptions().limit(2));
    if (results.size() != 4) throw std::logic_error("lost a result");
  };
  CHECK(disturb_everywhere(make) > 10);
}

TEST_CASE("19 try_ainvoke gives the result or the failure", "[compiled_graph]") {
  af::testing::VirtualLoop loop;
  Load load;
  const auto app = jobs(load, loop.clock());
  const auto good = loop.run(app.try_ainvoke(Job{3, 0}));
  REQUIRE(good);
  CHECK(good.value()->out == 9);
  const auto bad = loop.run(app.try_ainvoke(Job{-3, 0}));
  CHECK_FALSE(bad);
  CHECK_THROWS_AS(bad.value(), af::node_error);
  const auto wrong = loop.run(app.try_ainvoke(Job{1, 0}, af::RunConfig().recursion_limit(0)));
  CHECK_THROWS_AS(wrong.value(), af::config_error);
}
