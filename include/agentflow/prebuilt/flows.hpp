// SPDX-License-Identifier: MIT
// Two shapes of graphs that are needed often: one step after the other, and the same step for many items.
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/error.hpp>
#include <agentflow/typed/state_graph.hpp>

namespace agentflow {

/// A node's name and what it does: for `sequential`.
template <class F>
class Step {
 public:
  Step(std::string n, F f) : name(std::move(n)), fn(std::move(f)) {}
  std::string name;
  F fn;
};

template <class F>
Step<std::decay_t<F>> step(std::string name, F&& fn) {
  return Step<std::decay_t<F>>(std::move(name), std::forward<F>(fn));
}

/// Builds a graph that runs its steps one after the other. A step is whatever `add_node` takes: functions, coroutines,
/// compiled graphs, tool nodes.
///
/// ```cpp
/// auto app = af::sequential<Report>(af::step("collect", collect), af::step("write", write)).compile();
/// ```
template <class S = AgentState, class... F>
StateGraph<S> sequential(Step<F>... steps) {
  static_assert(sizeof...(F) > 0, "agentflow: a sequence needs a step");
  StateGraph<S> graph;
  std::string before(START);
  const auto add = [&](auto& next) {
    graph.add_node(next.name, std::move(next.fn));
    graph.add_edge(before, next.name);
    before = next.name;
  };
  (add(steps), ...);
  graph.add_edge(before, END);
  return graph;
}

/// Builds a graph that splits, maps and reduces: `split(state)` gives a vector of items, `map` is a node whose first
/// parameter is an item and which runs once for each, side by side, and `reduce` is a node over the state when all are
/// done. The results of `map` merge in the order of the items. The nodes are "map" and "reduce".
///
/// ```cpp
/// auto graph = af::map_reduce<Survey>([](const Survey& s) { return s.files; }, read_one, sum_up);
/// ```
/// **Units/limits** `RunConfig::max_concurrency` says how many items are worked on at once.
template <class S, class Split, class Map, class Reduce>
StateGraph<S> map_reduce(Split split, Map map, Reduce reduce) {
  StateGraph<S> graph;
  graph.add_node("map", std::move(map));
  graph.add_node("reduce", std::move(reduce));
  graph.add_conditional_edges(START,
                              [split = std::move(split)](const S& s) {
                                Route route;
                                for (auto&& item : split(s)) {
                                  using Item = std::remove_cvref_t<decltype(item)>;
                                  route.add(Send("map", Item(std::forward<decltype(item)>(item))));
                                }
                                if (route.empty()) route.add("reduce");
                                return route;
                              },
                              {"map", "reduce"});
  graph.add_edge("map", "reduce");
  graph.add_edge("reduce", "END");
  return graph;
}

}  // namespace agentflow
