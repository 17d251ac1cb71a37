// SPDX-License-Identifier: MIT
// Updates and states as checkpoints keep them: what is written is read again as it was, and nothing else is read.
#include <agentflow/graph/state_ops.hpp>

#include <chrono>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <agentflow/state/json_state.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;
using nlohmann::json;

/// A field for each built-in reducer and for each kind of delta.
struct Everything {
  std::string name;
  std::map<std::string, int> options;
  af::List<int> numbers;
  std::vector<std::string> words;
  std::string text;
  af::List<af::Message> messages;
  int count = 0;
  double total = 0;
  std::chrono::nanoseconds spent{0};
  int low = 0;
  double high = 0;
  std::set<std::string> tags;
  std::map<std::string, int> table;
  bool operator==(const Everything&) const = default;
};
AGENTFLOW_STATE(Everything, name, options, (numbers, af::append), (words, af::append), (text, af::append),
                (messages, af::add_messages), (count, af::sum), (total, af::sum), (spent, af::sum), (low, af::min),
                (high, af::max), (tags, af::set_union), (table, af::merge_map))

/// A field that no JSON mapping covers.
struct Opaque {
  struct Handle {
    void* at = nullptr;
    bool operator==(const Handle&) const = default;
  };
  Handle handle;
};
AGENTFLOW_STATE(Opaque, handle)

namespace {

using Model = af::StateModel<Everything>;
using Change = af::Update<Everything>;

Change reread(const Change& u) {
  af::JsonWriter out;
  Model::save_update(out, u);
  const auto document = af::JsonValue::parse(std::move(out).take());
  Change back;
  Model::load_update(af::JsonReader(document), back);
  return back;
}

/// Applies the update and what was read of it to the same state; both must come to the same.
Everything applied(const Everything& base, const Change& u) {
  Everything direct = base, stored = base;
  Change mine = u, back = reread(u);
  Model::apply(direct, mine, nullptr);
  Model::apply(stored, back, nullptr);
  CHECK(direct == stored);
  return stored;
}

Everything sample(std::mt19937& random) {
  auto n = [&random](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
  Everything e;
  e.name = std::string(static_cast<std::size_t>(n(3)), 'x');
  for (int i = n(3); i > 0; --i) e.options["o" + std::to_string(n(3))] = n(5);
  for (int i = n(4); i > 0; --i) e.numbers.push_back(n(3));
  for (int i = n(4); i > 0; --i) e.words.push_back(std::string(1, static_cast<char>('a' + n(3))));
  e.text = std::string(static_cast<std::size_t>(n(4)), 'y') + (n(2) == 0 ? "\xc3\xa9\n\"" : "");
  for (int i = 0, m = n(4); i < m; ++i)
    e.messages.push_back(af::Message::user("m" + std::to_string(n(2))).with_id("id" + std::to_string(i)));
  e.count = n(2) == 0 ? std::numeric_limits<int>::min() : n(100);
  e.total = n(7) / 3.0;
  e.spent = std::chrono::nanoseconds(n(1000));
  e.low = n(5);
  e.high = n(5) / 7.0;
  for (int i = n(3); i > 0; --i) e.tags.insert("t" + std::to_string(n(4)));
  for (int i = n(3); i > 0; --i) e.table[n(2) == 0 ? "overwrite" : "k" + std::to_string(n(3))] = n(3);
  return e;
}

}  // namespace

TEST_CASE("any change of any field is read as it was written", "[codec]") {
  std::mt19937 random(7);
  int replaced = 0;
  for (int i = 0; i < 3000; ++i) {
    const Everything base = sample(random), mine = sample(random);
    Everything given = mine;
    Change u;
    Model::diff(base, given, u);
    replaced += u.replacement<&Everything::numbers>() != nullptr;
    const Everything result = applied(base, u);
    CHECK(result.numbers == mine.numbers);
    CHECK(result.messages == mine.messages);
    CHECK(result.table == mine.table);
    CHECK(result.text == mine.text);
    CHECK(result.count == mine.count);
  }
  CHECK(replaced > 100);
}

TEST_CASE("what an update writes past a reducer stays so", "[codec]") {
  Everything base;
  base.numbers = {1, 2};
  base.high = 9;
  auto u = Change().overwrite<&Everything::numbers>({3}).overwrite<&Everything::high>(1.0);
  CHECK(applied(base, u).numbers == af::List<int>{3});
  CHECK(applied(base, u).high == 1.0);
  // A delta that looks like the public form of a replacement is still a delta.
  base.table["kept"] = 1;
  const auto merged =
      applied(base, Change().write<&Everything::table>(std::pair<const std::string, int>("overwrite", 2)));
  CHECK(merged.table == std::map<std::string, int>{{"kept", 1}, {"overwrite", 2}});
}

TEST_CASE("a stored update that does not fit is refused with its path", "[codec]") {
  auto load = [](std::string_view text) {
    const auto document = af::JsonValue::parse(text);
    Change u;
    try {
      Model::load_update(af::JsonReader(document), u);
    } catch (const af::json_error& e) {
      return std::string(af::code_name(e.code())) + " " + e.context().field();
    }
    return std::string("read");
  };
  CHECK(load(R"({"count":1})") == "read");
  CHECK(load(R"({"cuont":1})") == "JSON_004 cuont");
  CHECK(load(R"({"=cuont":1})") == R"(JSON_004 ["=cuont"])");
  CHECK(load(R"({"count":"1"})") == "JSON_002 count");
  CHECK(load(R"({"numbers":[1,true]})") == "JSON_002 numbers[1]");
  CHECK(load(R"({"=count":99999999999})") == R"(JSON_002 ["=count"])");
}

TEST_CASE("a number that JSON cannot hold is refused when it is written", "[codec]") {
  auto u = Change().write<&Everything::total>(std::numeric_limits<double>::quiet_NaN());
  af::JsonWriter out;
  CHECK_THROWS_AS(Model::save_update(out, u), af::json_error);
}

TEST_CASE("a state meets another as its difference to an empty one", "[codec]") {
  Everything stored, input;
  stored.name = "kept";
  stored.numbers = {1};
  stored.count = 5;
  input.numbers = {2};
  input.count = 1;
  Change u;
  Model::as_update(input, u);
  Model::apply(stored, u, nullptr);
  CHECK(stored.name == "kept");
  CHECK(stored.numbers == af::List<int>{1, 2});
  CHECK(stored.count == 6);
}

TEST_CASE("whether a state can be stored is known", "[codec]") {
  CHECK(af::state_ops<Everything>().save != nullptr);
  CHECK(af::state_ops<Everything>().load_update != nullptr);
  CHECK(af::state_ops<af::AgentState>().save != nullptr);
  CHECK(af::state_ops<af::JsonState>().save_update != nullptr);
  CHECK(af::state_ops<Opaque>().save == nullptr);
  CHECK(af::state_ops<Opaque>().load_update == nullptr);
}

TEST_CASE("a JsonState is stored with its keys and reducers", "[codec]") {
  using J = af::StateModel<af::JsonState>;
  af::JsonFields fields;
  fields.add("topic").add("found", af::json_reducer::append).add("n", af::json_reducer::sum, json(10));
  af::JsonState state(fields);
  state.set("topic", "x");
  af::JsonWriter out;
  J::save(out, state);
  const auto document = af::JsonValue::parse(out.text());
  af::JsonState back;
  J::load(af::JsonReader(document), back);
  CHECK(back == state);

  af::Update<af::JsonState> u;
  u.write("found", 1).write("found", 2).write("n", 5).overwrite("topic", "y");
  af::JsonWriter change;
  J::save_update(change, u);
  const auto changes = af::JsonValue::parse(change.text());
  af::Update<af::JsonState> read;
  J::load_update(af::JsonReader(changes), read);
  J::apply(back, read, nullptr);
  CHECK(back["found"] == json(std::vector<int>{1, 2}));
  CHECK(back["n"] == 15);
  CHECK(back["topic"] == "y");

  af::JsonFields own;
  own.add("k", af::JsonReducer([](const json&, const json& m) { return std::optional<json>(m); },
                               [](json& v, json d) { v = std::move(d); }));
  af::JsonWriter refused;
  CHECK_THROWS_WITH(J::save(refused, af::JsonState(own)), Catch::Contains("JSON_007") && Catch::Contains("'k'"));
}
