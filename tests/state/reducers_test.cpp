// SPDX-License-Identifier: MIT
// The reducers: the law that a delta turns base into mine, what merges, what replaces, and what it costs.
#include <agentflow/state/reducers.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace af = agentflow;
using af::Diff;
using af::List;

namespace {

enum class Says { none, delta, replaced };

/// What diff says, after checking that it keeps the law and its promise about `mine`.
template <class R, class T>
Says lawful(const T& base, const T& mine) {
  T given = mine;
  Diff<af::reducer_delta_t<R, T>> diff(R::diff(base, std::move(given)));
  if (diff.is_replaced()) {
    REQUIRE(given == mine);  // not taken apart
    return Says::replaced;
  }
  T value = base;
  if (diff.is_delta()) R::apply(value, std::move(diff).delta());
  REQUIRE(value == mine);
  return diff.is_none() ? Says::none : Says::delta;
}

/// Two nodes start from `base`; their deltas are merged in order.
template <class R, class T>
T merged(const T& base, T first, T second) {
  T value = base;
  R::apply(value, Diff<af::reducer_delta_t<R, T>>(R::diff(base, std::move(first))).delta());
  R::apply(value, Diff<af::reducer_delta_t<R, T>>(R::diff(base, std::move(second))).delta());
  return value;
}

/// A message. Counts its copies; a copy can be made to throw.
struct Note {
  static inline long copies = 0, copies_left = -1;

  Note(std::string i, std::string t, bool r = false) : name(std::move(i)), text(std::move(t)), removal(r) {}
  Note(const Note& other) : name(other.name), text(other.text), removal(other.removal) {
    if (copies_left == 0) throw std::runtime_error("copy");
    if (copies_left > 0) --copies_left;
    ++copies;
  }
  Note(Note&&) noexcept = default;
  Note& operator=(const Note&) = default;
  Note& operator=(Note&&) noexcept = default;

  static Note remove(std::string id) { return Note(std::move(id), "", true); }
  const std::string& id() const { return name; }
  bool is_removal() const { return removal; }
  bool operator==(const Note&) const = default;

  std::string name, text;
  bool removal;
};

using Notes = List<Note>;

/// Ids made on the fly: views of them must not outlive them.
struct Fleeting {
  explicit Fleeting(int v, bool r = false) : value(v), removal(r) {}
  static Fleeting remove(const std::string& id) { return Fleeting(std::stoi(id.substr(40)), true); }
  std::string id() const { return std::string(40, 'x') + std::to_string(value); }
  bool is_removal() const { return removal; }
  bool operator==(const Fleeting&) const = default;

  int value;
  bool removal;
};

Notes notes(int n) {
  Notes list;
  for (int i = 0; i < n; ++i) list.emplace_back(std::to_string(i), "text");
  return list;
}

std::string texts(const Notes& list) {
  std::string all;
  for (const Note& note : list) {
    if (!all.empty()) all += ' ';
    all += note.name + ":" + note.text;
  }
  return all;
}

struct Incomparable {};

struct longest {
  static std::optional<std::string> diff(const std::string& base, const std::string& mine) {
    if (mine == base) return std::nullopt;
    return mine;
  }
  static void apply(std::string& value, const std::string& delta) {
    if (delta.size() > value.size()) value = delta;
  }
};

struct half_a_reducer {
  static std::optional<int> diff(int, int) { return 1; }
};

struct CaseBlind {
  bool operator()(const std::string& a, const std::string& b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [](char x, char y) { return (x | 32) < (y | 32); });
  }
};

/// Seeds are fixed, so a failure repeats; it names its seed.
template <class F>
void with_seeds(std::uint32_t n, const F& f) {
  for (std::uint32_t seed = 4711; seed < 4711 + n; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    f([&](int below) { return std::uniform_int_distribution<int>(0, below - 1)(random); });
  }
}

}  // namespace

// What fits, and what does not.
static_assert(af::ReducerFor<af::last_value, std::string>);
static_assert(!af::ReducerFor<af::last_value, Incomparable>);
static_assert(af::ReducerFor<af::append, List<int>> && af::ReducerFor<af::append, std::vector<std::string>>);
static_assert(af::ReducerFor<af::append, std::string>);
static_assert(!af::ReducerFor<af::append, List<Incomparable>> && !af::ReducerFor<af::append, int>);
static_assert(af::ReducerFor<af::sum, int> && af::ReducerFor<af::sum, double>);
static_assert(af::ReducerFor<af::sum, std::chrono::milliseconds>);
static_assert(!af::ReducerFor<af::sum, bool> && !af::ReducerFor<af::sum, std::string>);
static_assert(af::ReducerFor<af::min, int> && af::ReducerFor<af::max, std::string>);
static_assert(!af::ReducerFor<af::max, Incomparable>);
static_assert(af::ReducerFor<af::set_union, std::set<int>> && af::ReducerFor<af::set_union, std::unordered_set<int>>);
static_assert(!af::ReducerFor<af::set_union, std::multiset<int>> && !af::ReducerFor<af::set_union, std::vector<int>>);
static_assert(!af::ReducerFor<af::set_union, std::map<int, int>>);
static_assert(af::ReducerFor<af::merge_map, std::map<int, int>>);
static_assert(af::ReducerFor<af::merge_map, std::unordered_map<std::string, int>>);
static_assert(!af::ReducerFor<af::merge_map, std::multimap<int, int>> && !af::ReducerFor<af::merge_map, std::set<int>>);
static_assert(!af::ReducerFor<af::merge_map, std::map<int, Incomparable>>);
static_assert(af::ReducerFor<af::add_messages, Notes> && af::ReducerFor<af::add_messages, List<Fleeting>>);
static_assert(!af::ReducerFor<af::add_messages, List<int>> && !af::ReducerFor<af::add_messages, std::vector<Note>>);
static_assert(af::ReducerFor<longest, std::string> && !af::ReducerFor<longest, int>);
static_assert(!af::ReducerFor<half_a_reducer, int>);

static_assert(af::check_reducer<af::append, List<int>>());
static_assert(std::is_same_v<af::reducer_delta_t<af::append, List<int>>, std::vector<int>>);
static_assert(std::is_same_v<af::reducer_delta_t<af::append, std::string>, std::string>);
static_assert(std::is_same_v<af::reducer_delta_t<af::sum, short>, short>);
static_assert(std::is_same_v<af::reducer_delta_t<af::last_value, std::optional<int>>, std::optional<int>>);
static_assert(std::is_same_v<af::reducer_delta_t<longest, std::string>, std::string>);
static_assert(af::reducer_exclusive_v<af::last_value>);
static_assert(!af::reducer_exclusive_v<af::append> && !af::reducer_exclusive_v<longest>);

TEST_CASE("last_value takes the new value") {
  CHECK(lawful<af::last_value>(std::string("a"), std::string("a")) == Says::none);
  CHECK(lawful<af::last_value>(std::string("a"), std::string("b")) == Says::delta);
  CHECK(lawful<af::last_value>(std::optional<int>(1), std::optional<int>()) == Says::delta);
  CHECK(lawful<af::last_value>(std::optional<int>(), std::optional<int>()) == Says::none);
  CHECK(lawful<af::last_value>(true, false) == Says::delta);
}

TEST_CASE("append keeps what every node appended, in order") {
  SECTION("List") {
    const List<int> base{1, 2};
    List<int> a = base, b = base;
    a.push_back(3);
    b.push_back(4);
    CHECK(lawful<af::append>(base, a) == Says::delta);
    CHECK(merged<af::append>(base, a, b) == List<int>{1, 2, 3, 4});
    CHECK(lawful<af::append>(base, base) == Says::none);
    a.replace(0, 9);
    CHECK(lawful<af::append>(base, a) == Says::replaced);
    b.clear();
    CHECK(lawful<af::append>(base, b) == Says::replaced);
    CHECK(lawful<af::append>(base, List<int>{1, 2, 7}) == Says::delta);  // built anew
    CHECK(lawful<af::append>(List<int>(), base) == Says::delta);
  }
  SECTION("vector") {
    using V = std::vector<std::string>;
    CHECK(lawful<af::append>(V{"a"}, V{"a", "b"}) == Says::delta);
    CHECK(lawful<af::append>(V{"a"}, V{"a"}) == Says::none);
    CHECK(lawful<af::append>(V{"a"}, V{"b", "a"}) == Says::replaced);
    CHECK(lawful<af::append>(V{"a"}, V{}) == Says::replaced);
    CHECK(merged<af::append>(V{"a"}, V{"a", "b"}, V{"a", "c"}) == V{"a", "b", "c"});
    CHECK(lawful<af::append>(std::vector<bool>{true}, std::vector<bool>{true, false}) == Says::delta);
  }
  SECTION("string") {
    const std::string base = "log";
    CHECK(lawful<af::append>(base, std::string("log line")) == Says::delta);
    CHECK(lawful<af::append>(base, base) == Says::none);
    CHECK(lawful<af::append>(base, std::string("lo")) == Says::replaced);
    CHECK(lawful<af::append>(base, std::string("Log line")) == Says::replaced);
    CHECK(merged<af::append>(base, base + " a", base + " b") == "log a b");
  }
}

TEST_CASE("append costs what was appended, however long the list is") {
  for (const int n : {10, 10000}) {
    Notes base = notes(n);
    Note::copies = 0;
    Notes branch = base;
    af::append::prepare_branch(branch);
    branch.emplace_back("new", "text");
    auto diff = af::append::diff(base, std::move(branch));
    REQUIRE(diff.is_delta());
    CHECK(Note::copies == 0);  // the branch had forked, so its element could be moved
    af::append::apply(base, std::move(diff).delta());
    CHECK(base.size() == static_cast<std::size_t>(n) + 1);
    CHECK(Note::copies == 0);
  }
}

TEST_CASE("sum adds what every node added") {
  CHECK(lawful<af::sum>(5, 7) == Says::delta);
  CHECK(lawful<af::sum>(5, 5) == Says::none);
  CHECK(merged<af::sum>(10, 12, 9) == 11);
  CHECK(merged<af::sum>(10u, 12u, 9u) == 11u);
  CHECK(merged<af::sum>(1.5, 2.0, 3.0) == 3.5);
  using std::chrono::milliseconds;
  CHECK(merged<af::sum>(milliseconds(10), milliseconds(15), milliseconds(11)) == milliseconds(16));

  using Point = std::chrono::sys_seconds;  // its delta is of another type
  const Point start(std::chrono::seconds(100));
  CHECK(lawful<af::sum>(start, start + std::chrono::seconds(5)) == Says::delta);
}

TEST_CASE("sum wraps around instead of overflowing") {
  constexpr int low = std::numeric_limits<int>::min(), high = std::numeric_limits<int>::max();
  CHECK(lawful<af::sum>(low, high) == Says::delta);
  CHECK(lawful<af::sum>(high, low) == Says::delta);
  CHECK(lawful<af::sum>(std::int8_t{-128}, std::int8_t{127}) == Says::delta);
  CHECK(lawful<af::sum>(std::uint16_t{65535}, std::uint16_t{0}) == Says::delta);
  CHECK(lawful<af::sum>(std::numeric_limits<std::int64_t>::min(), std::int64_t{1}) == Says::delta);
  CHECK(merged<af::sum>(high - 1, high, high) == low);
}

TEST_CASE("a sum that becomes infinite or no number replaces the field") {
  constexpr double inf = std::numeric_limits<double>::infinity();
  CHECK(lawful<af::sum>(1.0, inf) == Says::replaced);
  CHECK(lawful<af::sum>(inf, 1.0) == Says::replaced);
  CHECK(lawful<af::sum>(inf, inf) == Says::none);
  double mine = std::numeric_limits<double>::quiet_NaN();
  CHECK(af::sum::diff(1.0, std::move(mine)).is_replaced());
}

TEST_CASE("min and max keep the best value; a worse one replaces") {
  CHECK(lawful<af::max>(3, 5) == Says::delta);
  CHECK(lawful<af::max>(3, 3) == Says::none);
  CHECK(lawful<af::max>(3, 1) == Says::replaced);
  CHECK(merged<af::max>(3, 9, 5) == 9);
  CHECK(merged<af::max>(3, 5, 9) == 9);
  CHECK(lawful<af::min>(3, 1) == Says::delta);
  CHECK(lawful<af::min>(3, 5) == Says::replaced);
  CHECK(merged<af::min>(3, 2, 1) == 1);
  CHECK(merged<af::min>(std::string("m"), std::string("b"), std::string("c")) == "b");
  CHECK(af::max::diff(1.0, std::numeric_limits<double>::quiet_NaN()).is_replaced());
}

TEST_CASE("set_union keeps what every node added") {
  using S = std::set<std::string>;
  CHECK(lawful<af::set_union>(S{"a"}, S{"a", "b"}) == Says::delta);
  CHECK(lawful<af::set_union>(S{"a"}, S{"a"}) == Says::none);
  CHECK(lawful<af::set_union>(S{"a", "c"}, S{"a", "b"}) == Says::replaced);
  CHECK(lawful<af::set_union>(S{"a"}, S{}) == Says::replaced);
  CHECK(merged<af::set_union>(S{"a"}, S{"a", "b"}, S{"a", "b", "c"}) == S{"a", "b", "c"});
  using U = std::unordered_set<int>;
  CHECK(lawful<af::set_union>(U{1}, U{1, 2}) == Says::delta);
  CHECK(merged<af::set_union>(U{1}, U{1, 2}, U{1, 3}) == U{1, 2, 3});

  S base{"a"}, mine{"a", "b"};
  CHECK(af::set_union::diff(base, std::move(mine)).delta() == S{"b"});
  using Blind = std::set<std::string, CaseBlind>;  // what the comparator calls the same can differ
  CHECK(lawful<af::set_union>(Blind{"a"}, Blind{"A"}) == Says::replaced);
  using Down = std::set<int, bool (*)(int, int)>;  // a comparator without a usable default
  const Down down({1, 2}, [](int a, int b) { return a > b; });
  Down more = down;
  more.insert(3);
  CHECK(lawful<af::set_union>(down, more) == Says::delta);
}

TEST_CASE("merge_map keeps the entries that every node set") {
  using M = std::map<std::string, int>;
  CHECK(lawful<af::merge_map>(M{{"a", 1}}, M{{"a", 1}, {"b", 2}}) == Says::delta);
  CHECK(lawful<af::merge_map>(M{{"a", 1}}, M{{"a", 2}}) == Says::delta);
  CHECK(lawful<af::merge_map>(M{{"a", 1}}, M{{"a", 1}}) == Says::none);
  CHECK(lawful<af::merge_map>(M{{"a", 1}}, M{{"b", 1}}) == Says::replaced);
  M base{{"a", 1}, {"b", 1}}, mine{{"a", 1}, {"b", 2}, {"c", 3}};
  CHECK(af::merge_map::diff(base, std::move(mine)).delta() == M{{"b", 2}, {"c", 3}});
  CHECK(merged<af::merge_map>(M{{"a", 1}}, M{{"a", 2}, {"b", 1}}, M{{"a", 3}}) == M{{"a", 3}, {"b", 1}});
  using Blind = std::map<std::string, int, CaseBlind>;
  CHECK(lawful<af::merge_map>(Blind{{"a", 1}}, Blind{{"A", 1}}) == Says::replaced);
  using U = std::unordered_map<int, std::string>;
  CHECK(merged<af::merge_map>(U{}, U{{1, "x"}}, U{{1, "y"}, {2, "z"}}) == U{{1, "y"}, {2, "z"}});
}

TEST_CASE("add_messages appends, replaces in place and removes by id") {
  Notes list{{"a", "1"}, {"", "anonymous"}, {"b", "2"}, {"c", "3"}};
  const Notes before = list;
  af::add_messages::apply(list, {{"b", "new"}, {"d", "4"}, Note::remove("a"), {"", "again"}});
  CHECK(texts(list) == ":anonymous b:new c:3 d:4 :again");
  CHECK(texts(before) == "a:1 :anonymous b:2 c:3");
}

TEST_CASE("the elements of one delta take effect one after another") {
  Notes list{{"a", "1"}, {"b", "2"}};
  af::add_messages::apply(list, {{"n", "x"}, {"n", "y"}});
  CHECK(texts(list) == "a:1 b:2 n:y");
  af::add_messages::apply(list, {Note::remove("a"), {"a", "back"}});
  CHECK(texts(list) == "b:2 n:y a:back");
  af::add_messages::apply(list, {{"m", "x"}, Note::remove("m"), {"b", "p"}, Note::remove("b")});
  CHECK(texts(list) == "n:y a:back");
  af::add_messages::apply(list, {{"n", "p"}, {"n", "q"}, Note::remove("a"), {"a", "r"}, {"a", "s"}});
  CHECK(texts(list) == "n:q a:s");
}

TEST_CASE("removing an unknown message is an error that names it and changes nothing") {
  Notes list{{"a", "1"}};
  const auto fails = [&](std::vector<Note> delta, const std::string& id) {
    try {
      af::add_messages::apply(list, std::move(delta));
    } catch (const af::state_error& e) {
      CHECK(e.code() == af::errc::reducer_failed);
      CHECK(e.message().find("'" + id + "'") != std::string::npos);
      CHECK(texts(list) == "a:1");
      return;
    }
    FAIL("no error");
  };
  fails({{"b", "2"}, Note::remove("ghost")}, "ghost");
  fails({Note::remove("a"), Note::remove("a")}, "a");
  fails({Note::remove("")}, "");
}

TEST_CASE("what a node did to a conversation becomes a delta") {
  const Notes base{{"a", "1"}, {"b", "2"}, {"", "x"}, {"c", "3"}};
  Notes mine = base;
  SECTION("nothing") { CHECK(lawful<af::add_messages>(base, mine) == Says::none); }
  SECTION("an equal list built anew") { CHECK(lawful<af::add_messages>(base, Notes(base.to_vector())) == Says::none); }
  SECTION("appended") {
    mine.append({{"d", "4"}, {"", "y"}, {"", "y"}});
    CHECK(lawful<af::add_messages>(base, mine) == Says::delta);
  }
  SECTION("appended to nothing") { CHECK(lawful<af::add_messages>(Notes(), mine) == Says::delta); }
  SECTION("changed in place") {
    mine.replace(1, {"b", "new"});
    mine.push_back({"d", "4"});
    CHECK(lawful<af::add_messages>(base, mine) == Says::delta);
  }
  SECTION("removed") {
    const Notes without{{"b", "2"}, {"", "x"}, {"e", "5"}};
    CHECK(lawful<af::add_messages>(base, without) == Says::delta);
  }
  SECTION("all removed") { CHECK(lawful<af::add_messages>(Notes{{"a", "1"}, {"b", "2"}}, Notes()) == Says::delta); }
  SECTION("reordered") {
    CHECK(lawful<af::add_messages>(base, Notes{{"b", "2"}, {"a", "1"}, {"", "x"}, {"c", "3"}}) == Says::replaced);
  }
  SECTION("one without id changed, dropped or put in between") {
    mine.replace(2, {"", "changed"});
    CHECK(lawful<af::add_messages>(base, mine) == Says::replaced);
    CHECK(lawful<af::add_messages>(base, Notes{{"a", "1"}, {"b", "2"}, {"c", "3"}}) == Says::replaced);
    CHECK(lawful<af::add_messages>(base, Notes{{"", "z"}, {"a", "1"}, {"b", "2"}, {"", "x"}, {"c", "3"}}) ==
          Says::replaced);
  }
  SECTION("an id appended that is there already, or twice") {
    mine.push_back({"b", "again"});
    CHECK(lawful<af::add_messages>(base, mine) == Says::replaced);
    mine = base;
    mine.append({{"d", "4"}, {"d", "5"}});
    CHECK(lawful<af::add_messages>(base, mine) == Says::replaced);
    mine = Notes{{"a", "1"}, {"", "x"}, {"c", "3"}, {"b", "2"}};  // moved to the end
    CHECK(lawful<af::add_messages>(base, mine) == Says::replaced);
  }
  SECTION("a removal marker taken as a message") {
    mine.push_back(Note::remove("a"));
    CHECK(lawful<af::add_messages>(base, mine) == Says::replaced);
    mine = base;
    mine.replace(0, Note::remove("a"));
    CHECK(lawful<af::add_messages>(base, mine) == Says::replaced);
  }
  SECTION("an id twice in what it started from") {
    Notes twice = base;
    twice.push_back({"a", "again"});
    mine = twice;
    mine.push_back({"d", "4"});
    CHECK(lawful<af::add_messages>(twice, mine) == Says::delta);
    mine = twice;
    mine.replace(0, {"a", "changed"});
    CHECK(lawful<af::add_messages>(twice, mine) == Says::replaced);
    mine = twice;
    mine.replace(4, {"a", "changed"});
    CHECK(lawful<af::add_messages>(twice, mine) == Says::delta);
  }
}

TEST_CASE("changes of two nodes to a conversation merge") {
  const Notes base{{"a", "1"}, {"b", "2"}, {"c", "3"}};
  Notes first = base, second = base;
  first.replace(0, {"a", "new"});
  first.push_back({"d", "first"});
  second.truncate(2);
  second.push_back({"e", "second"});
  CHECK(texts(merged<af::add_messages>(base, first, second)) == "a:new b:2 d:first e:second");
}

TEST_CASE("ids may be temporary strings") {
  List<Fleeting> list;
  for (int i = 0; i < 30; ++i) list.emplace_back(i);
  List<Fleeting> mine = list;
  mine.emplace_back(30);
  CHECK(lawful<af::add_messages>(list, mine) == Says::delta);
  af::add_messages::apply(list, {Fleeting::remove(Fleeting(7).id()), Fleeting(31)});
  CHECK(list.size() == 30);
  CHECK(list[7] == Fleeting(8));
  CHECK_FALSE(list.find_id(Fleeting(7).id()));
}

TEST_CASE("add_messages costs what was appended, and one rebuild for all changes") {
  for (const int n : {100, 10000}) {
    Notes base = notes(n);
    (void)base.find_id("0");
    Notes branch = base;
    af::add_messages::prepare_branch(branch);
    branch.emplace_back("new", "text");
    Note::copies = 0;
    auto diff = af::add_messages::diff(base, std::move(branch));
    REQUIRE(diff.is_delta());
    af::add_messages::apply(base, std::move(diff).delta());
    CHECK(Note::copies == 0);

    std::vector<Note> delta;
    for (int i = 0; i < 50; ++i) {
      delta.emplace_back(std::to_string(i), "changed");
      delta.push_back(Note::remove(std::to_string(n - 1 - i)));
    }
    Note::copies = 0;
    af::add_messages::apply(base, std::move(delta));
    CHECK(base.size() == static_cast<std::size_t>(n) - 49);
    CHECK(Note::copies <= n + 1);

    Note::copies = 0;  // near the end: little is rebuilt
    af::add_messages::apply(base, {{"new", "changed"}});
    CHECK(Note::copies <= 4);
    CHECK(base.back().text == "changed");
  }
}

TEST_CASE("a copy that throws leaves the conversation as it was") {
  for (long k = 0;; ++k) {
    Notes list = notes(12);
    const Notes other = list;
    const std::string before = texts(list);
    std::vector<Note> delta{{"new", "x"}, {"3", "changed"}, Note::remove("8"), {"newer", "y"}};
    Note::copies_left = k;
    bool failed = false;
    try {
      af::add_messages::apply(list, std::move(delta));
    } catch (const std::runtime_error&) {
      failed = true;
    }
    Note::copies_left = -1;
    if (!failed) {
      CHECK(k > 8);
      CHECK(list.size() == 13);
      break;
    }
    REQUIRE(texts(list) == before);
    REQUIRE(texts(other) == before);
  }
}

TEST_CASE("a branch that was prepared leaves the tip to the main line") {
  List<int> main{1, 2, 3, 4, 5};
  List<int> branch = main;
  af::append::prepare_branch(branch);
  branch.push_back(60);
  main.push_back(6);
  CHECK(&main[5] == &main[4] + 1);
}

TEST_CASE("a field can be written with one element") {
  CHECK(af::append::delta_from<List<std::string>>("one") == std::vector<std::string>{"one"});
  CHECK(af::append::delta_from<std::vector<int>>(1) == std::vector{1});
  CHECK(af::append::delta_from<List<int>>(List<int>{1, 2}) == std::vector{1, 2});
  CHECK(af::set_union::delta_from<std::set<std::string>>("one") == std::set<std::string>{"one"});
  CHECK(af::merge_map::delta_from<std::map<std::string, int>>({"one", 1}) == std::map<std::string, int>{{"one", 1}});
  CHECK(af::add_messages::delta_from<Notes>(Note("a", "1")).size() == 1);
  CHECK(af::add_messages::delta_from<Notes>(notes(3)).size() == 3);
}

TEST_CASE("a reducer of one's own needs two functions") {
  CHECK(lawful<longest>(std::string("a"), std::string("bc")) == Says::delta);
  CHECK(lawful<longest>(std::string("a"), std::string("a")) == Says::none);
  CHECK(merged<longest>(std::string("a"), std::string("xyz"), std::string("bc")) == "xyz");
}

TEST_CASE("the law holds for random edits of lists") {
  with_seeds(300, [](const auto& below) {
    Notes base;
    for (int i = below(20); i > 0; --i) base.emplace_back(below(4) ? std::to_string(i) : "", std::to_string(below(3)));
    Notes mine = below(5) ? base : Notes(base.to_vector());
    if (below(2)) mine.detach_tip();
    for (int edit = below(6); edit > 0; --edit) {
      Note note(below(4) ? std::to_string(below(30)) : "", std::to_string(below(3)), below(15) == 0);
      std::vector<Note> all = mine.to_vector();
      const int size = static_cast<int>(mine.size());
      switch (size == 0 ? 0 : below(7)) {
        case 0:
        case 1: mine.push_back(note); break;
        case 2: mine.truncate(mine.size() - 1); break;
        case 3: mine.replace(static_cast<std::size_t>(below(size)), note); break;
        case 4: {
          const auto i = static_cast<std::size_t>(below(size));
          note.name = mine[i].name;
          mine.replace(i, note);
          break;
        }
        case 5:
          all.erase(all.begin() + below(size));
          mine = Notes(all);
          break;
        default: std::swap(all[static_cast<std::size_t>(below(size))], all[0]); mine = Notes(all);
      }
    }
    lawful<af::add_messages>(base, mine);
    lawful<af::append>(base, mine);
    lawful<af::append>(base.to_vector(), mine.to_vector());
    lawful<af::last_value>(base, mine);
  });
}

TEST_CASE("apply of a delta is the same as applying its elements one by one") {
  with_seeds(300, [](const auto& below) {
    Notes list;
    for (int i = below(15); i > 0; --i) list.emplace_back(std::to_string(i), "old");
    std::vector<Note> delta;
    for (int i = below(12); i > 0; --i) {
      delta.emplace_back(below(5) ? std::to_string(below(20)) : "", std::to_string(i), below(3) == 0);
    }
    // The same in the plainest way.
    std::vector<Note> model = list.to_vector();
    bool fails = false;
    for (const Note& note : delta) {
      const auto at = note.name.empty() ? model.end() : std::find_if(model.begin(), model.end(), [&](const Note& n) {
        return n.name == note.name;
      });
      if (note.removal && at == model.end()) fails = true;
      if (fails) break;
      if (note.removal)
        model.erase(at);
      else if (at != model.end())
        *at = note;
      else
        model.push_back(note);
    }
    const Notes before = list;
    bool failed = false;
    try {
      af::add_messages::apply(list, std::move(delta));
    } catch (const af::state_error&) {
      failed = true;
    }
    REQUIRE(failed == fails);
    REQUIRE(list.to_vector() == (fails ? before.to_vector() : model));
  });
}

TEST_CASE("the law holds for random edits of numbers, sets and maps") {
  with_seeds(300, [](const auto& below) {
    std::set<int> base_set, mine_set;
    std::unordered_map<int, int> base_map, mine_map;
    for (int i = below(10); i > 0; --i) {
      const int key = below(12), value = below(2);
      if (below(5)) base_set.insert(key), base_map[key] = value;
      if (below(8)) mine_set.insert(key), mine_map[key] = below(4) ? value : 7;
    }
    lawful<af::set_union>(base_set, mine_set);
    lawful<af::merge_map>(base_map, mine_map);
    std::uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) bits = bits << 8 | static_cast<std::uint32_t>(below(256));
    const auto a = static_cast<std::int32_t>(bits), b = static_cast<std::int32_t>(bits * 2654435761u);
    lawful<af::sum>(a, b);
    lawful<af::min>(a, b);
    lawful<af::max>(a, b);
    const double x = below(1000) / 8.0, y = below(1000) / 8.0;
    lawful<af::sum>(x, y);
  });
}
