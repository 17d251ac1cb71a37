// SPDX-License-Identifier: MIT
// CompiledGraph: where blocking calls are refused, and where they are not.
#include <agentflow/typed/compiled_graph.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>

#include <agentflow/async/run.hpp>
#include <agentflow/async/shutdown_manager.hpp>
#include <agentflow/graph/publisher.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using Catch::Matchers::Contains;

namespace {

struct Sum {
  int n = 0;
};
AGENTFLOW_STATE(Sum, (n, af::sum))

using Graph = af::StateGraph<Sum>;
using App = af::CompiledGraph<Sum>;
using Update = af::Update<Sum>;

/// START -> {a, b} -> END; n ends 2 higher. b is a coroutine if wanted.
App two(bool async) {
  Graph g;
  const auto add = [](const Sum&) { return Update().write<&Sum::n>(1); };
  g.add_node("a", add);
  if (async)
    g.add_node("b", [add](const Sum& s) -> asio::awaitable<Update> {
      co_await give_way();
      co_return add(s);
    });
  else
    g.add_node("b", add);
  return g.set_entry_point("a").set_entry_point("b").add_edge("a", "END").add_edge("b", "END").compile();
}

/// Calls everything that blocks, and expects each to be refused at once, naming what to use instead.
void expect_refused(const App& app) {
  const auto refused = [](const std::string& what, const std::function<void()>& call) {
    try {
      call();
      FAIL_CHECK(what << " is not refused");
    } catch (const af::nested_loop_error& e) {
      CHECK(e.code() == af::errc::nested_loop);
      CHECK_THAT(e.message(), Contains(what) && Contains(what == "run()" ? "co_await" : "a" + what));
    }
  };
  refused("invoke()", [&] { app.invoke(Sum()); });
  refused("stream()", [&] { auto s = app.stream(Sum()); });
  refused("stop()", [&] { app.stop("nobody"); });
  refused("close()", [&] { app.close(); });
  refused("run()", [&] { (void)af::run(app.aclose()); });
  CHECK_FALSE(app.closed());
}

/// A reducer that runs a test's code while it merges.
struct spy {
  static inline std::function<void()> on_apply;
  static std::optional<int> diff(const int& base, const int& mine) {
    return mine == base ? std::nullopt : std::optional(mine - base);
  }
  static void apply(int& value, int delta) {
    if (on_apply) on_apply();
    value += delta;
  }
};
struct Spied {
  int n = 0;
};
AGENTFLOW_STATE(Spied, (n, spy))

}  // namespace

TEST_CASE("Blocking calls are refused wherever they would block an event loop", "[compiled_graph]") {
  const auto inner = two(false);
  int places = 0;
  const auto check = [&] {
    expect_refused(inner);
    ++places;
  };
  SECTION("on a loop's thread") {
    asio::io_context io;
    asio::post(io, check);
    io.run();
    CHECK(places == 1);
  }
  SECTION("on a strand of a pool") {
    asio::thread_pool pool(1);
    asio::post(asio::make_strand(pool), check);
    pool.join();
    CHECK(places == 1);
  }
  SECTION("on all threads of a pool at once") {
    asio::thread_pool pool(4);
    std::atomic<int> waiting{0}, refused{0};
    for (int i = 0; i < 4; ++i)
      asio::post(pool, [&] {
        ++waiting;
        while (waiting < 4) std::this_thread::yield();
        try {
          inner.invoke(Sum());
        } catch (const af::nested_loop_error&) {
          ++refused;
        }
      });
    pool.join();
    CHECK(refused == 4);
  }
  SECTION("in a background task") {
    Graph g;
    const auto task = [&]() -> asio::awaitable<void> {
      check();
      co_return;
    };
    g.add_node("n", [&](const Sum&, af::NodeContext& ctx) { ctx.background("task", task()); });
    g.set_entry_point("n").add_edge("n", "END");
    const auto app = g.compile();
    app.invoke(Sum());
    on_loop([&]() -> asio::awaitable<void> {
      co_await app.ainvoke(Sum());
      co_await app.aclose();
    });
    CHECK(places == 2);
  }
  SECTION("in a publisher") {
    struct Checks final : af::Publisher {
      explicit Checks(std::function<void()> f) : check(std::move(f)) {}
      asio::awaitable<void> publish(af::Chunk) override {
        check();
        co_return;
      }
      asio::awaitable<void> close() override {
        check();
        co_return;
      }
      const std::function<void()> check;
    };
    Graph g;
    g.add_node("n", [](const Sum&) { return Update().write<&Sum::n>(1); }).set_entry_point("n").add_edge("n", "END");
    const auto app =
        g.compile(af::CompileOptions().publisher(std::make_shared<Checks>(check), af::stream_mode::updates));
    app.invoke(Sum());
    CHECK(app.close().publisher.error.empty());
    CHECK(places == 2);
  }
  SECTION("in a shutdown callback") {
    on_loop([&]() -> asio::awaitable<void> {
      af::GracefulShutdownManager manager(co_await asio::this_coro::executor);
      manager.on_shutdown(check);
      manager.request_shutdown();
      while (places == 0) co_await give_way();
    });
    CHECK(places == 1);
  }
  SECTION("in nodes, routers, handlers and mappings, of blocking and awaited runs") {
    asio::thread_pool pool(1);
    Graph sub;
    sub.add_node("n", [&](const Sum&) { check(); }).set_entry_point("n").add_edge("n", "END");
    for (const bool plain : {true, false}) {
      Graph g;
      g.add_node("sync", [&](const Sum&) { check(); });
      g.add_node("beside", [&](const Sum&) { check(); });
      g.add_node("sub", sub.compile());
      g.add_subgraph(
          "mapped", inner,
          [&](const Sum& s) {
            check();
            return s;
          },
          [&](const Sum&, const Sum&) { check(); });
      int expected = 6;
      if (!plain) {
        g.add_node("async", [&](const Sum&) -> asio::awaitable<void> {
          check();
          co_await give_way();
          check();
        });
        g.add_node("elsewhere", [&](const Sum&) { check(); }, af::NodeOptions().executor(pool.get_executor()));
        g.add_node("bad", [](const Sum&) { throw std::runtime_error("bad"); });
        g.on_error("bad", [&](const Sum&, const af::error&) { check(); });
        g.add_edge("mapped", "async")
            .add_edge("async", "elsewhere")
            .add_edge("elsewhere", "bad")
            .add_edge("bad", "END");
        expected += 4;
      } else {
        g.add_edge("mapped", "END");
      }
      g.set_entry_point("sync").set_entry_point("beside").add_edge("sync", "sub").add_edge("beside", "END");
      g.add_conditional_edges("sub",
                              [&](const Sum&) {
                                check();
                                return "mapped";
                              },
                              {"mapped"});
      const auto app = g.compile();
      places = 0;
      app.invoke(Sum());
      CHECK(places == expected);
      places = 0;
      on_loop([&] { return app.ainvoke(Sum()); });
      CHECK(places == expected);
    }
    pool.join();
  }
  SECTION("in a reducer") {
    af::StateGraph<Spied> g;
    g.add_node("a", [](Spied s) { return Spied{s.n + 1}; }).add_node("b", [](const Spied&) {});
    g.set_entry_point("a").set_entry_point("b").add_edge("a", "END").add_edge("b", "END");
    spy::on_apply = check;
    CHECK(g.compile().invoke(Spied())->n == 1);
    spy::on_apply = nullptr;
    CHECK(places == 1);
  }
  SECTION("in a coroutine that reads a stream") {
    on_loop([&]() -> asio::awaitable<void> {
      auto run = inner.astream(Sum());
      const auto chunk = co_await run.next();
      CHECK(chunk.has_value());
      check();
    });
    CHECK(places == 1);
  }
}

TEST_CASE("A stream made elsewhere is not read on a loop", "[compiled_graph]") {
  const auto app = two(false);
  auto stream = app.stream(Sum());
  asio::io_context io;
  asio::post(io, [&] {
    CHECK_THROWS_AS(stream.next(), af::nested_loop_error);
    CHECK_THROWS_AS(stream.result(), af::nested_loop_error);
  });
  io.run();
  CHECK(stream.result()->n == 2);
}

TEST_CASE("Blocking calls are allowed on plain threads and in blocking nodes", "[compiled_graph]") {
  const auto inner = two(true);
  int plain = 0;
  std::thread([&] { plain = inner.invoke(Sum())->n; }).join();
  CHECK(plain == 2);
  Graph g;
  g.add_node("n", af::blocking([&](const Sum&) { return Update().write<&Sum::n>(inner.invoke(Sum())->n); }));
  g.set_entry_point("n").add_edge("n", "END");
  const auto outer = g.compile();
  CHECK(outer.invoke(Sum())->n == 2);
  CHECK(on_loop([&] { return outer.ainvoke(Sum()); })->n == 2);
  int read = 0;
  for (const auto& chunk : inner.stream(Sum())) {
    read += chunk.kind() == af::chunk_kind::update;
    CHECK(inner.invoke(Sum())->n == 2);  // between the chunks this thread is a plain one
  }
  CHECK(read == 2);
}

TEST_CASE("A blocking node that stops its own run is refused at once, not left waiting for itself", "[blocking]") {
  std::optional<App> app, outer;
  std::string said;
  const auto stop_own = [&](const Sum&) {
    try {
      app->stop("t");
    } catch (const af::nested_loop_error& e) {
      said = e.message();
      throw;
    }
  };
  Graph g;
  g.add_node("n", af::blocking(stop_own)).set_entry_point("n").add_edge("n", "END");
  app = g.compile();
  const auto config = af::RunConfig().thread_id("t");
  CHECK_THROWS_AS(app->invoke(Sum(), config), af::node_error);
  CHECK_THAT(said, Contains("'t'") && Contains("wait for itself"));
  CHECK_THROWS_AS(on_loop([&] { return app->ainvoke(Sum(), config); }), af::node_error);

  // By way of a run that the node waits for.
  said.clear();
  Graph within;
  within.add_node("n", af::blocking([&](const Sum& s) { outer->stop(s.n == 1 ? "t" : "other"); }));
  const App inner = within.set_entry_point("n").add_edge("n", "END").compile();
  Graph around;
  around.add_node("n", af::blocking([&](const Sum& s) { return inner.invoke(s).state; }));
  outer = around.set_entry_point("n").add_edge("n", "END").compile();
  Sum own;
  own.n = 1;
  CHECK_THROWS_WITH(outer->invoke(own, config), Contains("wait for itself"));
  CHECK(outer->invoke(Sum(), config).state.n == 0);  // other threads may be stopped
}

TEST_CASE("Blocking nodes may call their own graph, however few threads it has", "[blocking]") {
  for (const std::size_t threads : {1, 2}) {
    std::optional<App> app;
    Graph g;
    for (const char* n : {"a", "b", "c"}) {
      g.add_node(n, af::blocking([&](const Sum& s) {
                   Sum input;
                   input.n = s.n - 1;
                   const int below = s.n > 0 ? app->invoke(input).state.n - input.n : 0;
                   return Update().write<&Sum::n>(1 + below);
                 }));
      g.set_entry_point(n).add_edge(n, "END");
    }
    app = g.compile(af::CompileOptions().blocking_threads(threads));
    Sum input;
    input.n = 2;
    CHECK(app->invoke(input).state.n == 2 + 3 + 9 + 27);
  }
}
