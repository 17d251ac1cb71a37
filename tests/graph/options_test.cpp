// SPDX-License-Identifier: MIT
// NodeOptions and RetryPolicy: values, defaults, and how a node's own options and the graph's combine.
#include <agentflow/graph/options.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/thread_pool.hpp>

#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::NodeOptions;
using af::RetryPolicy;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct Count {
  int n = 0;
};
AGENTFLOW_STATE(Count, (n, af::sum))

using Graph = af::StateGraph<Count>;
using Update = af::Update<Count>;

Graph line_of(const std::vector<std::string>& nodes) {
  Graph g;
  std::string last = "START";
  for (const auto& n : nodes) {
    g.add_edge(last, n);
    last = n;
  }
  return g.add_edge(last, "END");
}

/// Which threads the nodes ran on.
class Threads {
 public:
  void note(const std::string& node) {
    std::lock_guard lock(mutex_);
    seen_[node] = std::this_thread::get_id();
  }
  std::thread::id of(const std::string& node) {
    std::lock_guard lock(mutex_);
    return seen_.at(node);
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::thread::id> seen_;
};

}  // namespace

TEST_CASE("Options are values with documented defaults", "[options]") {
  const RetryPolicy r;
  CHECK(r.attempts() == 3);
  CHECK(r.backoff() == milliseconds(500));
  CHECK(r.factor() == 2.0);
  CHECK(r.cap() == seconds(30));
  CHECK(r.jitter() == 0.25);
  CHECK_FALSE(r.predicate());
  const auto mine =
      RetryPolicy().attempts(5).backoff(seconds(1)).factor(3).cap(seconds(9)).jitter(0).when([](const auto&) {
        return false;
      });
  CHECK(mine.attempts() == 5);
  CHECK(mine.backoff() == seconds(1));
  CHECK(mine.factor() == 3.0);
  CHECK(mine.cap() == seconds(9));
  CHECK(mine.jitter() == 0.0);
  CHECK_FALSE(mine.predicate()(nullptr));

  const NodeOptions none;
  CHECK_FALSE(none.retry());
  CHECK_FALSE(none.timeout());
  CHECK_FALSE(none.idle_timeout());
  CHECK_FALSE(none.executor());
  CHECK_FALSE(none.defer());
  CHECK(none.edges() == af::edges::replaced);
  CHECK((none.destinations().empty() && none.writes().empty() && none.metadata().empty()));
  NodeOptions built;
  built.retry(mine).timeout(seconds(1)).idle_timeout(seconds(2)).defer().edges(af::edges::both);
  built.destinations({"a", "b"}).writes({"n"}).metadata("k", "v").metadata("k", "w");
  const NodeOptions copy = std::move(built).defer(false);
  CHECK(copy.retry()->attempts() == 5);
  CHECK(*copy.timeout() == seconds(1));
  CHECK(*copy.idle_timeout() == seconds(2));
  CHECK_FALSE(copy.defer());
  CHECK(copy.edges() == af::edges::both);
  CHECK(copy.destinations() == std::vector<std::string>{"a", "b"});
  CHECK(copy.writes() == std::vector<std::string>{"n"});
  CHECK(copy.metadata().at("k") == "w");
}

TEST_CASE("Defaults of the graph hold for nodes that say nothing themselves", "[options]") {
  int by_default = 0, by_itself = 0;
  Graph g = line_of({"default", "own"});
  const auto fail_until = [](int& calls, int until) {
    return [&calls, until](const Count&) {
      if (++calls < until) throw std::runtime_error("not yet");
    };
  };
  g.add_node("default", fail_until(by_default, 3));
  g.add_node("own", fail_until(by_itself, 3), NodeOptions().retry(RetryPolicy().attempts(2).backoff(seconds(0))));
  const auto defaults = NodeOptions().retry(RetryPolicy().attempts(4).backoff(seconds(0)));
  CHECK_THROWS_AS(g.compile(af::CompileOptions().node_defaults(defaults)).invoke(Count()), af::node_error);
  CHECK(by_default == 3);
  CHECK(by_itself == 2);
}

TEST_CASE("A default limit in time stops any node", "[options]") {
  for (const bool idle : {false, true}) {
    af::testing::VirtualLoop loop;
    Graph g = line_of({"fast", "slow"});
    g.add_node("fast", [](const Count&, af::NodeContext& ctx) -> asio::awaitable<void> {
      co_await ctx.sleep(milliseconds(900));
    });
    g.add_node("slow",
               [](const Count&, af::NodeContext& ctx) -> asio::awaitable<void> { co_await ctx.sleep(seconds(2)); });
    const auto defaults = idle ? NodeOptions().idle_timeout(seconds(1)) : NodeOptions().timeout(seconds(1));
    const auto app = g.compile(af::CompileOptions().clock(loop.clock()).node_defaults(defaults));
    try {
      loop.run(app.ainvoke(Count()));
      FAIL("no timeout_error");
    } catch (const af::timeout_error& e) {
      CHECK(e.context().node() == "slow");
      CHECK(e.limit() == seconds(1));
    }
    CHECK(loop.clock()->passed() == milliseconds(1900));
  }
}

TEST_CASE("A node with an executor runs there, and the run goes on where it was", "[options]") {
  asio::thread_pool pool(2);
  Threads threads;
  const auto note = [&](const Count&, af::NodeContext& ctx) {
    threads.note(ctx.node());
    return Update().write<&Count::n>(1);
  };
  const auto note_later = [&](const Count& s, af::NodeContext& ctx) -> asio::awaitable<Update> {
    threads.note(ctx.node() + " before");
    co_await give_way(3);
    threads.note(ctx.node() + " after");
    co_return note(s, ctx);
  };
  const auto there = NodeOptions().executor(pool.get_executor());
  Graph g = line_of({"here", "sync", "async", "back"});
  g.add_node("here", note)
      .add_node("sync", note, there)
      .add_node("async", note_later, there)
      .add_node("back", note_later);
  g.set_entry_point("beside").add_node("beside", note_later, there).add_edge("beside", "END");
  const auto app = g.compile();
  const auto result = app.invoke(Count());
  CHECK(result->n == 5);
  const auto here = std::this_thread::get_id();
  CHECK(threads.of("here") == here);
  CHECK(threads.of("back before") == here);
  CHECK(threads.of("back after") == here);
  for (const auto* n : {"sync", "async before", "async after", "async", "beside before", "beside after"})
    CHECK(threads.of(n) != here);
  CHECK(on_loop([&] { return app.ainvoke(Count()); })->n == 5);
  pool.join();
}

TEST_CASE("An error on another executor comes back to the run", "[options]") {
  asio::thread_pool pool(1);
  const auto there = NodeOptions().executor(pool.get_executor());
  for (const bool async : {false, true}) {
    Graph g = line_of({"n"});
    if (async)
      g.add_node(
          "n",
          [](const Count&) -> asio::awaitable<void> {
            co_await give_way();
            throw std::runtime_error("there");
          },
          there);
    else
      g.add_node("n", [](const Count&) { throw std::runtime_error("there"); }, there);
    try {
      g.compile().invoke(Count());
      FAIL("no error");
    } catch (const af::node_error& e) {
      CHECK_THROWS_WITH(std::rethrow_exception(e.cause()), "there");
    }
  }
  pool.join();
}

TEST_CASE("A node on another executor can be limited in time, cancelled and retried", "[options]") {
  asio::thread_pool pool(2);
  const auto there = NodeOptions().executor(pool.get_executor()).timeout(milliseconds(10));
  Graph g = line_of({"n"});
  g.add_node(
      "n",
      [](const Count&, af::NodeContext& ctx) -> asio::awaitable<Update> {
        if (ctx.attempt() == 1) co_await ctx.sleep(seconds(30));
        co_return Update().write<&Count::n>(ctx.attempt());
      },
      NodeOptions(there).retry(RetryPolicy().backoff(seconds(0))));
  CHECK(g.compile().invoke(Count())->n == 2);

  Graph fails = line_of({"n"});
  fails.add_node(
      "n", [](const Count&, af::NodeContext& ctx) -> asio::awaitable<void> { co_await ctx.sleep(seconds(30)); },
      NodeOptions().executor(pool.get_executor()));
  fails.add_node("bad", [](const Count&) -> asio::awaitable<void> {
    co_await give_way();
    throw std::runtime_error("bad");
  });
  fails.set_entry_point("bad").add_edge("bad", "END");
  CHECK_THROWS_AS(fails.compile().invoke(Count()),
                  af::node_error);  // at once: the sibling is cancelled there, and joined
  pool.join();
}

TEST_CASE("Executors go to plain nodes and coroutines; a default leaves the others where they are", "[options]") {
  asio::thread_pool pool(1);
  std::thread::id on_pool;
  asio::post(pool, [&] { on_pool = std::this_thread::get_id(); });
  Threads threads;
  const auto note = [&](const Count&, af::NodeContext& ctx) { threads.note(ctx.node()); };
  Graph inner = line_of({"inner"});
  inner.add_node("inner", note);
  Graph g = line_of({"plain", "blocking", "sub"});
  g.add_node("plain", note).add_node("blocking", af::blocking(note)).add_node("sub", inner.compile());
  g.compile(af::CompileOptions().node_defaults(NodeOptions().executor(pool.get_executor()))).invoke(Count());
  pool.join();
  CHECK(threads.of("plain") == on_pool);
  CHECK(threads.of("blocking") != on_pool);
  CHECK(threads.of("blocking") != std::this_thread::get_id());
  CHECK(threads.of("inner") == std::this_thread::get_id());
}
