// SPDX-License-Identifier: MIT
// What a graph does with its Store, and with both of its storages when it is closed.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <memory>
#include <string>

#include <asio/this_coro.hpp>

#include <agentflow/memory/memory_store.hpp>
#include <agentflow/ports/store.hpp>

#include "support/catch.hpp"
#include "support/durable.hpp"

namespace af = agentflow;
using af::shutdown_status;
using support::code_of;
using support::input;
using support::Notes;
using support::on;
using support::text;
using support::World;
using Graph = af::StateGraph<Notes>;
using namespace std::chrono_literals;

namespace {

/// Tells how often it was asked before, by anybody.
asio::awaitable<Notes> count(Notes s, af::NodeContext& ctx) {
  const af::StoreNamespace ns(1, "counts");
  auto known = ctx.store().get(ns, "asked");
  const auto item = co_await std::move(known);
  const int times = item ? af::from_json_value<int>(item->value) : 0;
  auto keep = ctx.store().put(ns, "asked", af::to_json_value(times + 1));
  co_await std::move(keep);
  s.n = times;
  co_return s;
}

af::CompiledGraph<Notes> counting(af::CompileOptions options) {
  Graph g;
  g.add_node("count", count).set_entry_point("count").add_edge("count", "END");
  return g.compile(std::move(options));
}

}  // namespace

TEST_CASE("a graph remembers in its store beyond threads, in subgraphs too", "[durable]") {
  World w;
  const auto store = af::memory_store(w.loop.clock());
  const auto app = counting(w.options().store(store));
  CHECK(w.run(app, input("x"), on("t"))->n == 0);
  CHECK(w.run(app, input("x"), on("u"))->n == 1);
  CHECK(w.run(app, input("x"), {})->n == 2);
  Graph outer;
  outer.add_node("inner", counting(af::CompileOptions())).set_entry_point("inner").add_edge("inner", "END");
  CHECK(w.run(outer.compile(w.options().store(store)), input("x"), {})->n == 3);
  const auto lost = counting(w.options());
  CHECK_THROWS_WITH(w.run(lost, input("x"), {}), Catch::Contains("count"));
  try {
    w.run(lost, input("x"), {});
  } catch (const af::error& e) {
    CHECK_THAT(af::describe(e), Catch::Contains("RUN_005") && Catch::Contains("CompileOptions().store"));
  }
}

TEST_CASE("closing a graph waits for its checkpointer and its store, which others go on using", "[durable][close]") {
  World w;
  const auto options = w.options().store(af::memory_store(w.loop.clock()));
  const auto app = counting(options);
  w.run(app, input("x"), on("t"));
  bool flushed = false;
  w.store->on_flush = [&]() -> asio::awaitable<void> {
    auto rest = af::sleep(1s);
    co_await std::move(rest);
    flushed = true;
  };
  const auto stats = w.loop.run(app.aclose());
  CHECK(flushed);
  CHECK(stats.clean());
  CHECK(stats.checkpointer.status == shutdown_status::completed);
  CHECK(stats.checkpointer.completed == 1);
  CHECK(stats.store.status == shutdown_status::completed);
  CHECK(stats.total == 1s);
  CHECK(w.run(counting(options), input("x"), on("t"))->n == 1);

  Graph plain;
  plain.add_node("a", w.plain("a")).set_entry_point("a").add_edge("a", "END");
  const auto none = w.loop.run(plain.compile().aclose());
  CHECK(none.checkpointer.status == shutdown_status::none);
  CHECK(none.store.status == shutdown_status::none);
}

TEST_CASE("a checkpointer that cannot keep what it has, or does not end, shows in the close", "[durable][close]") {
  World w;
  const auto app = counting(w.options().store(af::memory_store(w.loop.clock())).shutdown_timeout(10s));
  SECTION("it fails") {
    w.store->on_flush = []() -> asio::awaitable<void> {
      throw af::storage_error(af::errc::storage_unavailable, "the disk is full");
      co_return;
    };
    const auto stats = w.loop.run(app.aclose());
    CHECK(stats.checkpointer.status == shutdown_status::failed);
    CHECK_THAT(stats.checkpointer.error, Catch::Contains("CHECKPOINT_006") && Catch::Contains("the disk is full"));
    CHECK(stats.store.status == shutdown_status::completed);
    CHECK_FALSE(stats.clean());
    CHECK_FALSE(stats.deadline_exceeded);
  }
  SECTION("it hangs") {
    w.store->on_flush = []() -> asio::awaitable<void> {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      auto rest = af::sleep(1h);
      co_await std::move(rest);
    };
    const auto stats = w.loop.run(app.aclose());
    CHECK(stats.checkpointer.status == shutdown_status::timed_out);
    CHECK(stats.checkpointer.abandoned == 1);
    CHECK(stats.store.status == shutdown_status::completed);
    CHECK(stats.deadline_exceeded);
    CHECK(stats.total <= 11s);
  }
}
