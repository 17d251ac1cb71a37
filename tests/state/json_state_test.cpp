// SPDX-License-Identifier: MIT
// JsonState: reducers of the application's own, and conflicts, as nodes meet them.
#include <agentflow/state/json_state.hpp>

#include <optional>
#include <string>

#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

/// The longer text stands; a shorter one is no delta.
af::JsonReducer longest() {
  const auto diff = [](const json& base, const json& mine) -> af::Diff<json> {
    if (mine == base) return af::Diff<json>::none();
    if (mine.get<std::string>().size() < base.get<std::string>().size()) return af::Diff<json>::replaced();
    return mine;
  };
  const auto apply = [](json& value, json delta) {
    if (delta.get<std::string>().size() > value.get<std::string>().size()) value = std::move(delta);
  };
  return af::JsonReducer(diff, apply);
}
/// Of the kind that needs no third answer.
af::JsonReducer plus() {
  const auto diff = [](const json& base, const json& mine) -> std::optional<json> {
    if (mine == base) return std::nullopt;
    return json(mine.get<int>() - base.get<int>());
  };
  return af::JsonReducer(diff, [](json& value, json delta) { value = value.get<int>() + delta.get<int>(); });
}

af::JsonState input() {
  af::JsonFields fields;
  fields.add("text", longest(), "middle").add("n", plus(), 1).add("one").add("list", af::json_reducer::append);
  return af::JsonState(fields);
}

/// Runs nodes side by side.
template <class... F>
af::JsonState beside(F... nodes) {
  af::StateGraph<af::JsonState> g;
  int i = 0;
  const auto add = [&](auto node) {
    const std::string name(1, static_cast<char>('a' + i++));
    g.add_node(name, std::move(node)).set_entry_point(name).add_edge(name, "END");
  };
  (add(std::move(nodes)), ...);
  return g.compile().invoke(input()).state;
}
auto set(std::string key, json value) {
  return [key, value](af::JsonState s) {
    s.set(key, value);
    return s;
  };
}

}  // namespace

TEST_CASE("a JSON reducer of the application's own may say that a value was replaced", "[json_state]") {
  CHECK(beside(set("text", "short"), set("n", 3)).at("text") == "short");
  CHECK(beside(set("text", "the longest"), set("text", "the longer")).at("text") == "the longest");
  CHECK(beside(set("n", 3), set("n", 5)).at("n") == 7);
  // What replaces the value tolerates no other writer.
  CHECK_THROWS_WITH(beside(set("text", "short"), set("text", "the longest")), Contains("replaced its whole value"));
}

TEST_CASE("two writers of a key are told which reducer would do", "[json_state]") {
  CHECK_THROWS_WITH(beside(set("one", 1), set("one", 2)), Contains("such as af::json_reducer::sum"));
  const auto write = [](json value) {
    return [value](const af::JsonState&) { return af::Update<af::JsonState>().overwrite("list", value); };
  };
  CHECK_THROWS_WITH(beside(write(json(1)), write(json(2))), Contains("replaced its whole value"));
}

TEST_CASE("an update of a JsonState may write a key twice", "[json_state]") {
  const auto twice = [](const af::JsonState&) {
    return af::Update<af::JsonState>()
        .write("n", 2)
        .write("n", 3)
        .write("list", 1)
        .write("list", 2)
        .write("one", 1)
        .write("one", 2);
  };
  const auto state = beside(twice);
  CHECK(state.at("n") == 6);
  CHECK(state.at("list").size() == 2);
  CHECK(state.at("one") == 2);
}
