// SPDX-License-Identifier: MIT
// A state whose fields are known at run time only: a JSON object with a reducer for each key.
#include <algorithm>
#include <iostream>
#include <optional>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <agentflow/state/json_state.hpp>  // opt-in: it includes nlohmann/json.hpp

namespace af = agentflow;
using nlohmann::json;

af::JsonFields declared_fields() {
  // A reducer of your own: several nodes of one step may write the key, and the one that was added last wins.
  const af::JsonReducer last_wins(
      [](const json& base, const json& mine) { return mine == base ? std::nullopt : std::optional<json>(mine); },
      [](json& value, json delta) { value = std::move(delta); });
  af::JsonFields fields;
  fields.add("topic").add("findings", af::json_reducer::append).add("calls", af::json_reducer::sum);
  fields.add("prices", af::json_reducer::merge_map).add("deadline", last_wins, "");
  return fields;
}

// Reads like a dictionary; edit() gives a value to change in place.
af::JsonState search(af::JsonState state) {
  state.edit("findings").push_back("a page on " + state["topic"].get<std::string>());
  state.edit("calls") = state["calls"].get<int>() + 1;
  return state;
}

// Or only the changes: for an array one element will do.
af::Update<af::JsonState> price(const af::JsonState&) {
  return af::Update<af::JsonState>()
      .write("findings", "a price list")
      .write("prices", json{{"book", 30}})
      .write("calls", 1)
      .write("deadline", "2031-05-01");
}

std::string enough(const af::JsonState& state) { return state["findings"].size() >= 4 ? "done" : "again"; }

int main() {
  af::StateGraph<af::JsonState> graph;
  graph.add_node("begin", [](const af::JsonState&) {}).add_node("search", search).add_node("price", price);
  graph.add_node("both", [](const af::JsonState&) {});
  graph.set_entry_point("begin").add_edge("begin", "search").add_edge("begin", "price");
  graph.add_edge({"search", "price"}, "both");
  graph.add_conditional_edges("both", enough, {{"done", "END"}, {"again", "begin"}});
  const auto app = graph.compile();

  af::JsonState input(declared_fields());
  input.set("topic", "bees");
  const auto result = app.invoke(input);
  std::cout << result->to_json().dump(2) << "\n";

  // A key that nobody declared is an error that lists the ones there are.
  std::string unknown;
  try {
    input.set("topics", "wasps");
  } catch (const af::state_error& e) {
    std::cout << e.message() << "\n";
    unknown = e.context().field();
  }

  const json findings = {"a page on bees", "a price list", "a page on bees", "a price list"};
  const bool right = result->at("findings") == findings && result->at("calls") == 4 &&
                     result->at("prices")["book"] == 30 && result->at("deadline") == "2031-05-01" &&
                     unknown == "topics";
  return right ? 0 : 1;
}
