// SPDX-License-Identifier: MIT
// A state of your own: each field says how the changes of nodes that run side by side come together.
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

// A reducer of your own: the longest text stands. `diff` finds what a node did, `apply` merges it into the state.
struct longest {
  static af::Diff<std::string> diff(const std::string& base, const std::string& mine) {
    if (mine == base) return af::Diff<std::string>::none();
    if (mine.size() <= base.size()) return af::Diff<std::string>::replaced();  // the node really wants the shorter one
    return mine;
  }
  static void apply(std::string& value, std::string delta) {
    if (delta.size() > value.size()) value = std::move(delta);
  }
};

struct Trip {
  std::string city;                   // no reducer: one writer per step
  af::List<std::string> ideas;        // everybody's ideas, in the order in which the nodes were declared
  std::set<std::string> tags;         // each tag once
  std::map<std::string, int> prices;  // entries of several nodes
  int lookups = 0;                    // added up
  double best_rating = 0;             // the largest
  std::string motto;                  // the longest
};
AGENTFLOW_STATE(Trip, city, (ideas, af::append), (tags, af::set_union), (prices, af::merge_map), (lookups, af::sum),
                (best_rating, af::max), (motto, longest))

// A node may change its copy of the state and return it ...
Trip museums(Trip trip) {
  trip.ideas.push_back("the Uffizi");
  trip.tags.insert("art");
  trip.prices["museum"] = 25;
  ++trip.lookups;
  trip.best_rating = 4.8;
  trip.motto = "Art!";
  return trip;
}

// ... or say only what it changes.
af::Update<Trip> restaurants(const Trip& trip) {
  return af::Update<Trip>()
      .write<&Trip::ideas>("dinner in " + trip.city)
      .write<&Trip::tags>("food")
      .write<&Trip::prices>(std::map<std::string, int>{{"dinner", 40}})
      .write<&Trip::lookups>(1)
      .write<&Trip::best_rating>(4.5)
      .write<&Trip::motto>("Eat slowly.");
}

// An overwrite replaces the value past the reducer: here the list gets shorter.
af::Update<Trip> choose(const Trip& trip) {
  return af::Update<Trip>().overwrite<&Trip::ideas>(af::List<std::string>{trip.ideas.front()});
}

int main() {
  af::StateGraph<Trip> graph;
  graph.add_node("museums", museums).add_node("restaurants", restaurants).add_node("choose", choose);
  graph.set_entry_point("museums").set_entry_point("restaurants");
  graph.add_edge({"museums", "restaurants"}, "choose").add_edge("choose", "END");

  Trip input;
  input.city = "Florence";
  const auto result = graph.compile().invoke(input);
  std::cout << af::to_json_text(result.state) << "\n";

  // Without a reducer two writers of one step are an error that names the field, both nodes and the step.
  std::string conflict;
  af::StateGraph<Trip> wrong = graph;
  wrong.override_node("museums", [](const Trip&) { return af::Update<Trip>().write<&Trip::city>("Rome"); });
  wrong.override_node("restaurants", [](const Trip&) { return af::Update<Trip>().write<&Trip::city>("Milan"); });
  try {
    wrong.compile().invoke(input);
  } catch (const af::state_error& e) {
    std::cout << e.message() << "\n";
    conflict = e.context().field();
  }

  const bool right = result->ideas == af::List<std::string>{"the Uffizi"} && result->tags.size() == 2 &&
                     result->prices.size() == 2 && result->lookups == 2 && result->best_rating == 4.8 &&
                     result->motto == "Eat slowly." && conflict == "city";
  return right ? 0 : 1;
}
