// SPDX-License-Identifier: MIT
// compile(): every kind of problem, all at once, and graphs that have none.
#include <agentflow/graph/graph_builder.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <asio/thread_pool.hpp>

#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using af::errc;
using af::NodeOptions;
using Catch::Matchers::Contains;

namespace {

struct Work {
  std::string single;
  std::string other;
  int many = 0;
};
AGENTFLOW_STATE(Work, single, other, (many, af::sum))

struct Item {
  int n = 0;
};

using Graph = af::StateGraph<Work>;
using Names = std::vector<std::string>;

void pass(const Work&) {}
af::Command<Work> command(const Work&) { return {}; }
std::string one(const Work&) { return "END"; }
Names several(const Work&) { return {"END"}; }
void item(const Item&) {}

Graph with(const Names& nodes) {
  Graph g;
  for (const auto& n : nodes) g.add_node(n, pass);
  return g;
}
/// START -> a -> b -> c -> END, ready to be spoilt.
Graph chain() {
  return with({"a", "b", "c"}).set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
}

std::vector<af::GraphProblem> problems(const Graph& g, const af::CompileOptions& options = {}) {
  try {
    (void)g.compile(options);
  } catch (const af::graph_error& e) {
    CHECK_FALSE(e.problems().empty());
    CHECK(e.code() == (e.problems().size() == 1 ? e.problems().front().code : errc::graph_invalid));
    for (const auto& p : e.problems()) {
      CHECK(e.has(p.code));
      CHECK_THAT(e.what(), Contains(std::string(af::code_name(p.code))) && Contains(p.message));
    }
    return e.problems();
  }
  return {};
}
std::string summary(const std::vector<af::GraphProblem>& all) {
  std::string out;
  for (const auto& p : all) out += std::string(af::code_name(p.code)) + ": " + p.message + "\n";
  return out;
}
/// Expects exactly one problem, of this code, about these names, with these texts in its message.
void only(const Graph& g, errc code, const Names& names, const Names& texts) {
  const auto found = problems(g);
  INFO(summary(found));
  REQUIRE(found.size() == 1);
  CHECK(found[0].code == code);
  CHECK(found[0].names == names);
  for (const auto& t : texts) CHECK_THAT(found[0].message, Contains(t));
}
void fine(const Graph& g, const af::CompileOptions& options = {}) {
  INFO(summary(problems(g, options)));
  CHECK_NOTHROW((void)g.compile(options));
}

}  // namespace

TEST_CASE("GRAPH_001: a node's name is empty, reserved, malformed or taken", "[compile]") {
  for (const auto& name : {std::string(), std::string(256, 'x'), std::string("a\nb"), std::string("tab\t"),
                           std::string("del\x7f"), std::string("nul\0", 4), std::string("n\xff"),
                           std::string("outer/inner"), std::string("START"), std::string("END")}) {
    only(chain().add_node(name, pass), errc::graph_bad_name, {name}, {name.substr(0, 1)});
    const auto message = problems(chain().add_node(name, pass)).front().message;
    CHECK(std::none_of(message.begin(), message.end(), [](unsigned char c) { return c < 0x20; }));
  }
  only(chain().add_node("b", pass), errc::graph_bad_name, {"b"}, {"'b'", "twice", "override_node"});
}

TEST_CASE("GRAPH_002: a graph without an entry", "[compile]") {
  only(Graph(), errc::graph_no_entry, {}, {"add_node", "set_entry_point"});
  only(with({"a", "b"}).add_edge("a", "b").add_edge("b", "END"), errc::graph_no_entry, {}, {"set_entry_point", "a, b"});
}

TEST_CASE("GRAPH_003: a node that nothing leads to", "[compile]") {
  only(chain().add_node("d", pass).add_edge("d", "END"), errc::graph_orphan, {"d"}, {"'d'", "START"});
  const auto island = problems(chain().add_node("d", pass).add_node("e", pass).add_edge("d", "e").add_edge("e", "END"));
  REQUIRE(island.size() == 2);
  CHECK((island[0].code == errc::graph_orphan && island[1].code == errc::graph_orphan));
}

TEST_CASE("GRAPH_004: a name that is not there, with the names that are", "[compile]") {
  only(chain().add_edge("a", "x"), errc::graph_unknown_name, {"x"}, {"'x'", "'a' -> 'x'", "a, b, c"});
  only(chain().add_edge("x", "a"), errc::graph_unknown_name, {"x"}, {"'x' -> 'a'", "a, b, c"});
  only(chain().set_entry_point("x"), errc::graph_unknown_name, {"x"}, {"START", "a, b, c"});
  only(chain().add_edge({"a", "x"}, "c"), errc::graph_unknown_name, {"x"}, {"a, x", "a, b, c"});
  only(chain().add_edge({"a", "b"}, "x"), errc::graph_unknown_name, {"x"}, {"a, b, c"});
  only(chain().add_conditional_edges("x", one), errc::graph_unknown_name, {"x"}, {"conditional", "a, b, c"});
  only(chain().add_conditional_edges("a", one, {{"key", "x"}, {"END", "END"}}), errc::graph_unknown_name, {"x"},
       {"'key'", "a, b, c"});
  only(chain().add_conditional_edges("a", one, {"x", "b"}), errc::graph_unknown_name, {"x"}, {"a, b, c"});
  only(chain().add_edge("a", "START"), errc::graph_unknown_name, {"START"}, {"no way in"});
  only(chain().add_edge("END", "a"), errc::graph_unknown_name, {"END"}, {"END"});
  only(chain().override_node("x", pass), errc::graph_unknown_name, {"x"}, {"override_node", "a, b, c"});
  only(chain().on_error("x", [](Work s, const af::error&) { return s; }), errc::graph_unknown_name, {"x"},
       {"on_error", "a, b, c"});
  only(chain().add_node("d", command, NodeOptions().destinations({"x", "a", "END"})).add_edge("a", "d"),
       errc::graph_unknown_name, {"x"}, {"destinations", "'d'", "a, b, c, d"});
  only(chain().add_node("d", pass, NodeOptions().writes({"singel"})).add_edge("a", "d").add_edge("d", "END"),
       errc::graph_unknown_name, {"d", "singel"}, {"'singel'", "'d'"});
  Names many;
  for (int i = 0; i < 30; ++i) many.push_back("node" + std::to_string(i));
  Graph g = with(many);
  for (const auto& n : many) g.set_entry_point(n).add_edge(n, "END");
  only(g.add_edge("node1", "x"), errc::graph_unknown_name, {"x"}, {"node19 and 10 more"});
}

TEST_CASE("GRAPH_005: a node that END cannot be reached from", "[compile]") {
  only(chain().add_node("d", pass).add_edge("a", "d"), errc::graph_no_exit, {"d"}, {"'d'", "add_edge(\"d\", \"END\")"});
  only(chain().add_edge("c", "b"), errc::graph_no_exit, {"b", "c"}, {"b -> c -> b", "unconditional"});
  only(chain().add_edge("b", "b"), errc::graph_no_exit, {"b"}, {"b -> b"});
  // A Command does not replace the edges of a node that takes both: the loop never ends.
  only(chain()
           .add_node("d", command, NodeOptions().edges(af::edges::both).destinations({"END"}))
           .add_edge("a", "d")
           .add_edge("d", "d"),
       errc::graph_no_exit, {"d"}, {"d -> d"});
  const auto trap = problems(chain()
                                 .add_node("d", pass)
                                 .add_node("e", pass)
                                 .add_edge("a", "d")
                                 .add_conditional_edges("d", one, {"e"})
                                 .add_conditional_edges("e", one, {"d"}));
  REQUIRE(trap.size() == 2);
  CHECK((trap[0].code == errc::graph_no_exit && trap[1].code == errc::graph_no_exit));
}

TEST_CASE("GRAPH_006: a join that waits for what routing may skip", "[compile]") {
  only(chain()
           .add_node("d", pass)
           .add_node("e", pass)
           .add_conditional_edges("a", one, {"d", "END"})
           .add_edge({"b", "d"}, "e")
           .add_edge("e", "END"),
       errc::graph_join_skipped, {"b", "d", "e"}, {"{b, d}", "'e'", "defer"});
  only(with({"a", "b", "c", "d"})
           .set_entry_point("a")
           .add_conditional_edges("a", one, {"b", "c"})
           .add_edge({"b", "c"}, "d")
           .add_edge("d", "END"),
       errc::graph_join_skipped, {"b", "c", "d"}, {"{b, c}"});
  only(with({"b", "c", "d"})
           .add_node("a", command, NodeOptions().destinations({"END"}))
           .set_entry_point("a")
           .set_entry_point("b")
           .add_edge("a", "c")
           .add_edge({"b", "c"}, "d")
           .add_edge("d", "END"),
       errc::graph_join_skipped, {"b", "c", "d"}, {"{b, c}"});
}

TEST_CASE("GRAPH_007: two nodes of a step that write a one-writer field", "[compile]") {
  const auto writers = [](const Names& left, const Names& right) {
    Graph g = with({"a"});
    g.add_node("l", pass, NodeOptions().writes(left)).add_node("r", pass, NodeOptions().writes(right));
    return g.set_entry_point("a").add_edge("a", "l").add_edge("a", "r").add_edge("l", "END").add_edge("r", "END");
  };
  only(writers({"single", "many"}, {"many", "single"}), errc::graph_parallel_writers, {"l", "r", "single"},
       {"'l'", "'r'", "'single'", "reducer"});
  CHECK(problems(writers({"single", "other"}, {"other", "single"})).size() == 2);
  fine(writers({"many"}, {"many"}));
  fine(writers({"single"}, {"other"}));
}

TEST_CASE("GRAPH_008: options out of range or at odds", "[compile]") {
  using std::chrono::seconds;
  const auto with_option = [](const NodeOptions& o) {
    return chain().add_node("d", pass, o).add_edge("a", "d").add_edge("d", "END");
  };
  const auto retry = [&](const af::RetryPolicy& r) { return with_option(NodeOptions().retry(r)); };
  only(with_option(NodeOptions().timeout(seconds(0))), errc::graph_bad_option, {"d"}, {"'d'", "timeout"});
  only(with_option(NodeOptions().idle_timeout(seconds(-1))), errc::graph_bad_option, {"d"}, {"idle_timeout"});
  only(retry(af::RetryPolicy().attempts(0)), errc::graph_bad_option, {"d"}, {"attempts"});
  only(retry(af::RetryPolicy().backoff(seconds(-1))), errc::graph_bad_option, {"d"}, {"backoff"});
  only(retry(af::RetryPolicy().cap(seconds(-1))), errc::graph_bad_option, {"d"}, {"cap"});
  only(retry(af::RetryPolicy().factor(0.5)), errc::graph_bad_option, {"d"}, {"factor"});
  only(retry(af::RetryPolicy().factor(std::numeric_limits<double>::quiet_NaN())), errc::graph_bad_option, {"d"},
       {"factor"});
  only(retry(af::RetryPolicy().jitter(1.5)), errc::graph_bad_option, {"d"}, {"jitter"});
  only(with_option(NodeOptions().destinations({"a"})), errc::graph_bad_option, {"d"}, {"destinations", "Command"});
  asio::thread_pool pool(1);
  const auto elsewhere = NodeOptions().executor(pool.get_executor());
  only(chain().add_node("d", af::blocking(pass), elsewhere).add_edge("a", "d").add_edge("d", "END"),
       errc::graph_bad_option, {"d"}, {"blocking", "executor"});
  only(chain().add_node("d", chain().compile(), elsewhere).add_edge("a", "d").add_edge("d", "END"),
       errc::graph_bad_option, {"d"}, {"subgraph", "executor"});
  only(chain().add_edge(Names(), "b"), errc::graph_bad_option, {"b"}, {"no sources"});
  only(chain().add_edge({"a", "START"}, "c"), errc::graph_bad_option, {"START"}, {"START"});
  only(chain().add_edge({"a", "b"}, "END"), errc::graph_bad_option, {"END"}, {"END"});
  only(chain().add_conditional_edges("a", one, std::map<std::string, std::string>()), errc::graph_bad_option, {"a"},
       {"empty path map"});
  CHECK(problems(chain(), af::CompileOptions().node_defaults(NodeOptions().timeout(seconds(0)))).size() == 3);
}

TEST_CASE("GRAPH_009: a node with an input of its own that a plain edge leads to", "[compile]") {
  only(chain().add_node("d", item).add_edge("a", "d").add_edge("d", "END"), errc::graph_input_mismatch, {"d"},
       {"'d'", "Send"});
  only(chain().add_node("d", item).set_entry_point("d").add_edge("d", "END"), errc::graph_input_mismatch, {"d"},
       {"Send"});
  only(chain().add_node("d", item).add_edge({"a", "b"}, "d").add_edge("d", "END"), errc::graph_input_mismatch, {"d"},
       {"Send"});
}

TEST_CASE("GRAPH_010: an edge that is there twice", "[compile]") {
  only(chain().add_edge("a", "b"), errc::graph_duplicate_edge, {"a", "b"}, {"'a' -> 'b'", "twice"});
  only(chain().set_entry_point("a"), errc::graph_duplicate_edge, {"START", "a"}, {"twice"});
  only(chain().add_edge({"a", "a"}, "c"), errc::graph_duplicate_edge, {"a"}, {"'a' twice"});
  only(chain().add_edge({"a", "b"}, "c").add_edge({"b", "a"}, "c"), errc::graph_duplicate_edge, {"b", "a", "c"},
       {"twice"});
}

TEST_CASE("All problems are reported together", "[compile]") {
  Graph g = chain();
  g.add_node("b", pass).add_node("", pass).add_node("orphan", pass, NodeOptions().timeout(std::chrono::seconds(-1)));
  g.add_edge("a", "nowhere").add_edge("a", "b").add_edge("c", "a").add_edge("nobody", "c");
  const auto found = problems(g);
  INFO(summary(found));
  std::vector<errc> codes;
  for (const auto& p : found) codes.push_back(p.code);
  for (const auto code : {errc::graph_bad_name, errc::graph_unknown_name, errc::graph_duplicate_edge,
                          errc::graph_no_exit, errc::graph_orphan, errc::graph_bad_option})
    CHECK(std::count(codes.begin(), codes.end(), code) >= 1);
  CHECK(std::count(codes.begin(), codes.end(), errc::graph_bad_name) == 2);
  CHECK(std::count(codes.begin(), codes.end(), errc::graph_unknown_name) == 2);
  CHECK_THROWS_WITH(g.compile(), Contains("GRAPH_000") && Contains(std::to_string(found.size()) + " problems"));
  CHECK_THROWS_AS(g.compile(), af::error);
}

TEST_CASE("Graphs that look odd but are right", "[compile]") {
  Graph odd;
  for (const auto& name : {std::string("end"), std::string("start"), std::string("a b"), std::string("Ä→中"),
                           std::string("n0\"<>|;&"), std::string(255, 'x')})
    odd.add_node(name, pass).set_entry_point(name).add_edge(name, "END");
  fine(odd);
  fine(with({"a"}).add_conditional_edges("START", one).add_edge("a", "END"));
  fine(with({"a"}).set_entry_point("a").add_conditional_edges("a", one, {{"again", "a"}, {"over", "END"}}));
  fine(with({"b", "c"}).add_node("a", command).set_entry_point("a").add_edge("b", "END").add_edge("c", "a"));
  fine(with({"b"}).add_node("a", command).set_entry_point("a").add_edge("a", "b").add_edge("b", "a"));  // the Command
                                                                                                        // ends the loop
  fine(with({"a"})
           .add_node("map", item)
           .set_entry_point("a")
           .add_conditional_edges("a", several, {"map", "END"})
           .add_edge("map", "END"));
  fine(with({"a", "b", "c"})
           .set_entry_point("a")
           .add_conditional_edges("a", one, {"b"})
           .add_conditional_edges("a", one, {"c"})
           .add_edge("b", "END")
           .add_edge("c", "END"));
  fine(with({"a", "b", "c"})
           .set_entry_point("a")
           .set_entry_point("c")
           .add_edge("a", "b")
           .add_edge("b", "END")
           .add_edge("c", "b"));
}

TEST_CASE("Joins that can always be fed", "[compile]") {
  fine(chain().add_edge({"a", "b"}, "c"));
  fine(with({"plan", "x", "y", "check"})
           .set_entry_point("plan")
           .add_edge("plan", "x")
           .add_edge("plan", "y")
           .add_edge({"x", "y"}, "check")
           .add_conditional_edges("check", one, {"plan", "END"}));
  fine(with({"a", "b", "c", "d", "e"})
           .add_conditional_edges("START", one, {"a", "END"})
           .add_edge("a", "b")
           .add_edge("a", "c")
           .add_edge({"b", "c"}, "d")
           .add_edge("d", "END")
           .add_conditional_edges("d", one, {"e", "END"})
           .add_edge("e", "END"));
  fine(with({"a", "b", "c", "d"})
           .set_entry_point("a")
           .add_conditional_edges("a", several, {"b", "c"})
           .add_edge({"b", "c"}, "d")
           .add_edge("d", "END"));
  // A branch that tries again until it is good, joined with one that is done at once.
  fine(with({"try", "good", "other", "both"})
           .set_entry_point("try")
           .set_entry_point("other")
           .add_conditional_edges("try", one, {"try", "good"})
           .add_edge({"good", "other"}, "both")
           .add_edge("both", "END"));
  // Whichever way a branch takes, it comes to the same node.
  fine(with({"a", "l", "r", "meet", "other", "both"})
           .set_entry_point("a")
           .set_entry_point("other")
           .add_conditional_edges("a", one, {"l", "r"})
           .add_edge("l", "meet")
           .add_edge("r", "meet")
           .add_edge({"meet", "other"}, "both")
           .add_edge("both", "END"));
}

TEST_CASE("Writers that are never in one step", "[compile]") {
  const auto single = NodeOptions().writes({"single"});
  fine(with({})
           .add_node("a", pass, single)
           .add_node("b", pass, single)
           .set_entry_point("a")
           .add_edge("a", "b")
           .add_edge("b", "END"));
  fine(with({})
           .add_node("a", pass, single)
           .add_node("b", pass, NodeOptions(single).defer())
           .set_entry_point("a")
           .set_entry_point("b")
           .add_edge("a", "END")
           .add_edge("b", "END"));
  fine(with({"r"})
           .add_node("a", pass, single)
           .add_node("b", pass, single)
           .set_entry_point("r")
           .add_conditional_edges("r", one, {"a", "b"})
           .add_edge("a", "END")
           .add_edge("b", "END"));
}

TEST_CASE("A default executor is for the nodes that can have one", "[compile]") {
  asio::thread_pool pool(1);
  const auto defaults = af::CompileOptions().node_defaults(NodeOptions().executor(pool.get_executor()));
  fine(chain()
           .add_node("d", af::blocking(pass))
           .add_node("e", chain().compile())
           .add_edge("a", "d")
           .add_edge("d", "e")
           .add_edge("e", "END"),
       defaults);
}
