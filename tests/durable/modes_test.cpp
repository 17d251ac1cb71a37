// SPDX-License-Identifier: MIT
// When things are stored, runs that outlive their graph's shape, and what a store costs.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/state/json_state.hpp>

#include "support/catch.hpp"
#include "support/durable.hpp"

namespace af = agentflow;
using af::durability;
using af::Resume;
using support::code_of;
using support::input;
using support::Notes;
using support::on;
using support::text;
using support::World;
using Graph = af::StateGraph<Notes>;
using namespace std::chrono_literals;

namespace {

Graph chain(World& w) {
  Graph g;
  for (const char* n : {"a", "b", "c"}) g.add_node(n, w.plain(n));
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
  return g;
}

/// Commits take a second of virtual time, as on a slow disk.
void slow_down(World& w) {
  w.store->gate = [clock = w.loop.clock()](std::uint64_t, bool stored) -> asio::awaitable<void> {
    if (stored) co_return;
    auto ex = co_await asio::this_coro::executor;
    auto done = std::make_shared<asio::steady_timer>(ex, asio::steady_timer::time_point::max());
    const auto timer = clock->schedule(ex, clock->now() + 1s, [done] { done->cancel(); });
    co_await asio::this_coro::throw_if_cancelled(false);
    try {
      co_await done->async_wait(asio::use_awaitable);
    } catch (const asio::system_error&) {
    }
  };
}

}  // namespace

TEST_CASE("sync stores each step before the next", "[durable]") {
  World w;
  slow_down(w);
  const auto app = chain(w).compile(w.options());
  w.run(app, input("hi"), on("t"));
  CHECK(w.loop.clock()->passed() == 5s);  // the claim, the input, three steps
  CHECK(w.store->commits == 4);
}

TEST_CASE("async stores while the run goes on, and all of it by the end", "[durable]") {
  World w;
  slow_down(w);
  const auto app = chain(w).compile(w.options().durability(durability::async));
  CHECK(text(*w.run(app, input("hi"), on("t"))) == "hi a b c =3");
  CHECK(w.loop.clock()->passed() == 3s);
  CHECK(w.store->commits == 2);  // the input; then the steps that had come meanwhile, together
  CHECK(w.store->records == 4);
  CHECK(app.get_state("t")->finished);
  w.failures["b"] = 1;
  CHECK_THROWS_AS(w.run(app, input("more"), on("t")), af::node_error);
  CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a b c more a b c =6");
}

TEST_CASE("async does not wait for another step to store what has come meanwhile", "[durable]") {
  World w;
  slow_down(w);
  Graph g;
  g.add_node("a", w.plain("a")).add_node("b", w.plain("b")).add_node("c", w.slow("c", 100s));
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
  const auto app = g.compile(w.options().durability(durability::async));
  auto run = app.start(w.loop.executor(), input("hi"), on("t"));
  auto look = [&]() -> asio::awaitable<std::string> {
    co_await af::sleep(10s);
    auto work = app.aget_state("t");
    const auto seen = co_await std::move(work);
    co_return text(seen->state);
  };
  CHECK(w.loop.run(look()) == "hi a b =2");
  CHECK(text(*w.loop.run(run.result())) == "hi a b c =3");
}

TEST_CASE("a store that fails behind an async run fails it", "[durable]") {
  World w;
  const auto app = chain(w).compile(w.options().durability(durability::async));
  w.store->gate = [](std::uint64_t call, bool) -> asio::awaitable<void> {
    if (call == 2) throw af::storage_error(af::errc::storage_unavailable, "the disk is full");
    co_return;
  };
  CHECK(code_of([&] { w.run(app, input("hi"), on("t")); }) == "CHECKPOINT_006");
  w.store->gate = nullptr;
  CHECK(text(*w.run(app, input("hi"), on("t"))) == "hi a b c =3");
}

TEST_CASE("exit stores at the end, at an interrupt, and at a failure", "[durable]") {
  World w;
  const auto app = chain(w).compile(w.options());
  const auto config = on("t").durability(durability::exit);
  w.run(app, input("hi"), config);
  CHECK(w.store->commits == 1);
  CHECK(w.store->records == 4);
  w.failures["c"] = 1;
  CHECK_THROWS_AS(w.run(app, input("more"), config), af::node_error);
  CHECK(w.store->commits == 2);
  CHECK(text(*w.run(app, Resume(), config)) == "hi a b c more a b c =6");
  CHECK(w.ran["b"] == 2);
  CHECK(w.run(app, input("x"), af::RunConfig(config).interrupt_before({"b"})).status() == af::run_status::interrupted);
  CHECK(app.get_state("t")->interrupts.size() == 1);
}

TEST_CASE("exit keeps what finished beside a failure, and what once() did", "[durable]") {
  World w;
  int calls = 0;
  Graph g;
  g.add_node("a", w.plain("a"));
  g.add_node("b", [&](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
    auto call = [&calls] { ++calls; };
    auto op = ctx.once("call", call);
    co_await std::move(op);
    if (w.failures["b"]-- > 0) throw std::runtime_error("after it");
    co_return s;
  });
  for (const char* n : {"a", "b"}) g.set_entry_point(n).add_edge(n, "END");
  const auto app = g.compile(w.options().durability(durability::exit));
  w.failures["b"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a =1");
  CHECK(calls == 1);
  CHECK(w.ran["a"] == 1);
}

TEST_CASE("a failure whose text is no UTF-8 is recorded all the same", "[durable][store]") {
  for (const auto mode : {durability::sync, durability::async, durability::exit}) {
    World w;
    Graph g;
    int failures = 1;
    g.add_node("a", w.plain("a"));
    g.add_node("b", [&failures](Notes s) {
      if (failures-- > 0) throw std::runtime_error("caf\xe9\n" + std::string(2000, '\xc3'));
      return s;
    });
    g.set_entry_point("a").add_edge("a", "b").add_edge("b", "END");
    const auto app = g.compile(w.options().durability(mode));
    CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
    const auto runs = w.loop.run(w.store->runs());
    REQUIRE(runs.size() == 1);
    CHECK(runs[0].status == af::stored_status::failed);
    CHECK_THAT(runs[0].detail, Catch::Contains("caf? "));
    CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a =1");
    CHECK(w.ran["a"] == 1);
  }
}

TEST_CASE("a run does not go on in another graph by accident", "[durable]") {
  World w;
  w.failures["b"] = 3;
  CHECK_THROWS_AS(w.run(chain(w).compile(w.options()), input("hi"), on("t")), af::node_error);
  auto renamed = [&w](bool with_b) {
    Graph g;
    g.add_node("a", w.plain("a")).add_node(with_b ? "b" : "b2", w.plain("b2")).add_node("d", w.plain("d"));
    const std::string b = with_b ? "b" : "b2";
    g.set_entry_point("a").add_edge("a", b).add_edge(b, "d").add_edge("d", "END");
    return g;
  };
  CHECK(code_of([&] { w.run(renamed(true).compile(w.options()), Resume(), on("t")); }) == "RUN_011");
  SECTION("it may, if the nodes are there") {
    CHECK(text(*w.run(renamed(true).compile(w.options().accept_graph_change({})), Resume(), on("t"))) ==
          "hi a b2 d =3");
  }
  SECTION("or are called something else") {
    const auto app = renamed(false).compile(w.options());
    CHECK(code_of([&] { w.run(app, Resume(), on("t").accept_graph_change({})); }) == "RUN_011");
    CHECK(text(*w.run(app, Resume(), on("t").accept_graph_change({{"b", "b2"}}))) == "hi a b2 d =3");
  }
  SECTION("new input needs nothing of that") {
    CHECK(text(*w.run(renamed(false).compile(w.options()), input("new"), on("t"))) == "hi a new a b2 d =4");
  }
}

TEST_CASE("a finished thread takes input in a graph that has grown", "[durable]") {
  World w;
  w.run(chain(w).compile(w.options()), input("hi"), on("t"));
  Graph g;
  g.add_node("other", w.plain("other")).set_entry_point("other").add_edge("other", "END");
  CHECK(text(*w.run(g.compile(w.options()), input("new"), on("t"))) == "hi a b c new other =4");
}

TEST_CASE("a run that its graph's close drained goes on in another", "[durable]") {
  World w;
  Graph g;
  g.add_node("a", w.slow("a", 1s)).add_node("b", w.plain("b"));
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "END");
  {
    const auto app = g.compile(w.options());
    auto run = app.start(w.loop.executor(), input("hi"), on("t"));
    auto both = [&]() -> asio::awaitable<af::run_status> {
      co_await asio::post(asio::use_awaitable);
      co_await app.aclose();
      const auto result = co_await run.result();
      co_return result.status();
    };
    CHECK(w.loop.run(both()) == af::run_status::drained);
  }
  CHECK(w.loop.run(w.store->runs()).at(0).status == af::stored_status::drained);
  CHECK(text(*w.run(g.compile(w.options()), Resume(), on("t"))) == "hi a b =2");
  CHECK(w.ran["a"] == 1);
}

TEST_CASE("a close in the middle of a thousand runs leaves each to be gone on with", "[durable]") {
  constexpr int runs = 1000;
  for (const std::uint64_t when : {0, 500, 1000, 2500, 3500}) {
    INFO("closed after " << when << " handlers");
    World w;
    std::map<std::string, int> ledger;
    Graph g;
    for (const char* n : {"a", "b", "c"})
      g.add_node(n, [&ledger](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
        co_await ctx.sleep(std::chrono::milliseconds(1 + s.n));
        ++ledger[ctx.thread_id() + ctx.node()];
        s.log.push_back(ctx.node());
        ++s.n;
        co_return s;
      });
    g.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
    {
      const auto app = g.compile(w.options());
      std::vector<af::Run<Notes>> under_way;
      for (int i = 0; i < runs; ++i)
        under_way.push_back(app.start(w.loop.executor(), input("in"), on(std::to_string(i))));
      w.loop.stop_after(when);
      try {
        w.loop.run(under_way.back().result());
      } catch (const af::testing::abandoned_error&) {
      }
      const auto stats = w.loop.run(app.aclose());
      CHECK(stats.runs.completed + stats.runs.failed + stats.runs.cancelled <= runs);
      CHECK(stats.runs.cancelled == 0);
    }
    const auto app = g.compile(w.options());
    int drained = 0, never = 0;
    for (int i = 0; i < runs; ++i) {
      const std::string thread = std::to_string(i);
      const auto known = w.loop.run(w.store->thread(thread));
      drained += known && known->run->status == af::stored_status::drained;
      never += !known;
      CHECK((!known || known->run->status == af::stored_status::drained ||
             known->run->status == af::stored_status::completed));
      CHECK(text(*(known ? w.run(app, Resume(), on(thread)) : w.run(app, input("in"), on(thread)))) == "in a b c =3");
    }
    CHECK(ledger.size() == 3U * runs);
    for (const auto& [task, times] : ledger) CHECK(times == 1);
    WARN("closed after " << when << " handlers: " << drained << " drained, " << never << " had not begun");
  }
}

namespace {

/// Its wall time is somewhere else each time it is asked, by up to twenty years.
class JumpingClock final : public af::Clock {
 public:
  explicit JumpingClock(std::shared_ptr<af::Clock> clock) : clock_(std::move(clock)) {}
  time_point now() const noexcept override { return clock_->now(); }
  std::chrono::system_clock::time_point wall_now() const noexcept override {
    jump_ = (jump_ * 48271) % 2147483647;
    return clock_->wall_now() + std::chrono::hours(jump_ % 350'400) - std::chrono::hours(175'200);
  }
  std::unique_ptr<Timer> schedule(asio::any_io_executor executor, time_point when,
                                  af::detail::UniqueFunction<void()> fn) override {
    return clock_->schedule(std::move(executor), when, std::move(fn));
  }

 private:
  std::shared_ptr<af::Clock> clock_;
  mutable std::int64_t jump_ = 7;
};

}  // namespace

TEST_CASE("a wall clock that jumps changes no order and no timeout", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", w.slow("a", 3s), af::NodeOptions().timeout(5s));
  g.set_entry_point("a").add_conditional_edges("a", [](const Notes& s) { return s.n % 50 != 0 ? "a" : "END"; },
                                               {"a", "END"});
  const auto app = g.compile(w.options().clock(std::make_shared<JumpingClock>(w.loop.clock())));
  w.failures["a"] = 1;
  CHECK_THROWS_AS(w.run(app, input("in"), on("t").recursion_limit(100)), af::node_error);
  CHECK(w.run(app, Resume(), on("t").recursion_limit(100))->n == 50);
  CHECK(w.run(app, input("more"), on("t").recursion_limit(100))->n == 100);
  CHECK(w.loop.clock()->passed() == 303s);
  const auto all = app.get_state_history("t", af::HistoryOptions().limit(1000));
  REQUIRE(all.size() == 102);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) CHECK(all[i].parent_id == all[i + 1].id);
  CHECK(all.front().finished);
}

TEST_CASE("what is stored for a step does not grow with the history", "[durable]") {
  World w;
  Graph g;
  g.add_node("a", [](Notes s) {
    s.log.push_back(std::string(100, 'x'));
    ++s.n;
    return s;
  });
  g.set_entry_point("a").add_conditional_edges("a", [](const Notes& s) { return s.n % 1000 != 0 ? "a" : "END"; },
                                               {"a", "END"});
  const auto app = g.compile(w.options());
  std::vector<std::uint64_t> bytes;
  for (int i = 0; i < 8; ++i) {
    const auto before = w.store->bytes;
    w.run(app, Notes(), on("t").recursion_limit(1000));
    bytes.push_back(w.store->bytes - before);
  }
  const auto whole = 8u * 1000 * 100;
  CHECK(w.store->bytes < whole * 6);
  CHECK(bytes[6] + bytes[7] < 6 * (bytes[0] + bytes[1]));  // snapshots fall where they fall
  CHECK(app.get_state("t")->state.n == 8000);
}

TEST_CASE("a graph of JSON states is stored with its keys", "[durable]") {
  World w;
  af::StateGraph<af::JsonState> g;
  int failures = 1;
  g.add_node("a", [](const af::JsonState&) { return af::Update<af::JsonState>().write("log", "a").write("n", 1); });
  g.add_node("b", [&failures](af::JsonState s) {
    if (failures-- > 0) throw std::runtime_error("b fails");
    s.edit("log").push_back("b");
    return s;
  });
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "END");
  const auto app = g.compile(w.options());
  af::JsonFields fields;
  fields.add("log", af::json_reducer::append).add("n", af::json_reducer::sum);
  CHECK_THROWS_AS(w.loop.run(app.ainvoke(af::JsonState(fields), on("t"))), af::node_error);
  const auto done = w.loop.run(app.ainvoke(Resume(), on("t")));
  CHECK(done->at("log").dump() == R"(["a","b"])");
  const auto more = w.loop.run(app.ainvoke(af::Update<af::JsonState>().write("n", 10), on("t")));
  CHECK(more->at("n") == 12);
  CHECK(more->at("log").size() == 4);
}
