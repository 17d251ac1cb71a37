// SPDX-License-Identifier: MIT
// What the other programs here get wrong, done right: this one must compile.
#include <map>
#include <set>
#include <string>
#include <vector>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct State {
  int n = 0;
  af::List<std::string> log;
  std::set<int> set;
  std::map<std::string, int> map;
  int least = 0;
  int unlisted = 0;
};
AGENTFLOW_STATE(State, (n, af::sum), (log, af::append), (set, af::set_union), (map, af::merge_map), (least, af::min))

int main() {
  using Update = af::Update<State>;
  af::StateGraph<State> graph;
  graph.add_node("value", [](State s) { return s; });
  graph.add_node("reference", [](const State& s, af::NodeContext&) { return s; });
  graph.add_node("update", [](State) { return Update().write<&State::n>(1).write<&State::log>("one"); });
  graph.add_node("later", [](State s) -> asio::awaitable<State> { co_return s; });
  graph.add_node("input", [](const std::string& text) { return Update().write<&State::log>(text); });
  graph.add_node("blocking", af::blocking([](State s) { return s; }));
  graph.add_subgraph(
      "sub", af::StateGraph<>().compile(), [](const State&) { return af::AgentState(); },
      [](const State& s, const af::AgentState&) { return s; });
  graph.add_conditional_edges("value", [](const State& s) { return s.n > 0 ? "END" : "update"; });
  graph.on_error([](State s, const af::error&) { return s; });
}
