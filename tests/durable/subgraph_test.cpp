// SPDX-License-Identifier: MIT
// Subgraphs of durable runs: their steps are stored too, their questions are asked, and what they remember is an
// option.
#include <agentflow/typed/state_graph.hpp>

#include <map>
#include <string>

#include "support/catch.hpp"
#include "support/durable.hpp"

namespace af = agentflow;
using af::NodeContext;
using af::NodeOptions;
using af::Resume;
using af::run_status;
using af::subgraph_memory;
using support::code_of;
using support::input;
using support::Notes;
using support::on;
using support::text;
using support::World;
using Graph = af::StateGraph<Notes>;
using Ledger = std::map<std::string, int>;
using namespace std::chrono_literals;

namespace {

/// Two nodes, one after the other; the second may ask.
af::CompiledGraph<Notes> part(World& w, const std::string& name, bool asks = false) {
  Graph g;
  g.add_node("x", w.plain(name + "x"));
  if (asks)
    g.add_node("y", [&w, name](Notes s, NodeContext& ctx) -> asio::awaitable<Notes> {
      ++w.ran[name + "y"];
      const auto answer = co_await ctx.interrupt<std::string>(name);
      s.log.push_back(name + "y:" + answer);
      co_return s;
    });
  else
    g.add_node("y", w.slow(name + "y", 1s));
  g.set_entry_point("x").add_edge("x", "y").add_edge("y", "END");
  return g.compile();
}

Notes to_child(const Notes& s) {
  Notes child;
  child.log.push_back("in" + std::to_string(s.n));
  return child;
}
af::Update<Notes> from_child(const Notes&, Notes child) {
  return af::Update<Notes>().write<&Notes::log>("(" + text(child) + ")").write<&Notes::n>(1);
}

}  // namespace

TEST_CASE("a subgraph goes on where it failed", "[durable][store]") {
  for (const bool retried : {false, true}) {
    World w;
    Graph g;
    NodeOptions o;
    if (retried) o.retry(af::RetryPolicy().attempts(1));
    g.add_node("a", w.plain("a")).add_node("s", part(w, "p"), o).add_node("z", w.plain("z"));
    g.set_entry_point("a").add_edge("a", "s").add_edge("s", "z").add_edge("z", "END");
    const auto app = g.compile(w.options());
    w.failures["py"] = w.failures["z"] = 1;
    CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
    CHECK_THROWS_AS(w.run(app, Resume(), on("t")), af::node_error);
    CHECK(text(*w.run(app, Resume(), on("t"))) == "hi a px py z =4");
    CHECK(w.ran == Ledger{{"a", 1}, {"px", 1}, {"py", 2}, {"z", 2}});
  }
}

TEST_CASE("a subgraph that is called again begins anew", "[durable][store]") {
  World w;
  Graph g;
  g.add_subgraph("s", part(w, "p"), to_child, from_child);
  g.set_entry_point("s").add_conditional_edges("s", [](const Notes& s) { return s.n < 2 ? "s" : "END"; }, {"s", "END"});
  const auto app = g.compile(w.options());
  w.failures["py"] = 1;
  CHECK_THROWS_AS(w.run(app, input("hi"), on("t")), af::node_error);
  CHECK(text(*w.run(app, Resume(), on("t"))) == "hi (in0 px py =2) (in1 px py =2) =2");
  CHECK(text(*w.run(app, input("more"), on("t"))).ends_with("more (in2 px py =2) =3"));
  CHECK(w.ran == Ledger{{"px", 3}, {"py", 4}});
}

TEST_CASE("a retry in the process begins a subgraph anew", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("s", part(w, "p"), NodeOptions().retry(af::RetryPolicy().attempts(2)));
  g.set_entry_point("s").add_edge("s", "END");
  const auto app = g.compile(w.options());
  w.failures["py"] = 1;
  CHECK(text(*w.run(app, input("hi"), on("t"))) == "hi px py =2");
  CHECK(w.ran == Ledger{{"px", 2}, {"py", 2}});
}

TEST_CASE("questions inside subgraphs, side by side and one in another", "[durable][store]") {
  World w;
  Graph middle;
  middle.add_node("deep", part(w, "d", true)).add_node("m", w.plain("m"));
  middle.set_entry_point("deep").add_edge("deep", "m").add_edge("m", "END");
  Graph g;
  g.add_node("p", part(w, "p", true)).add_node("q", part(w, "q", true)).add_node("mid", middle.compile());
  g.add_node("z", w.plain("z"));
  for (const char* n : {"p", "q", "mid"}) g.set_entry_point(n);
  g.add_edge({"p", "q", "mid"}, "z").add_edge("z", "END");
  const auto app = g.compile(w.options());
  const auto asked = w.run(app, input("hi"), on("t"));
  CHECK(asked.status() == run_status::interrupted);
  std::map<std::string, af::Interrupt> open;
  for (const auto& i : asked.interrupts()) open[i.payload.dump()] = i;
  REQUIRE(open.size() == 3);
  CHECK(open["\"d\""].path == "mid/deep");
  CHECK(open["\"d\""].node == "y");
  CHECK(open["\"p\""].path == "p");
  const auto partly = w.run(app, Resume().answer(open["\"d\""].id, "D").answer(open["\"q\""].id, "Q"), on("t"));
  REQUIRE(partly.interrupts().size() == 1);
  CHECK(partly.interrupts()[0].id == open["\"p\""].id);
  CHECK(text(*w.run(app, Resume("P"), on("t"))) == "hi px py:P qx qy:Q dx dy:D m z =5");
  CHECK(w.ran == Ledger{{"px", 1}, {"py", 2}, {"qx", 1}, {"qy", 2}, {"dx", 1}, {"dy", 2}, {"m", 1}, {"z", 1}});
}

TEST_CASE("what a subgraph remembers", "[durable][store]") {
  World w;
  auto app = [&w](subgraph_memory memory) {
    Graph g;
    g.add_subgraph("s", part(w, "p"), to_child, from_child, NodeOptions().memory(memory));
    g.set_entry_point("s").add_edge("s", "END");
    return g.compile(w.options());
  };
  SECTION("of the thread") {
    const auto a = app(subgraph_memory::thread);
    CHECK(text(*w.run(a, input("1"), on("t"))) == "1 (in0 px py =2) =1");
    w.failures["py"] = 1;
    CHECK_THROWS_AS(w.run(a, input("2"), on("t")), af::node_error);
    CHECK(text(*w.run(a, Resume(), on("t"))) == "1 (in0 px py =2) 2 (in0 px py in1 px py =4) =2");
    CHECK(w.ran == Ledger{{"px", 2}, {"py", 3}});
    CHECK_THAT(text(*w.run(a, input("3"), on("t"))), Catch::EndsWith("3 (in0 px py in1 px py in2 px py =6) =3"));
    CHECK(text(*w.run(a, input("1"), on("u"))) == "1 (in0 px py =2) =1");
    CHECK_THAT(a.to_mermaid(), Catch::Contains("memory per thread"));
    CHECK_THAT(a.to_json(), Catch::Contains("\"memory\":\"thread\""));
  }
  SECTION("nothing") {
    const auto a = app(subgraph_memory::none);
    w.failures["py"] = 1;
    CHECK_THROWS_AS(w.run(a, input("1"), on("t")), af::node_error);
    CHECK(text(*w.run(a, Resume(), on("t"))) == "1 (in0 px py =2) =1");
    CHECK(w.ran == Ledger{{"px", 2}, {"py", 2}});
    CHECK(w.store->records == 2);
    CHECK_THAT(a.to_dot(), Catch::Contains("no memory"));
  }
}

TEST_CASE("a subgraph remembers its calls in one run, and a retry goes on inside", "[durable][store]") {
  for (const auto mode : {af::durability::sync, af::durability::async, af::durability::exit}) {
    INFO("durability " << static_cast<int>(mode));
    World w;
    Graph g;
    auto options = NodeOptions().memory(subgraph_memory::thread).retry(af::RetryPolicy().attempts(2));
    g.add_subgraph("s", part(w, "p"), to_child, from_child, options);
    const auto router = [](const Notes& s) { return s.n < 2 ? "s" : "END"; };
    g.set_entry_point("s").add_conditional_edges("s", router, {"s", "END"});
    const auto app = g.compile(w.options().durability(mode));
    w.failures["py"] = 1;
    CHECK(text(*w.run(app, input("1"), on("t"))) == "1 (in0 px py =2) (in0 px py in1 px py =4) =2");
    CHECK(w.ran == Ledger{{"px", 2}, {"py", 3}});
    CHECK_THAT(text(*w.run(app, input("2"), on("t"))), Catch::EndsWith("2 (in0 px py in1 px py in2 px py =6) =3"));
  }
}

TEST_CASE("a subgraph without memory cannot ask, and memory is for subgraphs", "[durable][store]") {
  World w;
  Graph g;
  g.add_node("s", part(w, "p", true), NodeOptions().memory(subgraph_memory::none));
  g.set_entry_point("s").add_edge("s", "END");
  try {
    w.run(g.compile(w.options()), input("hi"), on("t"));
    FAIL("it asked nobody");
  } catch (const af::error& e) {
    CHECK_THAT(af::describe(e), Catch::Contains("RUN_010"));
  }
  Graph bad;
  bad.add_node("a", w.plain("a"), NodeOptions().memory(subgraph_memory::none));
  bad.add_node("b", part(w, "p"), NodeOptions().memory(subgraph_memory::thread));
  bad.set_entry_point("a").add_edge("a", "b").add_edge("b", "END");
  CHECK_THROWS_WITH(bad.compile(), Catch::Contains("'a'") && Catch::Contains("'b'") && Catch::Contains("GRAPH_008"));
}

TEST_CASE("a subgraph that was stopped goes on inside", "[durable]") {
  World w;
  Graph g;
  g.add_node("s", part(w, "p")).add_node("z", w.plain("z"));
  g.set_entry_point("s").add_edge("s", "z").add_edge("z", "END");
  const auto app = g.compile(w.options());
  for (std::uint64_t k = 1; k < 12; ++k) {
    w.ran.clear();
    const auto thread = "t" + std::to_string(k);
    auto run = app.start(w.loop.executor(), input("hi"), on(thread));
    w.loop.after(w.loop.handlers() + k, [&] { run.stop(); });
    const auto stopped = w.loop.run(run.result());
    const auto done = stopped.status() == run_status::completed ? stopped : w.run(app, Resume(), on(thread));
    CHECK(text(*done) == "hi px py z =3");
    CHECK(w.ran == Ledger{{"px", 1}, {"py", 1}, {"z", 1}});
  }
}
