// SPDX-License-Identifier: MIT
// Update: several writes to one field, and what two nodes that write one field are told.
#include <agentflow/state/update.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/state/message.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using Catch::Matchers::Contains;

namespace {

/// Makes no one delta of two.
struct shortest {
  static af::Diff<std::string> diff(const std::string& base, const std::string& mine) {
    if (mine == base) return af::Diff<std::string>::none();
    return mine;
  }
  static void apply(std::string& value, std::string delta) {
    if (delta.size() < value.size()) value = std::move(delta);
  }
};

struct All {
  std::string name;
  af::List<std::string> list;
  std::vector<int> cells;
  std::string text;
  int n = 0;
  int high = 0;
  int low = 0;
  std::set<std::string> tags;
  std::map<std::string, int> table;
  af::List<af::Message> messages;
  std::string brief = "as long as can be";
};
AGENTFLOW_STATE(All, name, (list, af::append), (cells, af::append), (text, af::append), (n, af::sum), (high, af::max),
                (low, af::min), (tags, af::set_union), (table, af::merge_map), (messages, af::add_messages),
                (brief, shortest))

All applied(af::Update<All> update) {
  All state;
  af::StateModel<All>::apply(state, update, nullptr);
  return state;
}

struct Lone {
  std::string text;
  std::vector<int> cells;
  double x = 0;
  bool yes = false;
  std::set<int> tags;
  std::map<int, int> table;
  af::List<af::Message> messages;
  std::shared_ptr<int> pointer;
  std::vector<int> shared;
};
AGENTFLOW_STATE(Lone, text, cells, x, yes, tags, table, messages, pointer, (shared, af::append))

/// What two nodes that both do `change` are told.
template <class F>
std::string conflict(F change) {
  af::StateGraph<Lone> g;
  const auto node = [change](Lone s) {
    change(s);
    return s;
  };
  for (const char* n : {"a", "b"}) g.add_node(n, node).set_entry_point(n).add_edge(n, "END");
  Lone input;
  input.shared = {9};
  try {
    g.compile().invoke(input);
  } catch (const af::state_error& e) {
    CHECK(e.code() == af::errc::update_conflict);
    return e.message();
  }
  return "no conflict";
}

}  // namespace

TEST_CASE("several writes to one field of an update all count", "[update]") {
  af::Update<All> u;
  u.write<&All::name>("first").write<&All::name>("second");
  u.write<&All::list>("a").write<&All::list>(std::vector<std::string>{"b", "c"});
  u.write<&All::cells>(1).write<&All::cells>(2).write<&All::text>("one ").write<&All::text>("two");
  u.write<&All::n>(2).write<&All::n>(3).write<&All::high>(7).write<&All::high>(5).write<&All::low>(-1).write<&All::low>(
      -4);
  u.write<&All::tags>("x").write<&All::tags>("y").write<&All::table>(std::pair<const std::string, int>("k", 1));
  u.write<&All::table>(std::pair<const std::string, int>("k", 2));
  u.write<&All::table>(std::pair<const std::string, int>("l", 3));
  const auto message = af::Message::user("hello").with_id("m");
  u.write<&All::messages>(message).write<&All::messages>(af::Message::user("again").with_id("m"));
  u.write<&All::messages>(af::Message::user("more").with_id("n"));
  const All s = applied(std::move(u));
  CHECK(s.name == "second");
  CHECK(s.list == af::List<std::string>{"a", "b", "c"});
  CHECK(s.cells == std::vector<int>{1, 2});
  CHECK(s.text == "one two");
  CHECK(s.n == 5);
  CHECK(s.high == 7);
  CHECK(s.low == -4);
  CHECK(s.tags.size() == 2);
  CHECK(s.table == std::map<std::string, int>{{"k", 2}, {"l", 3}});
  REQUIRE(s.messages.size() == 2);
  CHECK(s.messages[0].text() == "again");
}

TEST_CASE("a write after an overwrite changes the new value, an overwrite after a write replaces it", "[update]") {
  const auto after = applied(af::Update<All>().overwrite<&All::n>(10).write<&All::n>(3).write<&All::n>(4));
  CHECK(after.n == 17);
  const auto before = applied(af::Update<All>().write<&All::n>(3).overwrite<&All::n>(10));
  CHECK(before.n == 10);
  CHECK(applied(af::Update<All>().overwrite<&All::brief>("new").write<&All::brief>("n")).brief == "n");
}

TEST_CASE("a second write to a field whose reducer cannot combine is a typed error", "[update]") {
  af::Update<All> u;
  u.write<&All::brief>("one");
  try {
    u.write<&All::brief>("two");
    FAIL("no error");
  } catch (const af::state_error& e) {
    CHECK(e.code() == af::errc::reducer_failed);
    CHECK_THAT(e.message(), Contains("combine"));
  }
  CHECK(applied(std::move(u)).brief == "one");
}

TEST_CASE("two writers of one field are told a reducer that fits its type", "[update]") {
  CHECK_THAT(conflict([](Lone& s) { s.text = "x"; }), Contains("af::append"));
  CHECK_THAT(conflict([](Lone& s) { s.cells.push_back(1); }), Contains("af::append"));
  CHECK_THAT(conflict([](Lone& s) { s.x = 1; }), Contains("af::sum"));
  CHECK_THAT(conflict([](Lone& s) { s.yes = true; }), Contains("af::max"));
  CHECK_THAT(conflict([](Lone& s) { s.tags.insert(1); }), Contains("af::set_union"));
  CHECK_THAT(conflict([](Lone& s) { s.table[1] = 2; }), Contains("af::merge_map"));
  CHECK_THAT(conflict([](Lone& s) { s.messages.push_back(af::Message::user("x")); }), Contains("af::add_messages"));
  CHECK_THAT(conflict([](Lone& s) { s.pointer = std::make_shared<int>(1); }), Contains("af::max"));
  // It has one, but what was done to it was more than appending.
  CHECK_THAT(conflict([](Lone& s) { s.shared = {1}; }), Contains("replaced its whole value"));
}
