// SPDX-License-Identifier: MIT
// Debug mode: what it warns about, and that it keeps quiet otherwise.
#include <agentflow/run/debug.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/bind_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

/// A reducer that takes its time.
struct slow_sum {
  static inline std::function<void()> on_apply;
  static std::optional<int> diff(const int& base, const int& mine) {
    return mine == base ? std::nullopt : std::optional(mine - base);
  }
  static void apply(int& value, int delta) {
    if (on_apply) on_apply();
    value += delta;
  }
};

struct Sum {
  int n = 0;
};
AGENTFLOW_STATE(Sum, (n, slow_sum))

using Graph = af::StateGraph<Sum>;
using Update = af::Update<Sum>;

/// A virtual loop and a log, and a way to take time on the thread.
struct Bench {
  af::testing::VirtualLoop loop;
  std::ostringstream text;
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text));

  Bench() { loop.wait_for_threads(20s); }
  af::CompileOptions options() const { return af::CompileOptions().clock(loop.clock()).logger(logger); }
  af::CompileOptions debug() const { return options().debug(af::DebugOptions()); }
  void hold(std::chrono::milliseconds time) { loop.clock()->advance(time); }
  /// The lines about an event loop that was held.
  std::vector<std::string> held() const {
    std::vector<std::string> lines;
    std::istringstream in(text.str());
    for (std::string line; std::getline(in, line);)
      if (line.find("held the event loop") != std::string::npos) lines.push_back(line);
    return lines;
  }
};

template <class F>
Graph with_node(F&& fn) {
  Graph g;
  g.add_node("n", std::forward<F>(fn)).set_entry_point("n").add_edge("n", "END");
  return g;
}

}  // namespace

TEST_CASE("61 debug mode names the node that holds the loop, and for how long", "[debug]") {
  Bench b;
  SECTION("a plain function") {
    const auto app = with_node([&](const Sum&) { b.hold(150ms); }).compile(b.debug());
    b.loop.run(app.ainvoke(Sum(), af::RunConfig().thread_id("alice")));
    REQUIRE(b.held().size() == 1);
    CHECK_THAT(b.held()[0],
               Contains("thread=alice") && Contains(" n step=1") && Contains("the node held") && Contains("0.150 s"));
  }
  SECTION("a coroutine between two suspensions, with only that part counted") {
    const auto app = with_node([&](const Sum&, af::NodeContext& ctx) -> asio::awaitable<void> {
                       b.hold(60ms);
                       co_await ctx.sleep(1h);
                       b.hold(170ms);
                       co_await give_way();
                       b.hold(60ms);
                     }).compile(b.debug());
    b.loop.run(app.ainvoke(Sum()));
    REQUIRE(b.held().size() == 1);
    CHECK_THAT(b.held()[0], Contains("0.170 s"));
  }
  SECTION("of several side by side the one that does it") {
    Graph g;
    for (const std::string name : {"a", "b", "c"})
      g.add_node(name,
                 [&b, name](const Sum&, af::NodeContext& ctx) -> asio::awaitable<void> {
                   co_await ctx.sleep(1s);
                   if (name == "b") b.hold(200ms);
                 })
          .set_entry_point(name)
          .add_edge(name, "END");
    b.loop.run(g.compile(b.debug()).ainvoke(Sum()));
    REQUIRE(b.held().size() == 1);
    CHECK_THAT(b.held()[0], Contains(" b step=1"));
  }
  SECTION("in a subgraph, with its path") {
    Graph outer;
    outer.add_node("outer", with_node([&](const Sum&) -> asio::awaitable<void> {
                              co_await give_way();
                              b.hold(300ms);
                            }).compile());
    outer.set_entry_point("outer").add_edge("outer", "END");
    b.loop.run(outer.compile(b.debug()).ainvoke(Sum()));
    REQUIRE(b.held().size() == 1);
    CHECK_THAT(b.held()[0], Contains("outer/n step=1"));
  }
  SECTION("a router, a reducer and an error handler") {
    Graph g;
    g.add_node("a", [](const Sum&) { return Update().write<&Sum::n>(1); }).add_node("b", [](const Sum&) {});
    g.add_node("bad", [](const Sum&) { throw std::runtime_error("bad"); });
    g.on_error("bad", [&](const Sum&, const af::error&) { b.hold(400ms); });
    g.set_entry_point("a").set_entry_point("b").add_edge("b", "END").add_edge("bad", "END");
    g.add_conditional_edges("a",
                            [&](const Sum&) -> asio::awaitable<std::string> {
                              co_await give_way();
                              b.hold(200ms);
                              co_return "bad";
                            },
                            {"bad"});
    slow_sum::on_apply = [&] { b.hold(300ms); };
    b.loop.run(g.compile(b.debug()).ainvoke(Sum()));
    slow_sum::on_apply = nullptr;
    const auto lines = b.held();
    REQUIRE(lines.size() == 3);
    CHECK_THAT(lines[0], Contains(" a step=1") && Contains("merging what it changed held") && Contains("0.300 s"));
    CHECK_THAT(lines[1], Contains(" a step=1") && Contains("its router held") && Contains("0.200 s"));
    CHECK_THAT(lines[2], Contains(" bad step=2") && Contains("its error handler held") && Contains("0.400 s"));
  }
  SECTION("on an executor of its own") {
    asio::thread_pool pool(1);
    Graph g;
    g.add_node("n", [&](const Sum&) { b.hold(150ms); }, af::NodeOptions().executor(pool.get_executor()));
    g.set_entry_point("n").add_edge("n", "END");
    b.loop.run(g.compile(b.debug()).ainvoke(Sum()));
    pool.join();
    // The other thread moved the clock that both are timed by: the event loop may count it, too.
    const auto lines = b.held();
    CHECK(std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
      return line.find(" n step=1") != std::string::npos && line.find("the node held") != std::string::npos;
    }));
  }
  SECTION("with a limit of the graph's own") {
    const auto app =
        with_node([&](const Sum&) { b.hold(20ms); }).compile(b.options().debug(af::DebugOptions().slow_step(15ms)));
    b.loop.run(app.ainvoke(Sum()));
    CHECK(b.held().size() == 1);
  }
}

TEST_CASE("61 debug mode is quiet about what holds nobody up", "[debug]") {
  Bench b;
  SECTION("below the limit, or waiting") {
    const auto app = with_node([&](const Sum&, af::NodeContext& ctx) -> asio::awaitable<void> {
                       b.hold(99ms);
                       co_await ctx.sleep(24h);
                       b.hold(99ms);
                     }).compile(b.debug());
    b.loop.run(app.ainvoke(Sum()));
    CHECK(b.held().empty());
  }
  SECTION("a blocking node, and a plain thread") {
    // Both threads are timed by one clock: it moves once the loop has left the step that started the node.
    const auto app = with_node(af::blocking([&](const Sum&) {
                       asio::post(b.loop.executor(), asio::use_future([] {})).wait();
                       b.hold(500ms);
                     })).compile(b.debug());
    b.loop.run(app.ainvoke(Sum()));
    with_node([&](const Sum&) { b.hold(500ms); }).compile(b.debug()).invoke(Sum());
    CHECK(b.held().empty());
  }
  SECTION("without debug mode") {
    b.loop.run(with_node([&](const Sum&) { b.hold(10s); }).compile(b.options()).ainvoke(Sum()));
    CHECK(b.text.str().empty());
  }
}

TEST_CASE("61 set_debug decides for the graphs that are compiled after it", "[debug]") {
  Bench b;
  auto graph = with_node([&](const Sum&) { b.hold(150ms); });
  const auto before = graph.compile(b.options());
  af::set_debug(af::DebugOptions().slow_step(140ms));
  const auto after = graph.compile(b.options());
  const auto own = graph.compile(b.options().debug(af::DebugOptions().slow_step(1s)));
  af::set_debug(std::nullopt);
  CHECK_FALSE(af::debug_mode().has_value());
  b.loop.run(before.ainvoke(Sum()));
  CHECK(b.held().empty());
  b.loop.run(own.ainvoke(Sum()));
  CHECK(b.held().empty());
  b.loop.run(after.ainvoke(Sum()));
  CHECK(b.held().size() == 1);
}

TEST_CASE("63 debug mode reports runs that were never begun, with the line", "[debug]") {
  Bench b;
  const auto app = with_node([](const Sum&) -> asio::awaitable<void> { co_await give_way(); }).compile(b.debug());
  const std::string here = std::string("debug_mode_test.cpp:");
  SECTION("an awaitable") {
    const int line = __LINE__ + 2;
    {
      auto forgotten = app.ainvoke(Sum());
    }
    CHECK_THAT(b.text.str(), Contains(here + std::to_string(line)) && Contains("never begun"));
  }
  SECTION("a stream") {
    const int line = __LINE__ + 2;
    {
      auto forgotten = app.astream(Sum());
    }
    CHECK_THAT(b.text.str(), Contains(here + std::to_string(line)));
  }
  SECTION("none of those that were") {
    b.loop.run(app.ainvoke(Sum()));
    app.invoke(Sum());
    for (const auto& chunk : app.stream(Sum())) static_cast<void>(chunk);
    auto run = app.start(b.loop.executor(), Sum());
    b.loop.run(run.result());
    CHECK(b.text.str().empty());
  }
}

TEST_CASE("63 debug mode notices code on the wrong thread", "[debug]") {
  Bench b;
  asio::thread_pool pool(1);
  SECTION("a node that comes back on another executor") {
    const auto app = with_node([&](const Sum&) -> asio::awaitable<void> {
                       co_await asio::post(asio::bind_executor(pool.get_executor(), asio::use_awaitable));
                     }).compile(b.debug());
    b.loop.run(app.ainvoke(Sum()));
    CHECK_THAT(b.text.str(), Contains(" n step=1") && Contains("on an executor that is not the run's"));
  }
  SECTION("a context that is used elsewhere") {
    const auto app = with_node([&](const Sum&, af::NodeContext& ctx) {
                       std::thread([&] { ctx.write_token("too late"); }).join();
                     }).compile(b.debug());
    b.loop.run(app.ainvoke(Sum(), af::RunConfig().stream(af::stream_mode::messages)));
    CHECK_THAT(b.text.str(), Contains("context is used on a thread that does not run the node"));
  }
  pool.join();
}

TEST_CASE("Debug mode changes no result", "[debug]") {
  Bench b;
  Graph g;
  g.add_node("a", [](const Sum&, af::NodeContext& ctx) -> asio::awaitable<Update> {
    co_await ctx.sleep(1s);
    co_return Update().write<&Sum::n>(1);
  });
  g.add_node("b", [](const Sum&) { return Update().write<&Sum::n>(2); });
  g.add_node("fails", [](const Sum&) -> asio::awaitable<void> {
    co_await give_way();
    throw std::runtime_error("as ever");
  });
  g.set_entry_point("a").set_entry_point("b").add_edge({"a", "b"}, "fails").add_edge("fails", "END");
  g.on_error("fails", [](const Sum&, const af::error&) { return Update().write<&Sum::n>(4); });
  const auto app = g.compile(b.debug());
  CHECK(b.loop.run(app.ainvoke(Sum()))->n == 7);
}
