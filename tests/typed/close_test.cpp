// SPDX-License-Identifier: MIT
// Closing a graph: what becomes of its runs, who may ask, and how long it takes.
#include <agentflow/typed/with_graph.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>

#include <agentflow/async/gather.hpp>
#include <agentflow/async/shutdown_manager.hpp>
#include <agentflow/async/timeout.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;
using af::shutdown_status;
using Catch::Matchers::Contains;

namespace {

struct Sum {
  int n = 0;
};
AGENTFLOW_STATE(Sum, (n, af::sum))

using Graph = af::StateGraph<Sum>;
using App = af::CompiledGraph<Sum>;
using Update = af::Update<Sum>;

/// START -> a -> b -> END; each takes so long, and adds one.
App two_steps(std::chrono::nanoseconds step, const af::CompileOptions& options) {
  Graph g;
  const auto node = [step, alive = Alive()](const Sum&, af::NodeContext& ctx) -> asio::awaitable<Update> {
    static_cast<void>(alive);
    co_await ctx.sleep(step);
    co_return Update().write<&Sum::n>(1);
  };
  g.add_node("a", node).add_node("b", node);
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "END");
  return g.compile(options);
}

/// A node that no cancellation interrupts.
App stubborn(std::chrono::nanoseconds time, const af::CompileOptions& options) {
  Graph g;
  g.add_node("n", [time](const Sum&, af::NodeContext& ctx) -> asio::awaitable<Update> {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await ctx.sleep(time);
    co_return Update().write<&Sum::n>(1);
  });
  g.set_entry_point("n").add_edge("n", "END");
  return g.compile(options);
}

af::CompileOptions options(const af::testing::VirtualLoop& loop) {
  return af::CompileOptions().clock(loop.clock()).shutdown_timeout(10s);
}

asio::awaitable<void> sleep_a_while(std::chrono::nanoseconds time) { co_await af::sleep(time); }

}  // namespace

TEST_CASE("53 aclose lets runs end at their next step, and starts no more", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = two_steps(4s, options(loop));
  auto run = app.start(loop.executor(), Sum());
  loop.run(sleep_a_while(1s));
  CHECK_FALSE(app.closed());
  const auto stats = loop.run(app.aclose());
  CHECK(loop.clock()->passed() == 4s);
  CHECK(stats.runs.status == shutdown_status::completed);
  CHECK(stats.runs.completed == 1);
  CHECK(stats.runs.duration == 3s);
  CHECK(stats.total == 3s);
  CHECK(stats.background_tasks.status == shutdown_status::none);
  CHECK(stats.publisher.status == shutdown_status::none);
  CHECK(stats.clean());
  const auto result = loop.run(run.result());
  CHECK(result.status() == af::run_status::drained);
  CHECK(result->n == 1);

  CHECK(app.closed());
  try {
    auto late = app.ainvoke(Sum());
    FAIL("a closed graph runs");
  } catch (const af::graph_closed_error& e) {
    CHECK(e.code() == af::errc::graph_closed);
  }
  CHECK_THROWS_AS(app.invoke(Sum()), af::graph_closed_error);
  CHECK_THROWS_AS(app.stream(Sum()), af::graph_closed_error);
  CHECK_THROWS_AS(app.start(loop.executor(), Sum()), af::graph_closed_error);
  CHECK(loop.run(app.aclose()) == stats);
  CHECK(app.close() == stats);
}

TEST_CASE("aclose of a graph with nothing under way takes no time", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = two_steps(4s, options(loop));
  const auto before = app.astream(Sum());
  auto unbegun = app.ainvoke(Sum());
  const auto stats = loop.run(app.aclose());
  CHECK(stats.total == 0s);
  CHECK(stats.runs.status == shutdown_status::none);
  CHECK(stats.clean());
  CHECK_THROWS_AS(loop.run(std::move(unbegun)), af::graph_closed_error);  // made before, begun after
}

TEST_CASE("A run that begins too late is refused, and does not count", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = two_steps(4s, options(loop));
  auto late = app.ainvoke(Sum());
  auto run = app.start(loop.executor(), Sum());
  auto begin = [&]() -> asio::awaitable<void> {
    co_await af::sleep(1s);  // while the close waits for the other
    bool refused = false;
    try {
      co_await std::move(late);
    } catch (const af::graph_closed_error&) {
      refused = true;
    }
    CHECK(refused);
  };
  af::ShutdownStats stats;
  auto close = [&]() -> asio::awaitable<void> { stats = co_await app.aclose(); };
  loop.run(af::gather(begin(), close()));
  CHECK(stats.runs.completed == 1);
  CHECK(stats.runs.failed == 0);
  CHECK(stats.clean());
  CHECK(loop.run(run.result()).status() == af::run_status::drained);
}

TEST_CASE("aclose cancels what has not ended in time, and joins it", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = two_steps(1h, options(loop));
  std::vector<af::Run<Sum>> runs;
  for (int i = 0; i < 3; ++i) runs.push_back(app.start(loop.executor(), Sum()));
  auto awaited = [&]() -> asio::awaitable<void> {
    const auto outcome = co_await app.try_ainvoke(Sum());
    CHECK_THROWS_AS(outcome.value(), af::cancelled_error);
  };
  std::vector<asio::awaitable<void>> both;
  both.push_back(awaited());
  af::ShutdownStats stats;
  auto closer = [&]() -> asio::awaitable<void> {
    co_await af::sleep(1s);
    stats = co_await app.aclose();
  };
  both.push_back(closer());
  loop.run(af::gather(std::move(both)));
  CHECK(loop.clock()->passed() == 11s);
  CHECK(stats.runs.status == shutdown_status::cancelled);
  CHECK(stats.runs.cancelled == 4);
  CHECK(stats.deadline_exceeded);
  for (auto& run : runs) CHECK_THROWS_AS(loop.run(run.result()), af::cancelled_error);
}

TEST_CASE("A node that ignores its cancellation does not hold the close", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = stubborn(1h, options(loop));
  auto run = app.start(loop.executor(), Sum());
  loop.run(sleep_a_while(1s));
  const auto stats = loop.run(app.aclose());
  CHECK(loop.clock()->passed() > 11s);
  CHECK(loop.clock()->passed() <= 12s);
  CHECK(stats.runs.status == shutdown_status::timed_out);
  CHECK(stats.runs.abandoned == 1);
  CHECK(stats.deadline_exceeded);
  CHECK_FALSE(stats.clean());
  CHECK_THROWS_AS(loop.run(run.result()), af::cancelled_error);  // an hour later
}

TEST_CASE("A run that is part of its caller drains too", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = two_steps(4s, af::CompileOptions().clock(loop.clock()));
  auto ask = [&]() -> asio::awaitable<void> {
    const auto result = co_await app.ainvoke(Sum());
    CHECK(result.status() == af::run_status::drained);
    CHECK(result->n == 1);
  };
  auto close = [&]() -> asio::awaitable<void> {
    co_await af::sleep(1s);
    const auto stats = co_await app.aclose();
    CHECK(stats.runs.completed == 1);
  };
  loop.run(af::gather(ask(), close()));
  CHECK(loop.clock()->passed() == 4s);
}

TEST_CASE("53 all who close share one close", "[close]") {
  SECTION("on one loop") {
    af::testing::VirtualLoop loop;
    const auto app = two_steps(4s, options(loop));
    const auto copy = app;
    auto run = app.start(loop.executor(), Sum());
    loop.run(sleep_a_while(1s));
    const auto all = loop.run(af::gather(app.aclose(), copy.aclose(), app.aclose()));
    CHECK(std::get<0>(all).runs.completed == 1);
    CHECK(std::get<0>(all) == std::get<1>(all));
    CHECK(std::get<0>(all) == std::get<2>(all));
    CHECK(loop.clock()->passed() == 4s);
    CHECK(loop.run(run.result())->n == 1);
  }
  SECTION("on several threads") {
    asio::thread_pool pool(2);
    const auto app = two_steps(20ms, af::CompileOptions().shutdown_timeout(10s));
    std::vector<af::Run<Sum>> runs;
    for (int i = 0; i < 20; ++i) runs.push_back(app.start(pool.get_executor(), Sum()));
    std::vector<af::ShutdownStats> stats(4);
    std::vector<std::thread> threads;
    for (auto& s : stats) threads.emplace_back([&] { s = app.close(); });
    for (auto& t : threads) t.join();
    for (const auto& s : stats) CHECK(s == stats.front());
    CHECK(stats.front().clean());
    CHECK(app.closed());
    pool.join();
  }
}

TEST_CASE("A cancelled aclose goes on, without patience", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = two_steps(1h, options(loop));
  auto run = app.start(loop.executor(), Sum());
  loop.run(sleep_a_while(1s));
  CHECK_THROWS_AS(loop.run(af::timeout(app.aclose(), 2s)), af::timeout_error);
  CHECK(loop.clock()->passed() == 3s);
  const auto stats = loop.run(app.aclose());
  CHECK(loop.clock()->passed() == 3s);
  CHECK(stats.runs.cancelled == 1);
  CHECK_FALSE(stats.deadline_exceeded);
  CHECK_THROWS_AS(loop.run(run.result()), af::cancelled_error);
}

TEST_CASE("A close whose event loop is destroyed is taken over", "[close]") {
  bool abandoned = true;
  for (std::uint64_t k = 0; abandoned; ++k) {
    INFO("destroyed after " << k << " handlers");
    auto clock = std::make_shared<af::testing::VirtualClock>();
    af::testing::VirtualLoop second(clock);
    const auto app = two_steps(4s, af::CompileOptions().clock(clock).shutdown_timeout(10s));
    auto run = app.start(second.executor(), Sum());
    {
      af::testing::VirtualLoop first(clock);
      first.stop_after(k);
      abandoned = false;
      try {
        first.run(app.aclose());  // whose run cannot end meanwhile: its loop stands still
      } catch (const af::testing::abandoned_error&) {
        abandoned = true;
      }
    }
    const auto stats = second.run(app.aclose());
    if (k < 3) CHECK(stats.runs.completed == 1);  // else the first has left it behind by then
    CHECK(stats.runs.completed + stats.runs.cancelled + stats.runs.abandoned == 1);
  }
}

TEST_CASE("36 a close that comes after the second signal has no patience", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = two_steps(1h, options(loop));
  auto run = app.start(loop.executor(), Sum());
  af::GracefulShutdownManager manager(loop.executor());
  manager.register_signal_handlers();
  std::raise(SIGTERM);
  std::raise(SIGINT);
  while (manager.stage() != af::shutdown_stage::cancelling) std::this_thread::yield();
  CHECK_THROWS_AS(loop.run(manager.run_until_cancelled(sleep_a_while(1s))), af::shutdown_requested_error);
  const auto stats = loop.run(manager.close_until_cancelled(app.aclose()));
  CHECK(loop.clock()->passed() == 0s);
  CHECK(stats.runs.cancelled == 1);
  CHECK_FALSE(stats.deadline_exceeded);
  CHECK_THROWS_AS(loop.run(run.result()), af::cancelled_error);
}

TEST_CASE("36 a close is begun even if whoever asks for it was cancelled before", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = two_steps(1h, options(loop));
  auto run = app.start(loop.executor(), Sum());
  af::GracefulShutdownManager manager(loop.executor());
  asio::cancellation_signal signal;
  std::optional<af::ShutdownStats> stats;
  const auto body = [&]() -> asio::awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    signal.emit(asio::cancellation_type::terminal);
    auto closing = manager.close_until_cancelled(app.aclose());
    stats = co_await std::move(closing);
  };
  std::exception_ptr failure;
  auto over = [&](std::exception_ptr e) { failure = std::move(e); };
  asio::co_spawn(loop.executor(), body(), asio::bind_cancellation_slot(signal.slot(), std::move(over)));
  CHECK_THROWS_AS(loop.run(run.result()), af::cancelled_error);
  loop.run(sleep_a_while(1s));
  CHECK(failure == nullptr);
  REQUIRE(stats);
  CHECK(stats->runs.cancelled == 1);
  CHECK(app.closed());
}

TEST_CASE("close is refused where it would block a loop, and works in a blocking node", "[close]") {
  const auto app = two_steps(1ms, {});
  on_loop([&]() -> asio::awaitable<void> {
    co_await give_way();
    CHECK_THROWS_AS(app.close(), af::nested_loop_error);
    CHECK_FALSE(app.closed());
  });
  Graph g;
  g.add_node("n", af::blocking([&](const Sum&) { CHECK(app.close().clean()); }));
  g.set_entry_point("n").add_edge("n", "END");
  g.compile().invoke(Sum());
  CHECK(app.closed());
}

TEST_CASE("13 with_graph closes the graph whatever happens", "[close]") {
  af::testing::VirtualLoop loop;
  const auto app = two_steps(4s, options(loop));
  SECTION("success, with the statistics") {
    auto body = [&](App& graph) -> asio::awaitable<void> {
      const auto result = co_await graph.ainvoke(Sum());
      CHECK(result->n == 2);
      CHECK_FALSE(graph.closed());
    };
    const af::ShutdownStats stats = loop.run(af::with_graph(app, body));
    CHECK(stats.clean());
  }
  SECTION("success, with a value") {
    auto body = [&](App& graph) -> asio::awaitable<int> {
      const auto result = co_await graph.ainvoke(Sum());
      co_return result->n;
    };
    const auto both = loop.run(af::with_graph(app, body));
    CHECK(both.first == 2);
    CHECK(both.second.clean());
  }
  SECTION("an exception, thrown after the close, with a run under way") {
    std::optional<af::Run<Sum>> run;
    auto body = [&](App& graph) -> asio::awaitable<void> {
      run.emplace(graph.start(loop.executor(), Sum()));
      co_await af::sleep(1s);
      throw std::runtime_error("the body's own");
    };
    CHECK_THROWS_WITH(loop.run(af::with_graph(app, body)), "the body's own");
    CHECK(run->done());
    CHECK(loop.clock()->passed() == 4s);
  }
  SECTION("a cancellation, after which it drains as ever") {
    auto body = [&](App& graph) -> asio::awaitable<void> {
      auto run = graph.start(loop.executor(), Sum());
      auto behind = [](af::Run<Sum> r) -> asio::awaitable<void> {
        const auto result = co_await r.result();
        CHECK(result.status() == af::run_status::drained);
      };
      auto work = behind(std::move(run));
      co_await af::gather(std::move(work), af::sleep(1h));
    };
    CHECK_THROWS_AS(loop.run(af::timeout(af::with_graph(app, body), 1s)), af::timeout_error);
  }
  CHECK(app.closed());
}

TEST_CASE("with_graph leaves nothing behind at any point", "[close]") {
  const auto make = []() -> asio::awaitable<void> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    const auto app = two_steps(4s, af::CompileOptions().clock(af::clock_of(ex)).shutdown_timeout(10s));
    std::optional<af::Run<Sum>> run;
    auto body = [&](App& graph) -> asio::awaitable<void> {
      run.emplace(graph.start(ex, Sum()));
      co_await af::sleep(1s);
    };
    co_await af::with_graph(app, body);
    if (!run->done()) throw std::logic_error("a run outlived its graph");
  };
  CHECK(disturb_everywhere(make) > 5);
}

TEST_CASE("A close that waits for another does not wait for ever", "[close]") {
  const auto app = two_steps(1h, af::CompileOptions().shutdown_timeout(50ms));
  asio::io_context stands_still;
  const auto run = app.start(stands_still.get_executor(), Sum());
  asio::co_spawn(stands_still, app.aclose(), [](const std::exception_ptr&, const af::ShutdownStats&) {});
  stands_still.poll();
  CHECK(app.closed());  // the close has begun, and waits for the run
  const auto stats = app.close();
  CHECK(stats.deadline_exceeded);
  CHECK_FALSE(stats.clean());
}
