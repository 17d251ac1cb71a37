// SPDX-License-Identifier: MIT
// StateGraph: where a run goes, by edges, joins, routers, Sends, Commands, deferral and loops.
#include <agentflow/typed/state_graph.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::NodeOptions;
using af::Route;
using af::Send;
using Catch::Matchers::Contains;

namespace {

struct Trail {
  std::string log;  // "step:node " of each node that ran
  int n = 0;
  std::string choice;
};
AGENTFLOW_STATE(Trail, (log, af::append), (n, af::sum), choice)

using Graph = af::StateGraph<Trail>;
using Update = af::Update<Trail>;
using Command = af::Command<Trail>;

Update step(const Trail&, af::NodeContext& ctx) {
  return Update().write<&Trail::n>(1).write<&Trail::log>(std::to_string(ctx.step()) + ":" + ctx.node() + " ");
}
asio::awaitable<Update> later(const Trail& s, af::NodeContext& ctx) {
  co_await give_way();
  co_return step(s, ctx);
}
Graph with_nodes(const std::vector<std::string>& names) {
  Graph g;
  bool async = false;  // every other one, so that every way through the engine is taken
  for (const auto& name : names) {
    if (async)
      g.add_node(name, later);
    else
      g.add_node(name, step);
    async = !async;
  }
  return g;
}
std::string trail(const Graph& g, Trail in = {}, const af::RunConfig& config = {}) {
  std::string log = g.compile().invoke(std::move(in), config)->log;
  if (!log.empty()) log.pop_back();
  return log;
}
/// What a run of the graph fails with.
std::string failure(const Graph& g) {
  try {
    g.compile().invoke(Trail());
  } catch (const af::routing_error& e) {
    CHECK(e.code() == af::errc::routing_failed);
    return af::describe(e);
  }
  return "no routing_error";
}

struct Item {
  std::string word;
};

}  // namespace

TEST_CASE("Edges lead from step to step and fan out", "[routing]") {
  Graph g = with_nodes({"a", "b", "c", "d"});
  g.add_edge(af::START, "a")
      .add_edge("a", "b")
      .add_edge("a", "c")
      .add_edge("b", "d")
      .add_edge("c", "d")
      .add_edge("d", af::END);
  CHECK(trail(g) == "1:a 2:b 2:c 3:d");  // both lead to d, which runs once
  g.add_edge("a", "d");
  CHECK(trail(g) == "1:a 2:b 2:c 2:d 3:d");
}

TEST_CASE("END ends a path, not the run", "[routing]") {
  Graph g = with_nodes({"a", "b", "c"});
  g.set_entry_point("a").set_entry_point("b").add_edge("a", "END").add_edge("b", "c").add_edge("c", "END");
  CHECK(trail(g) == "1:a 1:b 2:c");
}

TEST_CASE("Nodes of one step see the state as of its beginning", "[routing]") {
  Graph g;
  const auto look = [](const Trail& s) {
    return Update().write<&Trail::log>(std::to_string(s.n) + " ").write<&Trail::n>(1);
  };
  g.add_node("a", look).add_node("b", look).add_node("c", look);
  g.set_entry_point("a").set_entry_point("b").add_edge({"a", "b"}, "c").add_edge("c", "END");
  CHECK(trail(g) == "0 0 2");
}

TEST_CASE("A join waits for all of its sources, in each round of a loop", "[routing]") {
  Graph g = with_nodes({"plan", "fast", "slow", "slower", "check"});
  g.set_entry_point("plan").add_edge("plan", "fast").add_edge("plan", "slow").add_edge("slow", "slower");
  g.add_edge({"fast", "slower"}, "check");
  g.add_conditional_edges("check", [](const Trail& s) { return s.n < 10 ? "again" : "over"; },
                          {{"again", "plan"}, {"over", "END"}});
  CHECK(trail(g) == "1:plan 2:fast 2:slow 3:slower 4:check 5:plan 6:fast 6:slow 7:slower 8:check");

  Graph one = with_nodes({"a", "b"});
  one.set_entry_point("a").add_edge(std::vector<std::string>{"a"}, "b").add_edge("b", "END");
  CHECK(trail(one) == "1:a 2:b");
}

TEST_CASE("A join that routing starves is an error, not a silent end", "[routing]") {
  Graph g = with_nodes({"a", "b", "c", "d"});
  g.set_entry_point("a").add_edge({"b", "c"}, "d").add_edge("d", "END");
  g.add_conditional_edges("a", [](const Trail&) { return std::vector<std::string>{"b"}; }, {"b", "c"});
  CHECK_THAT(failure(g), Contains("'d'") && Contains("'c'"));
}

TEST_CASE("A router returns a name, several, Sends, END or a bool", "[routing]") {
  const auto run = [](auto router) {
    Graph g = with_nodes({"a", "b", "c", "true", "false"});
    g.set_entry_point("a").add_conditional_edges("a", router);
    for (const auto* end : {"b", "c", "true", "false"}) g.add_edge(end, "END");
    return trail(g);
  };
  CHECK(run([](const Trail&) { return "b"; }) == "1:a 2:b");
  CHECK(run([](Trail) { return std::string("c"); }) == "1:a 2:c");
  CHECK(run([](const Trail&) -> std::string_view { return "c"; }) == "1:a 2:c");
  CHECK(run([](const Trail&) { return af::END; }) == "1:a");
  CHECK(run([](const Trail&) { return std::vector<std::string>{"c", "b", "c"}; }) == "1:a 2:b 2:c");
  CHECK(run([](const Trail&) { return std::vector<const char*>{"b", "END"}; }) == "1:a 2:b");
  CHECK(run([](const Trail&) { return Route{"c", "b"}; }) == "1:a 2:b 2:c");
  CHECK(run([](const Trail& s) { return s.n > 0; }) == "1:a 2:true");
  CHECK(run([](const Trail& s) { return s.n > 1; }) == "1:a 2:false");
  CHECK(run([](const Trail& s) { return Send("b", s); }) == "1:a 2:b");
  CHECK(run([](const Trail& s) { return std::vector<Send>{Send("b", s), Send("c", s), Send("b", s)}; }) ==
        "1:a 2:b 2:b 2:c");
  CHECK(run([](const Trail& s) {
          Route r("c");
          r.add(Send("b", s)).add("b");
          return r;
        }) == "1:a 2:b 2:b 2:c");
  CHECK(run([](const Trail&, af::NodeContext& ctx) { return ctx.node() == "a" && ctx.step() == 1 ? "b" : "END"; }) ==
        "1:a 2:b");
  CHECK(run([](const Trail&) -> asio::awaitable<std::string> {
          co_await give_way(2);
          co_return "b";
        }) == "1:a 2:b");
  CHECK(run([](Trail s, af::NodeContext&) -> asio::awaitable<bool> {
          co_await give_way();
          co_return s.n == 1;
        }) == "1:a 2:true");
}

TEST_CASE("A router may be move-only, start the run, and stand beside others and plain edges", "[routing]") {
  for (const bool async : {false, true}) {
    Graph g = with_nodes({"a", "b", "c", "d"});
    const auto to_b = [name = std::make_shared<std::string>("b")](const Trail&) { return *name; };
    g.add_conditional_edges("START", [own = std::make_unique<std::string>("a")](const Trail&) { return *own; },
                            {"a", "b"});
    g.add_edge("a", "d");
    if (async) {
      g.add_conditional_edges("a", [to_b](const Trail& s) -> asio::awaitable<std::string> {
        co_await give_way();
        co_return to_b(s);
      });
      g.add_conditional_edges("a", [](const Trail&) -> asio::awaitable<Route> {
        Route r{"c", "b"};
        co_return r;
      });
    } else {
      g.add_conditional_edges("a", to_b);
      g.add_conditional_edges("a", [](const Trail&) { return Route{"c", "b"}; });
    }
    for (const auto* end : {"b", "c", "d"}) g.add_edge(end, "END");
    CHECK(trail(g) == "1:a 2:b 2:c 2:d");
  }
}

TEST_CASE("A path map says where a router's keys lead", "[routing]") {
  const auto graph = [](auto router) {
    Graph g = with_nodes({"a", "yes-node", "no-node"});
    g.set_entry_point("a").add_conditional_edges("a", router,
                                                 {{"true", "yes-node"}, {"false", "no-node"}, {"out", "END"}});
    g.add_edge("yes-node", "END").add_edge("no-node", "END");
    return g;
  };
  CHECK(trail(graph([](const Trail&) { return true; })) == "1:a 2:yes-node");
  CHECK(trail(graph([](const Trail&) { return false; })) == "1:a 2:no-node");
  CHECK(trail(graph([](const Trail&) { return "out"; })) == "1:a");
  CHECK(trail(graph([](const Trail&) { return Route{"false", "true"}; })) == "1:a 2:yes-node 2:no-node");
  CHECK(trail(graph([](const Trail& s) { return Send("no-node", s); })) == "1:a 2:no-node");
  CHECK_THAT(failure(graph([](const Trail&) { return "yes-node"; })),
             Contains("'yes-node'") && Contains("'a'") && Contains("true") && Contains("out"));
}

TEST_CASE("A router that fails fails the run, naming the edge", "[routing]") {
  const auto fails = [](auto router) {
    Graph g = with_nodes({"a", "b"});
    g.set_entry_point("a").add_conditional_edges("a", router).add_edge("b", "END");
    return failure(g);
  };
  CHECK_THAT(fails([](const Trail&) -> std::string { throw std::runtime_error("no idea"); }),
             Contains("'a'") && Contains("no idea") && Contains("caused by"));
  CHECK_THAT(fails([](const Trail&) -> std::string { throw 7; }), Contains("int: 7"));
  CHECK_THAT(fails([](const Trail&) -> asio::awaitable<std::string> {
               co_await give_way();
               throw std::runtime_error("no idea");
             }),
             Contains("no idea"));
  CHECK_THAT(fails([](const Trail&) { return "nowhere"; }), Contains("'nowhere'") && Contains("a, b"));
  CHECK_THAT(fails([](const Trail&) { return ""; }), Contains("''"));
  CHECK_THAT(fails([](const Trail&) { return std::vector<std::string>(); }), Contains("END"));
  CHECK_THAT(fails([](const Trail&) { return "START"; }), Contains("START"));
  CHECK_THAT(fails([](const Trail&) { return Send("b", 1); }), Contains("'b'"));
  CHECK_THAT(fails([](const Trail& s) { return Send("END", s); }), Contains("END"));
}

TEST_CASE("A Send starts a node with an input of its own, as often as it is sent", "[routing]") {
  const auto spread = [](const Trail&) {
    std::vector<Send> sends;
    for (const auto* word : {"one", "two", "three"}) sends.emplace_back("map", Item{word});
    return sends;
  };
  const auto check = [&](auto map) {
    Graph g = with_nodes({"a", "end"});
    g.add_node("map", map).set_entry_point("a").add_conditional_edges("a", spread);
    g.add_edge("map", "end").add_edge("end", "END");
    CHECK(trail(g) == "1:a one0 two1 three2 3:end");
  };
  const auto update = [](const Item& i, af::NodeContext& ctx) {
    return Update().write<&Trail::log>(i.word + std::to_string(ctx.task()) + " ");
  };
  check(update);
  check([=](Item i, af::NodeContext& ctx) { return update(i, ctx); });
  check(af::blocking(update));
  check([=](Item i, af::NodeContext& ctx) -> asio::awaitable<Command> {
    co_await give_way(4 - static_cast<int>(ctx.task()));  // the last Send is done first
    co_return Command().update(update(i, ctx));
  });
}

TEST_CASE("A Send may carry a state, which the node sees instead of the shared one", "[routing]") {
  Graph g = with_nodes({"a"});
  g.add_node("b", [](Trail s) {
    s.log += s.choice + std::to_string(s.n) + " ";
    s.n += 1;
    s.choice.clear();
    return s;
  });
  g.set_entry_point("a").add_edge("b", "END").add_conditional_edges("a", [](const Trail& s) {
    Trail mine = s;
    mine.choice = "sent";
    mine.n = 50;
    return Send("b", mine);
  });
  const auto result = g.compile().invoke(Trail());
  CHECK(result->log == "1:a sent50 ");
  CHECK(result->n == 2);  // what the node changed against what it was sent
}

TEST_CASE("A Command goes where it says instead of along the edges", "[routing]") {
  const auto run = [](auto command, af::edges rule = af::edges::replaced) {
    Graph g = with_nodes({"b", "c", "d"});
    g.add_node(
        "a", [command](const Trail& s, af::NodeContext& ctx) { return command().update(step(s, ctx)); },
        NodeOptions().edges(rule));
    g.set_entry_point("a").add_edge("a", "d").add_conditional_edges("a", [](const Trail&) { return "d"; });
    for (const auto* end : {"b", "c", "d"}) g.add_edge(end, "END");
    return trail(g);
  };
  const auto both = af::edges::both;
  CHECK(run([] { return Command(); }) == "1:a 2:d");
  CHECK(run([] { return Command().go_to("b"); }) == "1:a 2:b");
  CHECK(run([] { return Command().go_to("c").go_to(std::string("b")); }) == "1:a 2:b 2:c");
  CHECK(run([] { return Command().go_to(af::END); }) == "1:a");
  CHECK(run([] { return Command().go_to("END").go_to("c"); }) == "1:a 2:c");
  CHECK(run([] { return Command().go_to("b"); }, both) == "1:a 2:b 2:d");
  CHECK(run([] { return Command().go_to("d"); }, both) == "1:a 2:d");
  CHECK(run([] { return Command().go_to("END"); }, both) == "1:a 2:d");
  CHECK(run([] { return Command(); }, both) == "1:a 2:d");
  CHECK(run([] { return Command().send(Send("b", Trail())).send(Send("b", Trail())); }) == "1:a 2:b 2:b");
}

TEST_CASE("A Command to somewhere else is an error", "[routing]") {
  const auto fails = [](const char* where, NodeOptions options) {
    Graph g = with_nodes({"b", "c"});
    g.add_node("a", [where](const Trail&) { return Command().go_to(where); }, std::move(options));
    g.set_entry_point("a").add_edge("a", "c").add_edge("b", "END").add_edge("c", "END");
    return failure(g);
  };
  CHECK_THAT(fails("nowhere", {}), Contains("'nowhere'") && Contains("b, c"));
  CHECK_THAT(fails("c", NodeOptions().destinations({"b"})), Contains("'c'") && Contains("destinations"));
  CHECK(fails("b", NodeOptions().destinations({"b"})) == "no routing_error");
}

TEST_CASE("A deferred node waits until nothing else is left to run", "[routing]") {
  Graph g = with_nodes({"a", "b", "c", "d"});
  g.add_node("last", step, NodeOptions().defer()).add_node("after", step);
  g.set_entry_point("a").add_edge("a", "last").add_edge("a", "b").add_edge("b", "c").add_edge("c", "last");
  g.add_edge("c", "d").add_edge("d", "END").add_edge("last", "after").add_edge("after", "END");
  CHECK(trail(g) == "1:a 2:b 3:c 4:d 5:last 6:after");
}

TEST_CASE("A deferred node gathers Sends and branches of any length", "[routing]") {
  Graph g = with_nodes({"a", "short", "long", "longer"});
  g.add_node("gather", [](const Item& i) { return Update().write<&Trail::log>(i.word + " "); }, NodeOptions().defer());
  const auto send = [](const char* word) { return [word](const Trail&) { return Send("gather", Item{word}); }; };
  g.set_entry_point("a").add_conditional_edges("a", [](const Trail&) { return Route{"short", "long"}; },
                                               {"short", "long"});
  g.add_conditional_edges("short", send("x"), {"gather"}).add_edge("long", "longer");
  g.add_conditional_edges("longer", send("y"), {"gather"}).add_edge("gather", "END");
  CHECK(trail(g) == "1:a 2:short 2:long 3:longer x y");
}

TEST_CASE("A loop goes on until its router or Command ends it", "[routing]") {
  Graph g = with_nodes({"a", "b"});
  g.set_entry_point("a").add_edge("a", "b");
  g.add_conditional_edges("b", [](const Trail& s) { return s.n >= 6 ? "END" : "a"; }, {"a", "END"});
  CHECK(trail(g) == "1:a 2:b 3:a 4:b 5:a 6:b");

  Graph self;
  self.add_node(
      "a",
      [](const Trail& s) { return Command().update(Update().write<&Trail::n>(1)).go_to(s.n < 2000 ? "a" : "END"); },
      NodeOptions().destinations({"a", "END"}));
  self.set_entry_point("a");
  CHECK(self.compile().invoke(Trail(), af::RunConfig().recursion_limit(5000)).steps() == 2001);
}

TEST_CASE("Several Sends to one source feed a join once", "[routing][join]") {
  for (const auto& order : {std::vector<std::string>{"fan", "other", "part", "sum"}, {"fan", "part", "other", "sum"}}) {
    Graph g = with_nodes(order);
    g.set_entry_point("fan");
    g.add_conditional_edges("fan",
                            [](const Trail& s) {
                              Route r;
                              r.add(std::string("other"));
                              for (int i = 0; i < 3; ++i) r.add(Send("part", s));
                              return r;
                            },
                            {"other", "part"});
    g.add_edge({"other", "part"}, "sum").add_edge("sum", "END");
    const auto result = g.compile().invoke(Trail());
    CHECK(result.steps() == 3);
    CHECK(result->n == 6);
  }
}

TEST_CASE("A Send of text carries a std::string", "[routing]") {
  Graph g;
  g.add_node("n", [](const std::string& text) { return Update().write<&Trail::log>(text + " "); });
  g.add_conditional_edges("START", [](const Trail&) {
    const std::string gone = "third";
    return std::vector<Send>{Send("n", "first"), Send("n", std::string_view("second")), Send("n", gone.c_str())};
  });
  g.add_edge("n", "END");
  CHECK(g.compile().invoke(Trail()).state.log == "first second third ");
}
