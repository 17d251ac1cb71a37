// SPDX-License-Identifier: MIT
// Limits of a run: how many nodes at once, how many steps, and what a run's context gives its nodes.
#include <agentflow/run/options.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include <agentflow/testing/virtual_time.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::NodeContext;
using af::RunConfig;
using af::testing::VirtualLoop;
using Catch::Matchers::Contains;
using std::chrono::seconds;

namespace {

struct Work {
  int n = 0;
};
AGENTFLOW_STATE(Work, (n, af::sum))

using Graph = af::StateGraph<Work>;
using Update = af::Update<Work>;

Update one() { return Update().write<&Work::n>(1); }

/// Counts how many of its nodes are under way, and how many were at most.
class Gauge {
 public:
  void enter() {
    const int now = ++active_;
    int most = most_.load();
    while (now > most && !most_.compare_exchange_weak(most, now)) {
    }
  }
  void leave() { --active_; }
  int most() const { return most_; }
  int active() const { return active_; }

 private:
  std::atomic<int> active_{0}, most_{0};
};

/// A node that takes a second of the graph's time.
auto second(Gauge& gauge) {
  return [&gauge](const Work&, NodeContext& ctx) -> asio::awaitable<Update> {
    gauge.enter();
    co_await ctx.sleep(seconds(1));
    gauge.leave();
    co_return one();
  };
}
template <class F>
Graph fan(int width, F fn, af::NodeOptions options = {}) {
  Graph g;
  for (int i = 0; i < width; ++i) {
    const auto name = "n" + std::to_string(i);
    g.add_node(name, fn, options).set_entry_point(name).add_edge(name, "END");
  }
  return g;
}
/// A loop of `steps` steps that then ends.
Graph loop_of(int steps) {
  Graph g;
  g.add_node("loop", [](const Work&) { return one(); }).set_entry_point("loop");
  g.add_conditional_edges("loop", [steps](const Work& s) { return s.n < steps ? "loop" : "END"; }, {"loop", "END"});
  return g;
}

}  // namespace

TEST_CASE("max_concurrency is reached and never passed", "[limits]") {
  for (const int limit : {0, 1, 2, 3, 7, 10, 100}) {
    VirtualLoop loop;
    Gauge gauge;
    const auto app = fan(10, second(gauge)).compile(af::CompileOptions().clock(loop.clock()));
    const auto result = loop.run(app.ainvoke(Work(), RunConfig().max_concurrency(static_cast<std::size_t>(limit))));
    const int at_once = limit == 0 ? 10 : std::min(limit, 10);
    CHECK(result->n == 10);
    CHECK(gauge.most() == at_once);
    CHECK(gauge.active() == 0);
    CHECK(loop.clock()->passed() == seconds((10 + at_once - 1) / at_once));
  }
}

TEST_CASE("max_concurrency counts every kind of node, and retries as one", "[limits]") {
  VirtualLoop loop;
  loop.wait_for_threads(seconds(20));
  Gauge gauge;
  asio::thread_pool pool(4);
  const auto brief = [&gauge](const Work&) {
    gauge.enter();
    gauge.leave();
    return one();
  };
  const auto flaky = [&gauge](const Work&, NodeContext& ctx) {
    gauge.enter();
    gauge.leave();
    if (ctx.attempt() < 3) throw std::runtime_error("no");
    return one();
  };
  Graph g = fan(3, second(gauge));
  g.add_node("plain", brief).add_node("blocking", af::blocking(brief));
  g.add_node("elsewhere", brief, af::NodeOptions().executor(pool.get_executor()));
  g.add_node("flaky", flaky, af::NodeOptions().retry(af::RetryPolicy()));
  Graph inner;
  inner.add_node("in", second(gauge)).set_entry_point("in").add_edge("in", "END");
  g.add_node("sub", inner.compile());
  for (const auto* n : {"plain", "blocking", "elsewhere", "flaky", "sub"}) g.set_entry_point(n).add_edge(n, "END");
  const auto app = g.compile(af::CompileOptions().clock(loop.clock()));
  for (const std::size_t limit : {1u, 2u}) {
    CHECK(loop.run(app.ainvoke(Work(), RunConfig().max_concurrency(limit)))->n == 8);
    CHECK(gauge.most() == static_cast<int>(limit));
  }
  pool.join();
}

TEST_CASE("max_concurrency of one keeps the declared order", "[limits]") {
  std::string order;
  const auto note = [&order](const Work&, NodeContext& ctx) -> asio::awaitable<void> {
    order += ctx.node() + "( ";
    co_await give_way(2);
    order += ctx.node() + ") ";
  };
  const auto app = fan(3, note).compile();
  on_loop([&] { return app.ainvoke(Work(), RunConfig().max_concurrency(1)); });
  CHECK(order == "n0( n0) n1( n1) n2( n2) ");
}

TEST_CASE("Ending exactly at the recursion limit is success", "[limits]") {
  const auto app = loop_of(25).compile();
  CHECK(app.invoke(Work()).steps() == 25);
  CHECK(loop_of(7).compile().invoke(Work(), RunConfig().recursion_limit(7)).steps() == 7);
  try {
    loop_of(26).compile().invoke(Work(), RunConfig().thread_id("t"));
    FAIL("no recursion_error");
  } catch (const af::recursion_error& e) {
    CHECK(e.code() == af::errc::recursion_limit);
    CHECK(e.limit() == 25);
    CHECK(e.context().node() == "loop");
    CHECK(e.context().step() == 25);
    CHECK(e.context().thread_id() == "t");
    CHECK_FALSE(e.context().run_id().empty());
    CHECK_THAT(e.message(), Contains("25") && Contains("recursion_limit"));
  }
  CHECK_THROWS_AS(loop_of(8).compile().invoke(Work(), RunConfig().recursion_limit(7)), af::recursion_error);
  CHECK_THROWS_AS(on_loop([&] { return loop_of(8).compile().ainvoke(Work(), RunConfig().recursion_limit(7)); }),
                  af::recursion_error);
}

TEST_CASE("Steps are counted, not nodes", "[limits]") {
  const auto app = fan(50, [](const Work&) { return one(); }).compile();
  CHECK(app.invoke(Work(), RunConfig().recursion_limit(1))->n == 50);
}

TEST_CASE("A context says where a node is, and reaches the application's own object", "[limits]") {
  struct Services {
    int calls = 0;
  };
  const auto services = std::make_shared<Services>();
  std::vector<std::string> seen;
  af::RunId run_id;
  Graph g;
  const auto note = [&](const Work&, NodeContext& ctx) {
    ++ctx.user<Services>().calls;
    run_id = ctx.run_id();
    seen.push_back(ctx.node() + " " + std::to_string(ctx.step()) + " " + std::to_string(ctx.task()) + " " +
                   std::to_string(ctx.attempt()) + " " + ctx.thread_id() + " " + ctx.path());
    CHECK_FALSE(ctx.stop_requested());
    CHECK_FALSE(ctx.cancelled());
    CHECK_NOTHROW(ctx.throw_if_cancelled());
    ctx.log(af::log_level::error, "to nobody");
  };
  g.add_node("a", note).add_node("b", note).add_node("c", note);
  g.set_entry_point("a").add_edge("a", "b").add_edge("a", "c").add_edge("b", "END").add_edge("c", "END");
  const auto app = g.compile();
  const auto result = app.invoke(Work(), RunConfig().thread_id("alice").context(services));
  CHECK(seen == std::vector<std::string>{"a 1 0 1 alice ", "b 2 0 1 alice ", "c 2 1 1 alice "});
  CHECK(services->calls == 3);
  CHECK(run_id == result.run_id());

  const auto fails = [&](const RunConfig& config) {
    try {
      app.invoke(Work(), config);
    } catch (const af::node_error& e) {
      try {
        std::rethrow_exception(e.cause());
      } catch (const af::config_error& c) {
        CHECK(c.code() == af::errc::bad_context);
        return true;
      }
    }
    return false;
  };
  CHECK(fails(RunConfig()));
  CHECK(fails(RunConfig().context(std::make_shared<int>(1))));
  CHECK(fails(RunConfig().context(std::shared_ptr<Services>())));
}

TEST_CASE("Time in a node is the graph's", "[limits]") {
  VirtualLoop loop;
  Graph g;
  g.add_node("n", [&](const Work&, NodeContext& ctx) -> asio::awaitable<Update> {
    const auto before = ctx.clock().now();
    co_await ctx.sleep(std::chrono::hours(24 * 365));
    CHECK(ctx.clock().now() - before == std::chrono::hours(24 * 365));
    co_await ctx.sleep(seconds(-5));  // at once
    co_await ctx.sleep(seconds(0));
    CHECK(ctx.clock().now() - before == std::chrono::hours(24 * 365));
    co_return one();
  });
  g.set_entry_point("n").add_edge("n", "END");
  const auto app = g.compile(af::CompileOptions().clock(loop.clock()));
  CHECK(loop.run(app.ainvoke(Work()))->n == 1);
}

TEST_CASE("A run's time begins with the run, not with what was made to begin it", "[limits]") {
  VirtualLoop loop;
  Gauge gauge;
  const auto app = fan(2, second(gauge)).compile(af::CompileOptions().clock(loop.clock()));
  const auto config = RunConfig().timeout(seconds(5));
  auto awaited = app.ainvoke(Work(), config);
  auto streamed = app.astream(Work(), config);
  loop.clock()->advance(seconds(60));
  CHECK(loop.run(std::move(awaited))->n == 2);
  CHECK(loop.run(streamed.result())->n == 2);
  Graph plain;
  plain.add_node("n", [](const Work&) { return one(); }).set_entry_point("n").add_edge("n", "END");
  const auto quick = plain.compile(af::CompileOptions().clock(loop.clock()));
  auto later = quick.ainvoke(Work(), config);
  loop.clock()->advance(seconds(60));
  CHECK(loop.run(std::move(later))->n == 1);
}

TEST_CASE("A limit of for ever is none", "[limits]") {
  VirtualLoop loop;
  loop.clock()->advance(seconds(60));
  Gauge gauge;
  constexpr auto for_ever = std::chrono::nanoseconds::max();
  const auto limits = af::NodeOptions().timeout(for_ever).idle_timeout(for_ever);
  const auto app = fan(2, second(gauge), limits).compile(af::CompileOptions().clock(loop.clock()));
  CHECK(loop.run(app.ainvoke(Work(), RunConfig().timeout(for_ever)))->n == 2);
}

TEST_CASE("A timer that fires as its subgraph ends finds it gone", "[limits]") {
  // The node is late, its handler answers, and the subgraph is over in the same handler that the timer waits behind.
  asio::thread_pool pool(2);
  Graph sub;
  const auto late = [](const Work&) -> Update {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(4);
    while (std::chrono::steady_clock::now() < end) {
    }
    return one();
  };
  sub.add_node("late", late, af::NodeOptions().timeout(std::chrono::milliseconds(1)));
  sub.on_error("late", [](const Work&, const af::error&) { return one(); });
  const auto inner = sub.set_entry_point("late").add_edge("late", "END").compile();
  Graph g;
  g.add_node("sub", inner).set_entry_point("sub").add_edge("sub", "END");
  const auto app = g.compile();
  for (int i = 0; i < 50; ++i) {
    auto run = app.start(pool.get_executor(), Work());
    CHECK(on_loop([&] { return run.result(); })->n == 1);
  }
  pool.join();
}

TEST_CASE("A node sees that it is cancelled, whatever kind it is and wherever it stands", "[limits]") {
  asio::io_context io;
  std::optional<af::Run<Work>> run;
  std::atomic<bool> saw{false};
  Graph sub;
  SECTION("a coroutine alone in its step, in a subgraph, that ignores what its waits throw") {
    sub.add_node("n", [&saw](const Work&, NodeContext& ctx) -> asio::awaitable<void> {
      for (int i = 0; i < 1000 && !ctx.cancelled(); ++i) {
        try {
          co_await ctx.sleep(std::chrono::hours(1));
        } catch (const af::cancelled_error&) {
        }
      }
      saw = ctx.cancelled();
    });
  }
  SECTION("a plain function") {
    sub.add_node("n", [&](const Work&, NodeContext& ctx) {
      run->cancel();
      saw = ctx.cancelled();
    });
  }
  sub.set_entry_point("n").add_edge("n", "END");
  Graph g;
  g.add_node("sub", sub.compile()).set_entry_point("sub").add_edge("sub", "END");
  run = g.compile().start(io.get_executor(), Work());
  asio::post(io, [&] { asio::post(io, [&] { run->cancel(); }); });
  io.run();
  CHECK(saw);
  CHECK(run->done());
}

TEST_CASE("A blocking function whose event loop is destroyed sees that it is cancelled", "[limits]") {
  std::atomic<bool> begun{false}, saw{false}, refused{false}, ended{false};
  Graph g;
  g.add_node("n", af::blocking([&](const Work&, NodeContext& ctx) {
               begun = true;
               while (!ctx.cancelled()) std::this_thread::yield();
               saw = true;
               try {
                 ctx.background("late", give_way());
               } catch (const af::cancelled_error&) {
                 refused = true;
               }
               ended = true;
             }));
  g.set_entry_point("n").add_edge("n", "END");
  {
    const auto app = g.compile();
    asio::io_context io(1);
    asio::co_spawn(io, app.ainvoke(Work()), [](const std::exception_ptr&, const af::RunResult<Work>&) {});
    while (!begun) io.poll_one();
  }
  const auto limit = std::chrono::steady_clock::now() + seconds(20);
  while (!ended && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  CHECK(saw);
  CHECK(refused);
}
