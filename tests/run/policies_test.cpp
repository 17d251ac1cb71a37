// SPDX-License-Identifier: MIT
// Policies at work: retries, limits in time, error handlers, concurrency and recursion limits.
#include <agentflow/run/options.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/testing/virtual_time.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::NodeContext;
using af::NodeOptions;
using af::RetryPolicy;
using af::RunConfig;
using af::testing::VirtualLoop;
using Catch::Matchers::Contains;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

struct Log {
  std::string log;
  int n = 0;
};
AGENTFLOW_STATE(Log, (log, af::append), (n, af::sum))

using Graph = af::StateGraph<Log>;
using Update = af::Update<Log>;

Update wrote(std::string text) { return Update().write<&Log::log>(std::move(text)); }

template <class F>
Graph single(F fn, NodeOptions options = {}) {
  Graph g;
  return g.add_node("n", std::move(fn), std::move(options)).set_entry_point("n").add_edge("n", "END");
}
Log run(VirtualLoop& loop, const Graph& g, const RunConfig& config = {}) {
  return loop.run(g.compile(af::CompileOptions().clock(loop.clock())).ainvoke(Log(), config)).state;
}
/// A node that fails `failures` times and writes when each attempt was, in ms.
auto flaky(int failures) {
  return [failures, start = std::optional<af::Clock::time_point>(), times = std::string()](const Log&,
                                                                                           NodeContext& ctx) mutable {
    if (ctx.attempt() == 1) {
      start = ctx.clock().now();
      times.clear();
    }
    times += std::to_string(std::chrono::duration_cast<milliseconds>(ctx.clock().now() - *start).count()) + " ";
    if (ctx.attempt() <= failures) throw std::runtime_error("attempt " + std::to_string(ctx.attempt()));
    return wrote(times);
  };
}
RetryPolicy exact() { return RetryPolicy().jitter(0).backoff(milliseconds(100)); }

/// A plain function that takes so long, whatever happens, unless it looks for its cancellation.
template <class Until>
void busy_until(const Until& until) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  while (!until()) never.wait_for(lock, milliseconds(1));
}

}  // namespace

TEST_CASE("A retry waits longer each time, up to its cap", "[policies]") {
  VirtualLoop loop;
  CHECK(run(loop, single(flaky(3), NodeOptions().retry(exact().attempts(4)))).log == "0 100 300 700 ");
  CHECK(run(loop, single(flaky(4), NodeOptions().retry(exact().attempts(5).factor(3).cap(milliseconds(500))))).log ==
        "0 100 400 900 1400 ");
  CHECK(run(loop, single(flaky(2), NodeOptions().retry(exact().factor(1)))).log == "0 100 200 ");
  CHECK(run(loop, single(flaky(2), NodeOptions().retry(exact().backoff(seconds(0))))).log == "0 0 0 ");
  CHECK(run(loop, single(flaky(1), NodeOptions().retry(exact().backoff(seconds(9)).cap(milliseconds(50))))).log ==
        "0 50 ");
}

TEST_CASE("Jitter shortens a wait by up to its part", "[policies]") {
  VirtualLoop loop;
  const auto app = single(flaky(1), NodeOptions().retry(RetryPolicy().backoff(seconds(10)).jitter(0.5)))
                       .compile(af::CompileOptions().clock(loop.clock()));
  std::vector<long> waits;
  for (int i = 0; i < 40; ++i) waits.push_back(std::stol(loop.run(app.ainvoke(Log()))->log.substr(2)));
  const auto [least, most] = std::minmax_element(waits.begin(), waits.end());
  CHECK(*least >= 5000);
  CHECK(*most <= 10000);
  CHECK(*most - *least > 1000);  // not the same each time
}

TEST_CASE("After the last attempt its error is the run's", "[policies]") {
  VirtualLoop loop;
  try {
    run(loop, single(flaky(9), NodeOptions().retry(exact().attempts(3))));
    FAIL("no error");
  } catch (const af::node_error& e) {
    CHECK(e.context().attempt() == 3);
    CHECK_THROWS_WITH(std::rethrow_exception(e.cause()), "attempt 3");
  }
  CHECK(loop.clock()->passed() == milliseconds(300));
}

TEST_CASE("A predicate says what is worth another attempt", "[policies]") {
  VirtualLoop loop;
  int asked = 0;
  const auto policy = exact().attempts(10).when([&](const std::exception_ptr& e) {
    ++asked;
    try {
      std::rethrow_exception(e);
    } catch (const std::runtime_error& x) {
      return std::string(x.what()) != "attempt 3";
    }
    return false;
  });
  CHECK_THROWS_AS(run(loop, single(flaky(9), NodeOptions().retry(policy))), af::node_error);
  CHECK(asked == 3);
}

TEST_CASE("A predicate may take the type of exception that it judges", "[policies]") {
  struct Busy : std::runtime_error {
    explicit Busy(int n) : std::runtime_error("busy"), after(n) {}
    int after;
  };
  const auto attempts = [](RetryPolicy policy, auto raise) {
    VirtualLoop loop;
    int n = 0;
    const auto node = [&](const Log&) {
      ++n;
      raise(n);
    };
    CHECK_THROWS_AS(run(loop, single(node, NodeOptions().retry(std::move(policy)))), af::node_error);
    return n;
  };
  const auto busy = [](int n) { throw Busy(n); };
  const auto other = [](int) { throw std::logic_error("wrong"); };
  const auto number = [](int) { throw 42; };
  const auto by_type = exact().attempts(5).when([](const Busy& e) { return e.after < 3; });
  CHECK(attempts(by_type, busy) == 3);
  CHECK(attempts(by_type, other) == 1);
  CHECK(attempts(by_type, number) == 1);
  const auto by_base =
      exact().attempts(5).when([](const std::exception& e) { return e.what() == std::string("busy"); });
  CHECK(attempts(by_base, busy) == 5);
  CHECK(attempts(by_base, other) == 1);
  const auto ours = exact().attempts(4).when([](const af::error& e) { return e.code() == af::errc::bad_config; });
  CHECK(attempts(ours, [](int) { throw af::config_error(af::errc::bad_config, "later"); }) == 4);
  CHECK(attempts(exact().attempts(4).when([](const auto&) { return true; }), number) == 4);
}

TEST_CASE("Each attempt starts from the same state, and a failed one leaves nothing", "[policies]") {
  for (const bool async : {false, true}) {
    VirtualLoop loop;
    const auto work = [](Log s, int attempt) {
      CHECK(s.log.empty());
      CHECK(s.n == 0);
      s.log = "attempt " + std::to_string(attempt);
      s.n += attempt;
      if (attempt < 3) throw std::runtime_error("no");
      return s;
    };
    const auto options = NodeOptions().retry(exact());
    const auto result =
        async
            ? run(loop, single(
                            [work](Log s, NodeContext& ctx) -> asio::awaitable<Log> {
                              co_await give_way();
                              co_return work(std::move(s), ctx.attempt());
                            },
                            options))
            : run(loop, single([work](Log s, NodeContext& ctx) { return work(std::move(s), ctx.attempt()); }, options));
    CHECK(result.log == "attempt 3");
    CHECK(result.n == 3);
  }
}

TEST_CASE("A cancellation ends a back-off at once, and is not retried", "[policies]") {
  VirtualLoop loop;
  int attempts = 0;
  Graph g = single(
      [&](const Log&) {
        ++attempts;
        throw std::runtime_error("no");
      },
      NodeOptions().retry(exact().attempts(100).backoff(std::chrono::hours(1)).cap(std::chrono::hours(1))));
  g.add_node("other", [](const Log&, NodeContext& ctx) -> asio::awaitable<void> {
    co_await ctx.sleep(seconds(5));
    throw std::runtime_error("other");
  });
  g.set_entry_point("other").add_edge("other", "END");
  CHECK_THROWS_AS(run(loop, g), af::node_error);
  CHECK(attempts == 1);
  CHECK(loop.clock()->passed() == seconds(5));
}

TEST_CASE("A node past its timeout is cancelled and fails with the limit", "[policies]") {
  VirtualLoop loop;
  bool unwound = false;
  const auto slow = [&](const Log&, NodeContext& ctx) -> asio::awaitable<void> {
    struct Unwind {
      bool& flag;
      ~Unwind() { flag = true; }
    } unwind{unwound};
    co_await ctx.sleep(seconds(60));
  };
  for (const bool beside : {false, true}) {
    Graph g = single(slow, NodeOptions().timeout(seconds(2)).idle_timeout(seconds(30)));
    if (beside) g.add_node("m", slow).set_entry_point("m").add_edge("m", "END");
    const auto before = loop.clock()->passed();
    try {
      unwound = false;
      run(loop, g, RunConfig().thread_id("t"));
      FAIL("no timeout_error");
    } catch (const af::timeout_error& e) {
      CHECK(e.code() == af::errc::node_timeout);
      CHECK(e.limit() == seconds(2));
      CHECK(e.context().node() == "n");
      CHECK(e.context().step() == 1);
      CHECK(e.context().thread_id() == "t");
      CHECK_THAT(e.message(), Contains("'n'") && Contains("timeout") && !Contains("idle"));
    }
    CHECK(unwound);  // joined before it is reported
    CHECK(loop.clock()->passed() - before == seconds(2));
  }
}

TEST_CASE("An idle timeout is put off by events and heartbeats", "[policies]") {
  VirtualLoop loop;
  const auto signs = [](int kind) {
    return single(
        [kind](const Log&, NodeContext& ctx) -> asio::awaitable<Update> {
          for (int i = 0; i < 5; ++i) {
            co_await ctx.sleep(milliseconds(900));
            auto null = af::JsonValue();
            if (kind == 0) ctx.heartbeat();
            if (kind == 1) ctx.write(std::move(null));
            if (kind == 2) co_await ctx.emit_token("t");
          }
          co_return wrote("alive");
        },
        NodeOptions().idle_timeout(seconds(1)));
  };
  for (int kind = 0; kind < 3; ++kind) CHECK(run(loop, signs(kind)).log == "alive");
  const auto before = loop.clock()->passed();
  try {
    run(loop, signs(3));
    FAIL("no timeout_error");
  } catch (const af::timeout_error& e) {
    CHECK(e.limit() == seconds(1));
    CHECK_THAT(e.message(), Contains("idle"));
  }
  CHECK(loop.clock()->passed() - before == seconds(1));
}

TEST_CASE("A subgraph is alive as long as its nodes are", "[policies]") {
  VirtualLoop loop;
  Graph inner = single([](const Log&, NodeContext& ctx) -> asio::awaitable<Update> {
    for (int i = 0; i < 5; ++i) {
      co_await ctx.sleep(milliseconds(900));
      ctx.heartbeat();
    }
    co_return wrote("alive");
  });
  Graph outer;
  outer.add_node("sub", inner.compile(), NodeOptions().idle_timeout(seconds(1)))
      .set_entry_point("sub")
      .add_edge("sub", "END");
  CHECK(run(loop, outer).log == "alive");
}

TEST_CASE("A timeout is retried and handled like any failure", "[policies]") {
  VirtualLoop loop;
  const auto slow_at_first = [](const Log&, NodeContext& ctx) -> asio::awaitable<Update> {
    if (ctx.attempt() < 3) co_await ctx.sleep(std::chrono::hours(1));
    co_return wrote("attempt " + std::to_string(ctx.attempt()));
  };
  const auto options = NodeOptions().timeout(seconds(1)).retry(exact());
  CHECK(run(loop, single(slow_at_first, options)).log == "attempt 3");
  CHECK(loop.clock()->passed() == milliseconds(2300));  // two timeouts, two waits
  Graph g = single(slow_at_first, NodeOptions().timeout(seconds(1)));
  g.on_error("n", [](const Log&, const af::error& e) { return wrote(std::string(af::code_name(e.code()))); });
  CHECK(run(loop, g).log == "NODE_002");
}

TEST_CASE("A blocking node that ignores its cancellation is waited for, and late all the same", "[policies]") {
  std::atomic<bool> saw_cancel{false};
  const auto start = std::chrono::steady_clock::now();
  const auto since = [&] { return std::chrono::steady_clock::now() - start; };
  SECTION("ignoring") {
    Graph g = single(af::blocking([&](const Log&) { busy_until([&] { return since() > milliseconds(30); }); }),
                     NodeOptions().timeout(milliseconds(5)));
    CHECK_THROWS_AS(g.compile().invoke(Log()), af::timeout_error);
    CHECK(since() >= milliseconds(30));
  }
  SECTION("looking") {
    Graph g = single(af::blocking([&](const Log&, NodeContext& ctx) {
                       busy_until([&] { return ctx.cancelled() || since() > seconds(10); });
                       saw_cancel = ctx.cancelled();
                       ctx.throw_if_cancelled();
                     }),
                     NodeOptions().timeout(milliseconds(5)));
    CHECK_THROWS_AS(g.compile().invoke(Log()), af::timeout_error);
    CHECK(saw_cancel);
    CHECK(since() < seconds(10));
  }
  SECTION("retried") {
    Graph g = single(af::blocking([&](const Log&, NodeContext& ctx) {
                       if (ctx.attempt() == 1) busy_until([&] { return ctx.cancelled(); });
                       return wrote(ctx.cancelled() ? "cancelled" : "fresh");
                     }),
                     NodeOptions().timeout(milliseconds(100)).retry(RetryPolicy().attempts(20).backoff(seconds(0))));
    CHECK(g.compile().invoke(Log())->log == "fresh");
  }
}

TEST_CASE("A plain function is late when it is over", "[policies]") {
  VirtualLoop loop;
  const auto slow = [&](const Log&) { loop.clock()->advance(seconds(3)); };
  CHECK_THROWS_AS(run(loop, single(slow, NodeOptions().timeout(seconds(2)))), af::timeout_error);
  CHECK_THROWS_AS(run(loop, single(slow, NodeOptions().idle_timeout(seconds(2)))), af::timeout_error);
  CHECK_NOTHROW(run(loop, single(slow, NodeOptions().timeout(seconds(3)).idle_timeout(seconds(3)))));
}

TEST_CASE("A run has a limit in time of its own", "[policies]") {
  VirtualLoop loop;
  const auto nap = [](const Log&, NodeContext& ctx) -> asio::awaitable<void> { co_await ctx.sleep(milliseconds(400)); };
  Graph g = single(nap);
  g.add_node("m", nap).add_edge("n", "m").add_node("o", nap).add_edge("m", "o").add_edge("o", "END");
  const auto expect_timeout = [&](const Graph& graph) {
    try {
      run(loop, graph, RunConfig().timeout(seconds(1)).thread_id("t"));
      FAIL_CHECK("no timeout_error");
    } catch (const af::timeout_error& e) {
      CHECK(e.limit() == seconds(1));
      CHECK(e.context().thread_id() == "t");
      CHECK_THAT(e.message(), Contains("run"));
    }
  };
  expect_timeout(g);
  CHECK(loop.clock()->passed() == seconds(1));
  CHECK_NOTHROW(run(loop, g, RunConfig().timeout(milliseconds(1201))));
  expect_timeout(single([&](const Log&) { loop.clock()->advance(seconds(2)); }));  // even if nothing could interrupt it
  Graph handled = g;
  handled.on_error([](const Log& s, const af::error&) { return s; });
  expect_timeout(handled);  // no node's handler may hide it
}

TEST_CASE("An error handler gives the failed node's result in its place", "[policies]") {
  for (const bool async : {false, true}) {
    const auto graph = [&] {
      Graph g = async ? single([](const Log&) -> asio::awaitable<void> {
        co_await give_way();
        throw std::runtime_error("broken");
      })
                      : single([](Log s) -> Log {
                          s.log = "lost";
                          throw std::runtime_error("broken");
                        });
      g.add_node("next", [](const Log&) { return wrote("next"); }).add_edge("n", "next").add_edge("next", "END");
      return g;
    };
    const auto result_of = [](const Graph& g) { return g.compile().invoke(Log())->log; };
    Graph g = graph();
    std::string seen;
    g.on_error("n", [&seen](Log s, const af::error& e) {
      seen = af::describe(e);
      s.log += "handled ";
      return s;
    });
    CHECK(result_of(g) == "handled next");
    CHECK_THAT(seen, Contains("NODE_001") && Contains("node=n") && Contains("caused by: broken"));
    CHECK(result_of(graph().on_error([](const Log&, const af::error&) { return wrote("default "); })) ==
          "default next");
    CHECK(result_of(graph().on_error([](Log, const af::error&) {})) == "next");
    CHECK(result_of(graph()
                        .on_error([](Log, const af::error&) { return wrote("wrong"); })
                        .on_error("n", [](Log, const af::error&) { return wrote("own "); })) == "own next");
    CHECK(result_of(graph().on_error("n", [](Log, const af::error&) {
            return af::Command<Log>().update(wrote("jump")).go_to("END");
          })) == "jump");
    CHECK(result_of(graph().on_error("next", [](Log, const af::error&) {}).on_error([](Log, const af::error&) {
            return wrote("d ");
          })) == "d next");
    try {
      result_of(graph().on_error([](Log, const af::error&) { throw std::logic_error("worse"); }));
      FAIL_CHECK("no error");
    } catch (const af::node_error& e) {
      CHECK_THAT(af::describe(e), Contains("worse"));
    }
  }
}
