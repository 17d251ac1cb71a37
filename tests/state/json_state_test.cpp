// SPDX-License-Identifier: MIT
// JsonState: reducers of the application's own, and conflicts, as nodes meet them.
#include <agentflow/state/json_state.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>

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

TEST_CASE("who writes a key and then overwrites it has overwritten it", "[json_state]") {
  const auto both = [](const af::JsonState&) {
    return af::Update<af::JsonState>().write("list", 1).overwrite("list", json::array());
  };
  const auto one = [](const af::JsonState&) { return af::Update<af::JsonState>().write("list", 2); };
  CHECK_THROWS_WITH(beside(both, one), Contains("both wrote field 'list'"));
  CHECK_THROWS_WITH(beside(one, both), Contains("both wrote field 'list'"));
  CHECK(beside(both).at("list").empty());
}

TEST_CASE("a value is changed in place by its only holder, also after others have read it", "[json_state]") {
  af::JsonState state = input();
  state.edit("list").push_back("a");
  std::string seen;
  std::atomic<bool> gone{false};
  std::optional<af::JsonState> copy(state);
  std::thread reader([&] {
    seen = copy->at("list")[0].get<std::string>();
    copy.reset();
    gone.store(true, std::memory_order_relaxed);  // says nothing of the memory before it: the state has to
  });
  while (!gone.load(std::memory_order_relaxed)) std::this_thread::yield();
  const json* const before = &state.at("list");
  state.edit("list")[0] = "b";
  CHECK(&state.at("list") == before);
  reader.join();
  CHECK(seen == "a");
  const af::JsonState other = state;
  state.edit("list").push_back("c");
  CHECK(other.at("list").size() == 1);
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
