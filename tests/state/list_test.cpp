// SPDX-License-Identifier: MIT
// List: values, sharing, forks, what things cost, what happens when something throws.
#include <agentflow/state/list.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <new>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"

using agentflow::errc;
using agentflow::List;

namespace {

// Allocations of this thread until one fails; none fails while it is negative.
thread_local long allocations_left = -1;

void* allocate(std::size_t size, std::size_t alignment) {
  if (allocations_left == 0) throw std::bad_alloc();
  if (allocations_left > 0) --allocations_left;
  if (void* p = std::aligned_alloc(alignment, (size + alignment) / alignment * alignment)) return p;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return std::malloc(size); }
// Out of line, or g++ sees `free` meet `new` and warns.
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

/// Counts its copies and live objects; a copy can be made to throw.
struct Probe {
  static inline long copies = 0, moves = 0, alive = 0, copies_left = -1;

  Probe(int v) : value(v) { ++alive; }
  Probe(const Probe& other) : value(other.value) {
    if (copies_left == 0) throw std::runtime_error("copy");
    if (copies_left > 0) --copies_left;
    ++copies;
    ++alive;
  }
  Probe(Probe&& other) noexcept : value(std::exchange(other.value, -1)) {
    ++moves;
    ++alive;
  }
  Probe& operator=(const Probe&) = default;
  ~Probe() {
    value = -2;
    --alive;
  }
  bool operator==(const Probe&) const = default;

  int value;
};

struct Item {
  Item(std::string i, int v) : name(std::move(i)), value(v) {}
  const std::string& id() const { return name; }
  bool operator==(const Item&) const = default;

  std::string name;
  int value;
};

struct Opaque {  // no operator==
  int value = 0;
};

struct Tree {
  Tree(std::string n, List<Tree> c) : name(std::move(n)), children(std::move(c)) {}

  std::string name;
  List<Tree> children;
  Probe probe = 0;
  bool operator==(const Tree&) const = default;
};

List<Probe> probes(int n) {
  List<Probe> list;
  for (int i = 0; i < n; ++i) list.emplace_back(i);
  return list;
}

std::vector<int> values(const List<Probe>& list) {
  std::vector<int> found;
  for (const Probe& p : list) found.push_back(p.value);
  return found;
}

std::string named(std::string prefix, int a, int b = 0) {
  return prefix.append(std::to_string(a)).append(".").append(std::to_string(b));
}

/// Whether the last element of a list of 6 to 8 elements lies behind the one before it: nothing was forked between.
template <class T>
bool last_is_adjacent(const List<T>& list) {
  return &list.back() == &list[list.size() - 2] + 1;
}

template <class F>
std::optional<errc> code_of(const F& f) {
  try {
    f();
  } catch (const agentflow::error& e) {
    return e.code();
  }
  return std::nullopt;
}

/// Seeds are fixed, so a failure repeats; it names its seed.
std::vector<std::uint32_t> seeds(std::uint32_t n) {
  std::vector<std::uint32_t> found(n);
  for (std::uint32_t i = 0; i < n; ++i) found[i] = 20240 + i;
  return found;
}

}  // namespace

static_assert(std::regular<List<int>>);
static_assert(std::random_access_iterator<List<int>::iterator>);
static_assert(std::is_nothrow_copy_constructible_v<List<std::string>>);
static_assert(std::is_nothrow_move_assignable_v<List<std::string>>);
static_assert(sizeof(List<int>) == 16, "a copy costs two words");

TEST_CASE("a list is made from elements, vectors and ranges") {
  CHECK(List<int>().empty());
  CHECK(List<int>{1, 2, 3}.to_vector() == std::vector{1, 2, 3});
  CHECK(List<int>(std::vector{4, 5}).size() == 2);
  const std::vector<std::string> words{"a", "b"};
  const List<std::string> list = words;
  CHECK(list == List<std::string>{"a", "b"});
  CHECK(List<std::string>(words.begin(), words.end()) == list);
  std::istringstream numbers("7 8 9");  // iterators of a single pass
  CHECK(List<int>(std::istream_iterator<int>(numbers), std::istream_iterator<int>()) == List<int>{7, 8, 9});
}

TEST_CASE("elements are read by position and by iterator") {
  List<int> list;
  for (int i = 0; i < 100; ++i) list.push_back(i);
  CHECK(list.size() == 100);
  CHECK(list.front() == 0);
  CHECK(list.back() == 99);
  for (int i = 0; i < 100; ++i) CHECK(list[static_cast<std::size_t>(i)] == i);
  CHECK(list.at(42) == 42);
  CHECK(code_of([&] { list.at(100); }) == errc::bad_input);
  CHECK(code_of([] { List<int>().at(0); }) == errc::bad_input);
  CHECK(code_of([] { List<int>().front(); }) == errc::bad_input);
  CHECK(code_of([] { List<int>().back(); }) == errc::bad_input);

  auto it = list.begin();
  CHECK(list.end() - it == 100);
  CHECK(*(it + 10) == 10);
  CHECK((3 + it)[4] == 7);
  CHECK(*it++ == 0);
  CHECK(*--(it += 5) == 5);
  CHECK(it < list.end());
  CHECK(std::vector<int>(std::make_reverse_iterator(list.end()), std::make_reverse_iterator(list.begin())).front() ==
        99);
}

TEST_CASE("a moved-from list is empty and usable") {
  List<std::string> a{"x"};
  List<std::string> b = std::move(a);
  CHECK(a.empty());
  a.push_back("y");
  CHECK(a == List<std::string>{"y"});
  CHECK(b == List<std::string>{"x"});
  List<std::string>& same = b;
  b = std::move(same);
  CHECK(b == List<std::string>{"x"});
  swap(a, b);
  CHECK(a == List<std::string>{"x"});
}

TEST_CASE("a type may contain lists of itself, even of the list it is put into") {
  Probe::alive = 0;
  {
    Tree root{"root", {}};
    root.children.push_back(Tree{"leaf", {}});
    Tree copy = root;
    CHECK(copy == root);
    copy.children.push_back(root);
    CHECK_FALSE(copy == root);
    CHECK(copy.children[1].children[0].name == "leaf");

    List<Tree> list{Tree{"first", {}}};
    list.emplace_back(std::string("second"), list);
    list.push_back(Tree{"third", list});
    list.append({Tree{"fourth", list}, Tree{"fifth", list}});
    struct Wrap {
      std::string name;
      const List<Tree>* held;
      operator Tree() const { return {name, *held}; }
    };
    const std::vector<Wrap> wraps{{"sixth", &list}, {"seventh", &list}};
    list.append(wraps.begin(), wraps.end());
    list.replace(1, Tree{"other", list});
    CHECK(list.size() == 7);
    CHECK(list[6].children.size() == 5);
    CHECK(list[1].children[1].children.size() == 1);
  }
  CHECK(Probe::alive == 0);
}

TEST_CASE("copies share their elements and go their own ways") {
  List<int> a{1, 2, 3};
  List<int> b = a;
  List<int> c = a;
  b.push_back(10);
  c.push_back(20);
  a.push_back(30);
  CHECK(a == List<int>{1, 2, 3, 30});
  CHECK(b == List<int>{1, 2, 3, 10});
  CHECK(c == List<int>{1, 2, 3, 20});
  CHECK(&a[0] == &b[0]);
  CHECK(&a[2] == &c[2]);
}

TEST_CASE("elements never move") {
  List<int> list{1};
  const int* first = &list[0];
  const List<int> copy = list;
  for (int i = 0; i < 1000; ++i) list.push_back(i);
  CHECK(&list[0] == first);
  CHECK(&copy[0] == first);
}

TEST_CASE("a list can be appended to itself, and an element to its list") {
  List<std::string> list{"a", "b", "c", "d"};
  list.append(list);
  list.push_back(list[0]);
  List<std::string> fork = list;
  list.push_back("tip");
  fork.push_back(fork[1]);
  fork.append(fork.begin(), fork.begin() + 1);
  CHECK(list == List<std::string>{"a", "b", "c", "d", "a", "b", "c", "d", "a", "tip"});
  CHECK(fork == List<std::string>{"a", "b", "c", "d", "a", "b", "c", "d", "a", "b", "a"});
}

TEST_CASE("lists of every source are appended") {
  List<std::string> list;
  list.append({"a"});
  list.append(std::vector<std::string>{"b"});
  const std::vector<std::string> more{"c", "d"};
  list.append(more);
  list.append(List<std::string>{"e"});
  list.append(List<std::string>());
  CHECK(list == List<std::string>{"a", "b", "c", "d", "e"});
}

TEST_CASE("the end is dropped and the rest stays") {
  List<int> list{1, 2, 3, 4, 5, 6};
  const List<int> copy = list;
  list.pop_back();
  list.truncate(3);
  list.truncate(10);
  CHECK(list == List<int>{1, 2, 3});
  list.push_back(9);
  CHECK(list == List<int>{1, 2, 3, 9});
  CHECK(copy == List<int>{1, 2, 3, 4, 5, 6});
  list.clear();
  list.pop_back();
  CHECK(list.empty());
  list.push_back(1);
  CHECK(list == List<int>{1});
}

TEST_CASE("dropped elements are destroyed when the only holder appends again") {
  Probe::alive = 0;
  {
    List<Probe> list = probes(20);
    list.truncate(5);
    list.emplace_back(100);
    CHECK(Probe::alive == 6);
    CHECK(list.back().value == 100);
    CHECK(last_is_adjacent(list));
    const List<Probe> copy = list;
    list.truncate(2);
    list.emplace_back(200);  // others look: forks instead
    CHECK(Probe::alive == 7);
    CHECK(copy.back().value == 100);
  }
  CHECK(Probe::alive == 0);
}

TEST_CASE("replace changes one list and shares what stands before") {
  List<std::string> list{"a", "b", "c", "d"};
  const List<std::string> copy = list;
  list.replace(2, "C");
  CHECK(list == List<std::string>{"a", "b", "C", "d"});
  CHECK(copy == List<std::string>{"a", "b", "c", "d"});
  CHECK(list.shared_prefix(copy) == 2);
  list.replace(0, list[3]);
  CHECK(list == List<std::string>{"d", "b", "C", "d"});
  CHECK(code_of([&] { list.replace(4, "x"); }) == errc::bad_input);
}

TEST_CASE("a detached copy leaves the tip to the main line") {
  List<int> main{1, 2, 3, 4, 5};
  List<int> branch = main;
  branch.detach_tip();
  SECTION("itself") {}
  SECTION("its copies") { branch = List<int>(branch); }
  SECTION("what it is moved to") {
    List<int> moved = std::move(branch);
    branch = std::move(moved);
  }
  SECTION("what it is appended to while empty") {
    List<int> other;
    other.append(branch);
    branch = other;
  }
  branch.push_back(60);
  main.push_back(6);
  CHECK(last_is_adjacent(main));
  CHECK_FALSE(last_is_adjacent(branch));
  branch.push_back(70);
  CHECK(branch == List<int>{1, 2, 3, 4, 5, 60, 70});
  CHECK(main == List<int>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("without the mark the first to append takes the tip") {
  List<int> main{1, 2, 3, 4, 5};
  List<int> other = main;
  other.push_back(60);
  main.push_back(6);
  CHECK(last_is_adjacent(other));
  CHECK_FALSE(last_is_adjacent(main));
}

TEST_CASE("the mark of a detached copy ends with the fork, and when it is alone") {
  List<int> main{1, 2, 3, 4};
  List<int> branch = main;
  branch.detach_tip();
  branch.append({50, 60});
  List<int> twig = branch;
  twig.push_back(70);
  CHECK(last_is_adjacent(twig));  // the branch's own log, and nobody marked there

  List<int> alone{1, 2, 3, 4, 5};
  alone.detach_tip();
  alone.push_back(6);
  CHECK(last_is_adjacent(alone));
}

TEST_CASE("a fork that drops back onto its parent does not take the parent's tip") {
  List<int> main{1, 2, 3, 4, 5};
  List<int> branch = main;
  branch.detach_tip();
  branch.push_back(60);
  branch.pop_back();
  branch.push_back(61);
  main.push_back(6);
  CHECK(last_is_adjacent(main));
  CHECK(branch == List<int>{1, 2, 3, 4, 5, 61});
}

TEST_CASE("a list knows what it grew out of") {
  const List<Opaque> base{{1}, {2}, {3}};
  List<Opaque> mine = base;
  CHECK(mine.extends(base));
  mine.push_back({4});
  CHECK(mine.extends(base));
  CHECK_FALSE(base.extends(mine));
  List<Opaque> fork = base;
  fork.push_back({5});
  CHECK(fork.extends(base));
  CHECK(fork.shared_prefix(mine) == 3);
  CHECK_FALSE(fork.extends(mine));
  List<Opaque> twig = fork;
  fork.push_back({6});
  twig.push_back({7});
  CHECK(twig.extends(base));
  CHECK(twig.shared_prefix(fork) == 4);
  CHECK(twig.shared_prefix(mine) == 3);
  CHECK(mine.shared_prefix(twig) == 3);
  CHECK(List<Opaque>().shared_prefix(twig) == 0);
  CHECK(twig.extends(List<Opaque>()));
  CHECK_FALSE(List<Opaque>{{1}, {2}, {3}, {4}}.extends(base));  // the same, but nobody can tell
}

TEST_CASE("lists that share nothing are compared by their elements") {
  const List<int> base{1, 2, 3};
  CHECK(List<int>{1, 2, 3, 4}.extends(base));
  CHECK_FALSE(List<int>{1, 2, 4, 4}.extends(base));
  CHECK_FALSE(List<int>{1, 2}.extends(base));
  CHECK(List<int>{1, 2, 9}.common_prefix(base) == 2);
  CHECK(List<int>{1, 2, 3} == base);
  CHECK_FALSE(List<int>{1, 2, 9} == base);
}

TEST_CASE("what is copied does not depend on the length") {
  for (const int n : {10, 10000}) {
    List<Probe> list = probes(n);
    Probe::copies = Probe::moves = 0;
    List<Probe> copy = list;
    copy.emplace_back(1);
    list.emplace_back(2);  // fork
    CHECK(copy.extends(list) == false);
    CHECK(copy.shared_prefix(list) == static_cast<std::size_t>(n));
    List<Probe> branch = list;
    branch.emplace_back(3);
    CHECK(branch.extends(list));
    CHECK(std::move(branch).take_from(list.size()).size() == 1);  // copied: the log is shared with `list`
    CHECK(Probe::copies == 1);
    CHECK(Probe::moves == 0);
    list.replace(list.size() - 1, Probe(7));
    CHECK(Probe::copies == 1);
    list.replace(list.size() - 3, Probe(7));
    CHECK(Probe::copies == 3);
  }
}

TEST_CASE("take_from moves what nobody else has") {
  List<Probe> base = probes(6);
  List<Probe> branch = base;
  branch.detach_tip();
  branch.emplace_back(6);
  branch.emplace_back(7);
  Probe::copies = 0;
  SECTION("the own part") {
    const std::vector<Probe> taken = std::move(branch).take_from(6);
    CHECK(taken == std::vector<Probe>{6, 7});
    CHECK(branch.empty());
  }
  Probe::copies = 0;
  SECTION("part of it is the parent's") {
    CHECK(std::move(branch).take_from(4).size() == 4);
    CHECK(Probe::copies == 2);
  }
  SECTION("past the end") { CHECK(std::move(branch).take_from(9).empty()); }
  CHECK(values(base) == std::vector{0, 1, 2, 3, 4, 5});
}

TEST_CASE("forks of forks stay cheap") {
  // Each round takes the tip away from the list that goes on, so each round forks.
  for (const int n : {100, 10000}) {
    List<Probe> list = probes(n);
    std::vector<int> model = values(list);
    Probe::copies = 0;
    const int rounds = 2000;
    for (int i = 0; i < rounds; ++i) {
      List<Probe> taker = list;
      taker.emplace_back(-5);
      list.emplace_back(i);
      model.push_back(i);
    }
    CHECK(values(list) == model);
    CHECK(Probe::copies < rounds * 12L);
    CHECK(Probe::copies > rounds / 8);  // without copies the chain of logs would grow, and reading with it
  }
}

TEST_CASE("long chains of forks are destroyed without deep recursion") {
  List<int> list;
  std::vector<List<int>> kept;
  for (int i = 0; i < 100000; ++i) {
    List<int> taker = list;
    taker.push_back(-1);
    list.push_back(i);
    if (i % 1000 == 0) kept.push_back(taker);
  }
  CHECK(list.size() == 100000);
  CHECK(kept.back().size() == 99001);
  CHECK(kept.back()[99000] == -1);
}

TEST_CASE("elements are found by id") {
  List<Item> list;
  for (int i = 0; i < 200; ++i) list.emplace_back(named("m", i), i);
  list.emplace_back("", 0);
  CHECK(list.find_id("m0.0") == 0u);
  CHECK(list.find_id("m199.0") == 199u);
  CHECK_FALSE(list.find_id("m200.0"));
  CHECK_FALSE(list.find_id(""));
  CHECK_FALSE(List<Item>{{"", 0}}.find_id(""));
  CHECK_FALSE(List<Item>().find_id("m0.0"));

  List<Item> older = list;
  list.emplace_back("m7.0", 1000);  // twice: the newest is found, by those who have it
  CHECK(list.find_id("m7.0") == 201u);
  CHECK(older.find_id("m7.0") == 7u);
  older.emplace_back("m200.0", 200);
  CHECK(older.find_id("m200.0") == 201u);
  CHECK(older.find_id("m199.0") == 199u);
  CHECK_FALSE(list.find_id("m200.0"));
}

TEST_CASE("ids of dropped elements are forgotten") {
  List<Item> list;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 40; ++i) list.emplace_back(named("r", round, i % 30), i);
    CHECK(list.find_id(named("r", round, 5)) == list.size() - 5);
    list.truncate(list.size() - 35);
    CHECK(list.find_id(named("r", round, 5)) == std::nullopt);
    CHECK(list.find_id(named("r", round, 3)) == list.size() - 2);
  }
}

TEST_CASE("lists behave like vectors under random edits") {
  for (const auto seed : seeds(60)) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto pick = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    using Model = std::vector<Item>;
    std::vector<std::pair<List<Item>, Model>> pool(5);
    for (int step = 0; step < 400; ++step) {
      auto& [list, model] = pool[pick(pool.size())];
      auto& [other, other_model] = pool[pick(pool.size())];
      const Item item(std::to_string(pick(40)), step);
      switch (pick(12)) {
        case 0:
          list = other;
          model = other_model;
          break;
        case 1: list.detach_tip(); break;
        case 2:
          list.truncate(model.size() - std::min(model.size(), pick(8)));
          model.erase(model.begin() + static_cast<std::ptrdiff_t>(list.size()), model.end());
          break;
        case 3: {
          if (model.size() > 300) {
            list.clear();
            model.clear();
          }
          const Model tail = other_model;
          list.append(other);
          model.insert(model.end(), tail.begin(), tail.end());
          break;
        }
        case 4:
          if (!model.empty()) {
            const std::size_t i = pick(model.size());
            list.replace(i, item);
            model[i] = item;
          }
          break;
        case 5:
          if (&list != &other) {
            list = std::move(other);
            model = std::exchange(other_model, {});
          }
          break;
        default: list.push_back(item); model.push_back(item);
      }
      REQUIRE(list.to_vector() == model);
      const std::size_t shared = list.shared_prefix(other), common = list.common_prefix(other);
      REQUIRE(shared <= common);
      for (std::size_t i = 0; i < shared; ++i) REQUIRE(&list[i] == &other[i]);
      REQUIRE(list.extends(other) == (common == other_model.size()));
      REQUIRE((list == other) == (model == other_model));
      const std::string id = std::to_string(pick(40));
      std::optional<std::size_t> expected;
      for (std::size_t i = 0; i < model.size(); ++i) {
        if (model[i].name == id) expected = i;
      }
      REQUIRE(list.find_id(id) == expected);
    }
  }
}

namespace {

/// Runs each operation on lists in every relation to their log, breaking it at the k-th chance for k = 0, 1, ...
/// until it comes through. After a failure the list must be as before, and nothing may be lost or destroyed twice.
template <class Arm, class Disarm>
int break_at_every_point(const Arm& arm, const Disarm& disarm) {
  using Operation = void (*)(List<Probe>&);
  const Operation operations[] = {
      [](List<Probe>& l) {
        const Probe p(1);
        l.push_back(p);
      },
      [](List<Probe>& l) { l.push_back(l[0]); },
      [](List<Probe>& l) {
        const std::vector<Probe> v(40, Probe(2));
        l.append(v);
      },
      [](List<Probe>& l) { l.append(l); },
      [](List<Probe>& l) { l.replace(l.size() - 3, Probe(3)); },
      [](List<Probe>& l) { l.replace(0, l[1]); },
      [](List<Probe>& l) { (void)std::move(l).take_from(2); },
  };
  int failures = 0;
  for (const Operation operation : operations) {
    for (int relation = 0; relation < 6; ++relation) {
      for (long k = 0;; ++k) {
        Probe::alive = 0;
        bool failed = false;
        {
          List<Probe> list = probes(16), other;
          if (relation == 1) other = list;  // shared, at the tip
          if (relation == 2) {
            other = list;
            other.emplace_back(1);
          }  // shared, behind the tip
          if (relation == 3) list.truncate(10);  // alone, behind the tip
          if (relation == 4) {
            other = list;
            list.detach_tip();
          }
          if (relation == 5) {  // at the depth bound
            for (int i = 0; i < 8; ++i) {
              other = list;
              other.emplace_back(-1);
              list.emplace_back(i);
            }
            other = list;
            other.emplace_back(1);
          }
          const std::vector<int> before = values(list), others = values(other);
          arm(k);
          try {
            operation(list);
          } catch (const std::exception&) {
            failed = true;
          }
          disarm();
          if (failed) {
            ++failures;
            REQUIRE(values(list) == before);
          }
          REQUIRE(values(other) == others);
          list.emplace_back(77);  // still in order
          other.emplace_back(88);
          REQUIRE(list.back().value == 77);
          REQUIRE(other.size() == others.size() + 1);
        }
        REQUIRE(Probe::alive == 0);
        if (!failed) break;
      }
    }
  }
  return failures;
}

}  // namespace

TEST_CASE("a copy that throws leaves the list as it was") {
  CHECK(break_at_every_point([](long k) { Probe::copies_left = k; }, [] { Probe::copies_left = -1; }) > 500);
}

TEST_CASE("memory that runs out leaves the list as it was") {
  CHECK(break_at_every_point([](long k) { allocations_left = k; }, [] { allocations_left = -1; }) > 50);
}

TEST_CASE("an index that runs out of memory is built later") {
  int failures = 0;
  for (long k = 0;; ++k) {
    List<Item> list;
    for (int i = 0; i < 100; ++i) list.emplace_back(std::to_string(i), i);
    allocations_left = k;
    std::optional<std::size_t> found;
    bool failed = false;
    try {
      found = list.find_id("42");
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    allocations_left = -1;
    if (failed)
      ++failures;
    else
      CHECK(found == 42u);
    for (int i = 0; i < 100; ++i) REQUIRE(list.find_id(std::to_string(i)) == static_cast<std::size_t>(i));
    if (!failed) break;
  }
  CHECK(failures > 4);
}

TEST_CASE("over-aligned elements lie aligned") {
  struct alignas(64) Wide {
    int value;
  };
  List<Wide> list;
  for (int i = 0; i < 20; ++i) list.push_back({i});
  for (const Wide& w : list) CHECK(reinterpret_cast<std::uintptr_t>(&w) % 64 == 0);
}

TEST_CASE("threads append to copies of one list while others read it") {
  constexpr int threads = 4, rounds = 300;
  for (int round = 0; round < 10; ++round) {
    List<Item> shared;
    for (int i = 0; i < 30; ++i) shared.emplace_back(std::to_string(i), i);
    std::vector<int> wrong(threads, 0);
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t) {
      running.emplace_back([t, mine = shared, base = shared, &wrong = wrong[static_cast<std::size_t>(t)]]() mutable {
        if (t == 3) mine.detach_tip();
        for (int i = 0; i < rounds; ++i) {
          const std::string id = named("t", t, i);
          mine.emplace_back(id, i);
          if (i % 50 == 0) {
            List<Item> twig = mine;  // behind the tip now and then
            twig.emplace_back("twig", t);
            wrong += twig.find_id("twig") != twig.size() - 1;
          }
          if (i % 40 == 0) mine.truncate(mine.size() - 1);
          wrong += !mine.extends(base);
          wrong += base.find_id(std::to_string(i % 30)) != static_cast<std::size_t>(i % 30);
          wrong += mine.find_id("17") != 17u;
          wrong += base.find_id(id).has_value();
          int sum = 0;
          for (const Item& item : base) sum += item.value;
          wrong += sum != 435;
        }
        base.clear();  // the last of them reuses the log
        mine.emplace_back("end", 1);
        wrong += mine.find_id("end") != mine.size() - 1;
      });
    }
    shared.clear();
    for (auto& t : running) t.join();
    for (const int w : wrong) CHECK(w == 0);
  }
}

TEST_CASE("threads search copies of different length of one list") {
  constexpr std::size_t threads = 4;
  for (int round = 0; round < 50; ++round) {
    List<Item> whole;
    std::vector<List<Item>> versions(threads);
    for (std::size_t t = 0; t < threads; ++t) {
      for (int i = 0; i < 40; ++i) whole.emplace_back(std::to_string(i), static_cast<int>(t));
      versions[t] = whole;
    }
    std::atomic<int> wrong = 0;
    std::atomic<std::size_t> ready = 0;
    std::vector<std::thread> running;
    for (const auto& version : versions) {
      running.emplace_back([&] {
        ready.fetch_add(1, std::memory_order_relaxed);  // orders nothing: only the list itself may
        while (ready.load(std::memory_order_relaxed) < threads) std::this_thread::yield();
        for (std::size_t i = 0; i < 40; ++i) {
          if (version.find_id(std::to_string(i)) != version.size() - 40 + i)
            wrong.fetch_add(1, std::memory_order_relaxed);
        }
      });
    }
    for (auto& t : running) t.join();
    CHECK(wrong == 0);
  }
}

TEST_CASE("the last holder may destroy what another thread has just read") {
  for (int round = 0; round < 50; ++round) {
    List<Item> list;
    for (int i = 0; i < 6; ++i) list.emplace_back(std::to_string(i), i);
    std::atomic<bool> dropped = false;
    int sum = 0;
    std::thread reader([&dropped, &sum, copy = list]() mutable {
      for (const Item& item : copy) sum += item.value;
      copy.clear();
      dropped.store(true, std::memory_order_relaxed);  // orders nothing: only the list itself may
    });
    while (!dropped.load(std::memory_order_relaxed)) std::this_thread::yield();
    list.truncate(5);
    list.emplace_back("new", 9);
    CHECK(last_is_adjacent(list));
    reader.join();
    CHECK(sum == 15);
  }
}
