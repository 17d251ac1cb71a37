// SPDX-License-Identifier: MIT
// Drawings of compiled graphs: Mermaid, Graphviz and JSON.
#include <agentflow/graph/graph_spec.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/core/json.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using af::NodeOptions;
using Catch::Matchers::Contains;

namespace {

struct Work {
  int n = 0;
};
AGENTFLOW_STATE(Work, (n, af::sum))

using Graph = af::StateGraph<Work>;

void pass(const Work&) {}
asio::awaitable<void> pass_later(const Work&) { co_return; }
af::Command<Work> command(const Work&) { return {}; }
std::string one(const Work&) { return "END"; }

af::CompiledGraph<Work> line_of(const std::vector<std::string>& names) {
  Graph g;
  std::string last = "START";
  for (const auto& n : names) {
    g.add_node(n, pass).add_edge(last, n);
    last = n;
  }
  return g.add_edge(last, "END").compile();
}

/// One of everything.
af::CompiledGraph<Work> zoo() {
  Graph g;
  g.add_node("plan", pass).add_node("left", pass_later, NodeOptions().retry(af::RetryPolicy().attempts(5)));
  g.add_node("right", af::blocking(pass))
      .add_node("meet", pass, NodeOptions().metadata("owner", "ann").metadata("cost", "high"));
  g.add_node("jump", command, NodeOptions().destinations({"plan", "END"}));
  g.add_node("anywhere", command, NodeOptions().edges(af::edges::both));
  g.add_node("sub", line_of({"in ner"})).add_node("last", pass, NodeOptions().defer());
  g.set_entry_point("plan").add_edge("plan", "left").add_edge("plan", "right").add_edge({"left", "right"}, "meet");
  g.add_conditional_edges("meet", one, {{"good", "jump"}, {"bad", "sub"}, {"none", "END"}});
  g.add_edge("jump", "anywhere").add_edge("sub", "last").add_edge("anywhere", "END").add_edge("last", "END");
  g.add_conditional_edges("last", one);
  return g.compile();
}

bool has_line(const std::string& text, const std::string& line) {
  const std::string lines = "\n" + text + "\n";
  return lines.find("\n" + line + "\n") != std::string::npos;
}
long count(const std::string& text, const std::string& part) {
  long n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("The drawings of a line are what they always were", "[graph_spec]") {
  const auto app = line_of({"a", "b"});
  CHECK(app.to_mermaid() ==
        "flowchart TD\n"
        "  start([\"START\"])\n"
        "  n0[\"a\"]\n"
        "  n1[\"b\"]\n"
        "  stop([\"END\"])\n"
        "  start --> n0\n"
        "  n0 --> n1\n"
        "  n1 --> stop\n");
  CHECK(app.to_dot() ==
        "digraph agentflow {\n"
        "  start [label=\"START\", shape=oval];\n"
        "  stop [label=\"END\", shape=oval];\n"
        "  n0 [label=\"a\", shape=box];\n"
        "  n1 [label=\"b\", shape=box];\n"
        "  start -> n0 [style=solid, label=\"\"];\n"
        "  n0 -> n1 [style=solid, label=\"\"];\n"
        "  n1 -> stop [style=solid, label=\"\"];\n"
        "}\n");
  CHECK(app.to_json() == R"({"nodes":[{"name":"a","kind":"function"},{"name":"b","kind":"function"}],)"
                         R"("edges":[{"from":"START","to":"a","kind":"static"},{"from":"a","to":"b","kind":"static"},)"
                         R"({"from":"b","to":"END","kind":"static"}]})");
}

TEST_CASE("A Mermaid drawing shows conditions, joins, commands, deferral and subgraphs", "[graph_spec]") {
  const std::string m = zoo().to_mermaid();
  INFO(m);
  CHECK(has_line(m, "  n0 --> n1"));
  CHECK(has_line(m, "  n1 ==> n3"));
  CHECK(has_line(m, "  n2 ==> n3"));
  CHECK(has_line(m, "  n3 -.->|\"good\"| n4"));
  CHECK(has_line(m, "  n3 -.->|\"bad\"| n6"));
  CHECK(has_line(m, "  n3 -.->|\"none\"| stop"));
  CHECK(has_line(m, "  subgraph n6[\"sub\"]"));
  CHECK(has_line(m, "    n6_n0[\"in ner\"]"));
  CHECK(has_line(m, "    n6_start --> n6_n0"));
  CHECK(has_line(m, "  end"));
  CHECK_THAT(m, Contains("n1[\"left<br/><i>5 attempts</i>\"]"));
  CHECK_THAT(m, Contains("n7[\"last<br/><i>deferred</i>\"]"));
  CHECK_THAT(m, Contains("command and edges"));
  CHECK(count(m, "n4 -.->") >= 2);  // where its Commands may go
  CHECK(std::count(m.begin(), m.end(), '"') % 2 == 0);
}

TEST_CASE("A Graphviz drawing shows the same", "[graph_spec]") {
  const std::string d = zoo().to_dot();
  INFO(d);
  CHECK(has_line(d, "  n3 -> n4 [style=dashed, label=\"good\"];"));
  CHECK(has_line(d, "  n1 -> n3 [style=bold, label=\"\"];"));
  CHECK(has_line(d, "  subgraph \"cluster_n6\" {"));
  CHECK_THAT(d, Contains("n7 [label=\"last\\ndeferred\", shape=box];"));
  CHECK(std::count(d.begin(), d.end(), '{') == std::count(d.begin(), d.end(), '}'));
  CHECK(std::count(d.begin(), d.end(), '"') % 2 == 0);
}

TEST_CASE("A graph as JSON names every node, option and edge", "[graph_spec]") {
  const auto j = nlohmann::json::parse(zoo().to_json());
  std::vector<std::string> kinds;
  for (const auto& n : j["nodes"]) kinds.push_back(n["name"].get<std::string>() + ":" + n["kind"].get<std::string>());
  CHECK(kinds == std::vector<std::string>{"plan:function", "left:coroutine", "right:blocking", "meet:function",
                                          "jump:function", "anywhere:function", "sub:subgraph", "last:function"});
  CHECK(j["nodes"][3]["metadata"] == nlohmann::json({{"owner", "ann"}, {"cost", "high"}}));
  CHECK(j["nodes"][4]["command_edges"] == "replaced");
  CHECK(j["nodes"][5]["command_edges"] == "both");
  CHECK(j["nodes"][6]["graph"]["nodes"][0]["name"] == "in ner");
  CHECK(j["nodes"][7]["defer"] == true);
  CHECK_FALSE(j["nodes"][0].contains("defer"));
  const auto has = [&](const char* from, const char* to, const char* kind, const char* label = nullptr) {
    return std::any_of(j["edges"].begin(), j["edges"].end(), [&](const auto& e) {
      return e["from"] == from && e["to"] == to && e["kind"] == kind && (label == nullptr || e["label"] == label);
    });
  };
  CHECK(has("plan", "left", "static"));
  CHECK(has("left", "meet", "join"));
  CHECK(has("right", "meet", "join"));
  CHECK(has("meet", "jump", "conditional", "good"));
  CHECK(has("meet", "END", "conditional", "none"));
  CHECK(has("jump", "plan", "conditional"));
  CHECK(has("jump", "anywhere", "static"));
  CHECK(has("last", "END", "static"));
}

TEST_CASE("Odd names cannot break a drawing", "[graph_spec]") {
  const std::vector<std::string> names = {"end",   "a\"b",    "<script>", "back\\slash", "semi;colon", "br[ack]et",
                                          "pi|pe", "{brace}", "n0",       "Ä→中",        "#quot;",     "`tick`",
                                          "\\",    "a & b",   "subgraph", "stop"};
  Graph g;
  for (const auto& n : names) g.add_node(n, pass).set_entry_point(n).add_edge(n, "END");
  Graph inner;
  inner.add_node("x", pass).set_entry_point("x").add_conditional_edges("x", one, {{"ke\"y|", "END"}, {"<b>", "x"}});
  g.add_node("sub\"<g>", inner.compile()).set_entry_point("sub\"<g>").add_edge("sub\"<g>", "END");
  const auto app = g.compile();

  const std::string m = app.to_mermaid();
  INFO(m);
  CHECK_THAT(m, Contains("n1[\"a#quot;b\"]") && Contains("n2[\"#lt;script#gt;\"]") && Contains("#lt;b#gt;"));
  for (std::size_t at = 0, end = 0; at < m.size(); at = end + 1) {
    end = m.find('\n', at);
    const auto line = m.substr(at, end - at);
    INFO(line);
    const auto quotes = std::count(line.begin(), line.end(), '"');
    CHECK((quotes == 0 || quotes == 2));
  }
  const std::string d = app.to_dot();
  CHECK_THAT(d, Contains("label=\"a\\\"b\"") && Contains("label=\"back\\\\slash\"") && Contains("label=\"\\\\\""));

  const auto j = nlohmann::json::parse(app.to_json());
  for (std::size_t i = 0; i < names.size(); ++i) CHECK(j["nodes"][i]["name"] == names[i]);
  CHECK(j["nodes"].back()["graph"]["edges"][1]["label"].get<std::string>().size() >= 3);
}
