// SPDX-License-Identifier: MIT
// Durable runs: what is stored, what a resume runs again and what not, and what each input does to each thread.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/durable.hpp"

namespace af = agentflow;
using af::CompileOptions;
using af::NodeContext;
using af::Resume;
using af::RunConfig;
using af::testing::VirtualLoop;
using support::code_of;
using support::input;
using support::Notes;
using support::on;
using support::text;
using support::World;
using Graph = af::StateGraph<Notes>;
using namespace std::chrono_literals;

namespace {

using Ledger = std::map<std::string, int>;

Graph chain(World& w) {
  Graph g;
  g.add_node("a", w.plain("a")).add_node("b", w.slow("b", 1s)).add_node("c", w.plain("c"));
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
  return g;
}

}  // namespace

TEST_CASE("a durable run comes to what any run does, and its thread goes on", "[durable][store]") {
  World w;
  const auto app = chain(w).compile(w.options());
  const auto first = w.run(app, input("hi"), on("t"));
  CHECK(text(*first) == "hi a b c =3");
  CHECK(first.status() == af::run_status::completed);
  CHECK(first.steps() == 3);
  CHECK_FALSE(first.checkpoint_id().empty());
  CHECK(w.store->records == 4);  // the input and three steps
  CHECK(w.store->writes == 0);

  const auto second = w.run(app, input("again"), on("t"));
  CHECK(text(*second) == "hi a b c again a b c =6");
  CHECK(second.steps() == 3);
  // Another thread, and a run without one, know nothing of it.
  CHECK(text(*w.run(app, input("hi"), on("u"))) == "hi a b c =3");
  const auto records = w.store->records;
  CHECK(text(*w.run(app, input("hi"), {})) == "hi a b c =3");
  CHECK(w.store->records == records);
}

TEST_CASE("a graph of plain functions is stored too", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", w.plain("a")).add_node("b", w.plain("b"));
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "END");
  const auto app = g.compile(w.options());
  CHECK(text(*app.invoke(input("x"), on("t"))) == "x a b =2");
  CHECK(text(*app.invoke(Resume(), on("t"))) == "x a b =2");
  CHECK(w.ran == Ledger{{"a", 1}, {"b", 1}});
  CHECK(w.store->records == 3);
}

TEST_CASE("a failed run goes on at the step that failed", "[durable][store]") {
  World w;
  const auto app = chain(w).compile(w.options());
  w.failures["b"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  const auto result = w.run(app, Resume(), on("t"));
  CHECK(text(*result) == "hi a b c =3");
  CHECK(result.steps() == 2);
  CHECK(w.ran == Ledger{{"a", 1}, {"b", 2}, {"c", 1}});
}

TEST_CASE("a resume of a finished thread runs nothing", "[durable][store]") {
  World w;
  const auto app = chain(w).compile(w.options());
  const auto first = w.run(app, input("hi"), on("t"));
  const auto records = w.store->records;
  const auto again = w.run(app, Resume(), on("t"));
  CHECK(text(*again) == text(*first));
  CHECK(again.status() == af::run_status::completed);
  CHECK(again.checkpoint_id() == first.checkpoint_id());
  CHECK(w.store->records == records);
  CHECK(w.ran["a"] == 1);
  CHECK(code_of([&] { w.run(app, Resume(1), on("t")); }) == "RUN_009");
  CHECK(code_of([&] { w.run(app, Resume(), on("unknown")); }) == "CHECKPOINT_003");
  CHECK(code_of([&] { w.run(app, Resume(), {}); }) == "RUN_010");
}

TEST_CASE("new input for a failed thread is the next turn, and drops what was left", "[durable][store]") {
  World w;
  const auto app = chain(w).compile(w.options());
  w.failures["b"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  CHECK(text(*w.run(app, input("more"), on("t"))) == "hi a more a b c =4");
  const auto runs = w.loop.run(w.store->runs());
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].status == af::stored_status::completed);
  CHECK(runs[1].status == af::stored_status::failed);
}

TEST_CASE("a stopped run goes on where it was", "[durable]") {
  World w;
  const auto app = chain(w).compile(w.options());
  auto run = app.start(w.loop.executor(), input("hi"), on("t"));
  w.loop.after(3, [&] { run.stop(); });
  const auto stopped = w.loop.run(run.result());
  CHECK(stopped.status() == af::run_status::stopped);
  CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a b c =3");
  CHECK(w.ran["a"] == 1);
  CHECK(w.ran["b"] == 1);
}

TEST_CASE("a state given to a thread is what it changes", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", w.plain("a"));
  g.set_entry_point("a").add_edge("a", "END");
  const auto app = g.compile(w.options());
  Notes titled = input("x");
  titled.title = "first";
  w.run(app, std::move(titled), on("t"));
  const auto second = w.run(app, input("y"), on("t"));
  CHECK(second->title == "first");
  CHECK(text(*second) == "x a y a =2");
  const auto third = w.run(app, af::Update<Notes>().write<&Notes::title>("third"), on("t"));
  CHECK(third->title == "third");
  CHECK(third->log.size() == 5);
}

TEST_CASE("siblings of a failed branch do not run again, and the join runs once", "[durable][store]") {
  for (const bool slow_first : {false, true}) {
    World w;
    Graph g;
    g.add_node("a", w.slow("a", slow_first ? 5s : 1s)).add_node("b", w.slow("b", 2s)).add_node("c", w.plain("c"));
    g.add_node("z", w.plain("z"));
    for (const char* n : {"a", "b", "c"}) g.set_entry_point(n);
    g.add_edge({"a", "b", "c"}, "z").add_edge("z", "END");
    const auto app = g.compile(w.options());
    w.failures["b"] = 1;
    CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
    const auto result = w.run(app, Resume(), on("t"));
    CHECK(text(*result) == "hi a b c z =4");
    CHECK(w.ran == Ledger{{"a", slow_first ? 2 : 1}, {"b", 2}, {"c", 1}, {"z", 1}});
    // What was pending is in the step now.
    for (std::uint64_t seq = 1; seq <= 3; ++seq) CHECK(w.loop.run(w.store->load("t", "", seq))->writes.empty());
  }
}

TEST_CASE("what Sends carry survives", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("item", [&w](int i, NodeContext& ctx) -> asio::awaitable<af::Update<Notes>> {
    ++w.ran["item" + std::to_string(i)];
    co_await ctx.sleep(std::chrono::seconds(i));
    if (i == 2 && w.failures["two"]-- > 0) throw std::runtime_error("two fails");
    co_return af::Update<Notes>().write<&Notes::log>("i" + std::to_string(i)).write<&Notes::n>(i);
  });
  g.add_node("whole", [](Notes s) {
    s.log.push_back("whole of " + s.title);
    return s;
  });
  g.add_conditional_edges("START", [](const Notes&) {
    Notes own;
    own.title = "own";
    af::Route r;
    for (int i : {1, 2, 3}) r.add(af::Send("item", i));
    r.add(af::Send("whole", own));
    return r;
  });
  g.add_edge("item", "END").add_edge("whole", "END");
  const auto app = g.compile(w.options());
  w.failures["two"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  CHECK(text(*w.run(app, Resume(), on("t"))) == "hi i1 i2 i3 whole of own =6");
  CHECK(w.ran == Ledger{{"item1", 1}, {"item2", 2}, {"item3", 2}});
}

TEST_CASE("commands survive, also of branches that had finished", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", [&w](const Notes&) {
    ++w.ran["a"];
    return af::Command<Notes>()
        .update(af::Update<Notes>().write<&Notes::log>("a"))
        .go_to("x")
        .send(af::Send("item", 7));
  });
  g.add_node("b", w.slow("b", 1s)).add_node("x", w.plain("x"));
  g.add_node("item", [](int i) { return af::Update<Notes>().write<&Notes::n>(i); });
  g.set_entry_point("a").set_entry_point("b").add_edge("b", "END").add_edge("x", "END").add_edge("item", "END");
  const auto app = g.compile(w.options());
  w.failures["b"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a b x =9");
  CHECK(w.ran == Ledger{{"a", 1}, {"b", 2}, {"x", 1}});
}

TEST_CASE("a join keeps its progress, and a deferred node its place", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", w.plain("a")).add_node("b", w.plain("b")).add_node("c", w.plain("c")).add_node("d", w.plain("d"));
  g.add_node("z", w.plain("z")).add_node("last", w.plain("last"), af::NodeOptions().defer());
  g.set_entry_point("a").set_entry_point("b").add_edge("b", "c").add_edge("c", "d").add_edge({"a", "d"}, "z");
  g.add_edge("a", "last").add_edge("z", "END").add_edge("last", "END");
  const auto app = g.compile(w.options());
  w.failures["c"] = w.failures["d"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  CHECK_THROWS_AS(w.run(app, Resume(), on("t")), af::node_error);
  CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a b c d z last =6");
  CHECK(w.ran == Ledger{{"a", 1}, {"b", 1}, {"c", 2}, {"d", 2}, {"z", 1}, {"last", 1}});
}

TEST_CASE("a router that fails costs no node its result", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", w.plain("a")).add_node("b", w.plain("b"));
  g.set_entry_point("a").add_conditional_edges("a",
                                               [&w](const Notes&) {
                                                 if (w.failures["router"]-- > 0) throw std::runtime_error("no way");
                                                 return "b";
                                               },
                                               {"b"});
  g.add_edge("b", "END");
  const auto app = g.compile(w.options());
  w.failures["router"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::routing_error);
  CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a b =2");
  CHECK(w.ran == Ledger{{"a", 1}, {"b", 1}});
}

TEST_CASE("what cannot be merged runs again", "[durable][store]") {
  World w;
  Graph g;
  int title = 0;
  for (const char* n : {"a", "b"}) {
    g.add_node(n, [&w, &title, n](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
      ++w.ran[n];
      co_await ctx.sleep(*n == 'a' ? 1s : 2s);
      if (title < 2) s.title = n;
      ++title;
      co_return s;
    });
    g.set_entry_point(n).add_edge(n, "END");
  }
  const auto app = g.compile(w.options());
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::state_error);
  CHECK(w.run(app, Resume(), on("t"))->title.empty());
  CHECK(w.ran == Ledger{{"a", 2}, {"b", 2}});
}

TEST_CASE("the recursion limit counts anew after a resume", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("a", w.plain("a"));
  g.set_entry_point("a").add_conditional_edges("a", [](const Notes& s) { return s.n < 7 ? "a" : "END"; }, {"a", "END"});
  const auto app = g.compile(w.options());
  CHECK_THROWS_AS(w.run(app, input("x"), on("t").recursion_limit(3)), af::recursion_error);
  CHECK_THROWS_AS(w.run(app, Resume(), on("t").recursion_limit(3)), af::recursion_error);
  const auto last = w.run(app, Resume(), on("t").recursion_limit(3));
  CHECK(text(*last) == "x a a a a a a a =7");
  CHECK(last.steps() == 1);
}

TEST_CASE("a thread belongs to one run at a time", "[durable][store]") {
  World w;
  const auto app = chain(w).compile(w.options());
  SECTION("a second one is refused") {
    auto first = app.start(w.loop.executor(), input("1"), on("t"));
    auto both = [&]() -> asio::awaitable<std::string> {
      std::string code = "none";
      try {
        auto op = app.ainvoke(input("2"), on("t"));
        co_await std::move(op);
      } catch (const af::storage_error& e) {
        code = std::string(af::code_name(e.code()));
      }
      co_return code;
    };
    CHECK(w.loop.run(both()) == "CHECKPOINT_001");
    CHECK(text(*w.loop.run(first.result())) == "1 a b c =3");
  }
  SECTION("or waits for its turn") {
    auto first = app.start(w.loop.executor(), input("1"), on("t"));
    auto second = app.start(w.loop.executor(), input("2"), on("t").on_busy(af::on_busy::queue));
    auto third = app.start(w.loop.executor(), input("3"), on("t").on_busy(af::on_busy::queue));
    CHECK(text(*w.loop.run(third.result())) == "1 a b c 2 a b c 3 a b c =9");
    CHECK(text(*w.loop.run(second.result())) == "1 a b c 2 a b c =6");
  }
  SECTION("or cancels the older one") {
    auto first = app.start(w.loop.executor(), input("1"), on("t"));
    auto second = app.start(w.loop.executor(), input("2"), on("t").on_busy(af::on_busy::cancel_older));
    CHECK_THAT(text(*w.loop.run(second.result())), Catch::StartsWith("1 ") && Catch::Contains(" 2 a b c ="));
    CHECK(code_of([&] { w.loop.run(first.result()); }) == "RUN_002");
  }
  SECTION("also where another graph object has it") {
    const auto other = chain(w).compile(w.options());
    auto first = other.start(w.loop.executor(), input("1"), on("t"));
    auto second = app.start(w.loop.executor(), input("2"), on("t").on_busy(af::on_busy::queue));
    CHECK(text(*w.loop.run(second.result())) == "1 a b c 2 a b c =6");
  }
}

TEST_CASE("what cannot be stored is refused when the graph is compiled", "[durable][store]") {
  World w;
  struct Opaque {
    void* p;
  };
  Graph g;
  g.add_node("a", w.plain("a")).add_node("item", [](Opaque) { return af::Update<Notes>(); });
  g.set_entry_point("a").add_edge("item", "END");
  g.add_conditional_edges("a", [](const Notes&) { return af::Send("item", Opaque{nullptr}); }, {"item"});
  CHECK_NOTHROW(g.compile());
  CHECK_THROWS_WITH(g.compile(w.options()), Catch::Contains("JSON_007") && Catch::Contains("'item'"));
}
