// SPDX-License-Identifier: MIT
// Merging: one order whatever the timing, conflicts that say who and where, and no difference between a node that runs
// alone and one that runs beside others.
#include <agentflow/state/merge_guard.hpp>

#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/thread_pool.hpp>

#include <agentflow/testing/virtual_time.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::NodeContext;
using af::NodeOptions;
using af::RunConfig;
using Catch::Matchers::Contains;

namespace {

/// Keeps the longer text.
struct longest {
  static std::optional<std::string> diff(const std::string& base, const std::string& mine) {
    return mine == base ? std::nullopt : std::optional(mine);
  }
  static void apply(std::string& value, std::string delta) {
    if (delta.size() > value.size()) value = std::move(delta);
  }
};
/// Fails when it merges.
struct faulty {
  static std::optional<int> diff(const int& base, const int& mine) {
    return mine == base ? std::nullopt : std::optional(mine);
  }
  static void apply(int&, int delta) {
    if (delta == 1) throw std::runtime_error("cannot merge");
    if (delta == 2) throw 42;
    if (delta == 3) throw af::state_error(af::errc::reducer_failed, "mine");
  }
};

struct All {
  std::string last = "old";
  af::List<std::string> list{"a", "b"};
  std::vector<int> vector{1, 2};
  std::string text = "in";
  af::List<af::Message> messages{af::Message::user("hi").with_id("m1"), af::Message::user("there").with_id("m2")};
  int sum = 10;
  double real = 0.5;
  int least = 5;
  int most = 5;
  std::set<std::string> set{"x", "y"};
  std::map<std::string, int> map{{"k", 1}, {"l", 2}};
  std::string longest_text = "four";
  bool operator==(const All&) const = default;
};
AGENTFLOW_STATE(All, last, (list, af::append), (vector, af::append), (text, af::append), (messages, af::add_messages),
                (sum, af::sum), (real, af::sum), (least, af::min), (most, af::max), (set, af::set_union),
                (map, af::merge_map), (longest_text, longest))

struct Order {
  std::string log;
  std::string single;
  int bad = 0;
};
AGENTFLOW_STATE(Order, (log, af::append), single, (bad, faulty))

using Update = af::Update<All>;
using Graph = af::StateGraph<Order>;
using OrderUpdate = af::Update<Order>;

/// Copies throw when they are told to.
struct Fragile {
  static inline int copies_left = -1;
  int n = 0;
  Fragile() = default;
  Fragile(Fragile&&) = default;
  Fragile& operator=(Fragile&&) = default;
  Fragile& operator=(const Fragile&) = default;
  Fragile(const Fragile& o) : n(o.n) {
    if (copies_left == 0) throw std::runtime_error("no copy");
    if (copies_left > 0) --copies_left;
  }
};
AGENTFLOW_STATE(Fragile, (n, af::sum))

All run_node(const std::function<void(All&)>& change, bool beside, bool as_update) {
  af::StateGraph<All> g;
  g.add_node("n", [&change](All s) {
    change(s);
    return s;
  });
  if (as_update)
    g.override_node("n", [&change](const All& base) {
      All mine = base;
      change(mine);
      Update u;
      af::StateModel<All>::diff(base, mine, u);
      return u;
    });
  g.set_entry_point("n").add_edge("n", "END");
  if (beside) g.add_node("m", [](All s) { return s; }).set_entry_point("m").add_edge("m", "END");
  return g.compile().invoke(All()).state;
}

OrderUpdate log(std::string text) { return OrderUpdate().write<&Order::log>(std::move(text)); }

/// What two nodes of the third step that return these updates lead to.
std::string conflict(const OrderUpdate& a, const OrderUpdate& b) {
  Graph g;
  g.add_node("first", [](const Order&) {}).add_node("second", [](const Order&) {});
  g.add_node("a", [&](const Order&) { return a; }).add_node("b", [&](const Order&) { return b; });
  g.set_entry_point("first")
      .add_edge("first", "second")
      .add_edge("second", "a")
      .add_edge("second", "b")
      .add_edge("a", "END")
      .add_edge("b", "END");
  try {
    return "fine: " + g.compile().invoke(Order())->log;
  } catch (const af::state_error& e) {
    CHECK(e.code() == af::errc::update_conflict);
    CHECK(e.context().step() == 3);
    CHECK(e.context().run_id().size() == af::RunId::text_size);
    CHECK_THAT(e.message(), Contains("'a'") && Contains("'b'") && Contains("'" + e.context().field() + "'"));
    return e.context().field();
  }
}

}  // namespace

TEST_CASE("A node changes the state alike, alone and beside others, whatever the reducer", "[determinism]") {
  const std::vector<std::pair<const char*, std::function<void(All&)>>> changes = {
      {"nothing", [](All&) {}},
      {"last_value", [](All& s) { s.last = "new"; }},
      {"append to a list", [](All& s) { s.list.push_back("c"); }},
      {"change a list", [](All& s) { s.list.replace(0, "z"); }},
      {"shorten a list", [](All& s) { s.list.pop_back(); }},
      {"append to a vector", [](All& s) { s.vector.push_back(3); }},
      {"change a vector", [](All& s) { s.vector = {9}; }},
      {"append to a string", [](All& s) { s.text += "put"; }},
      {"change a string", [](All& s) { s.text = "out"; }},
      {"add a message",
       [](All& s) { s.messages.push_back(af::Message::assistant("x").with_id("m3").with_timestamp({})); }},
      {"replace a message",
       [](All& s) { s.messages.replace(0, af::Message::user("ho").with_id("m1").with_timestamp({})); }},
      {"drop a message", [](All& s) { s.messages.pop_back(); }},
      {"drop all messages", [](All& s) { s.messages.clear(); }},
      {"add", [](All& s) { s.sum += 7; }},
      {"take away", [](All& s) { s.sum = -3; }},
      {"add a fraction", [](All& s) { s.real += 0.25; }},
      {"not a number", [](All& s) { s.real = std::numeric_limits<double>::infinity(); }},
      {"lower a minimum", [](All& s) { s.least = 1; }},
      {"raise a minimum", [](All& s) { s.least = 9; }},
      {"raise a maximum", [](All& s) { s.most = 9; }},
      {"lower a maximum", [](All& s) { s.most = 1; }},
      {"add to a set", [](All& s) { s.set.insert("z"); }},
      {"take from a set", [](All& s) { s.set.erase("x"); }},
      {"set a key", [](All& s) { s.map["k"] = 7; }},
      {"add a key", [](All& s) { s.map["new"] = 7; }},
      {"drop a key", [](All& s) { s.map.erase("k"); }},
      {"a reducer of one's own", [](All& s) { s.longest_text = "longer"; }},
      {"all at once", [](All& s) {
         s.last = "x";
         s.list.push_back("y");
         s.sum = 0;
         s.set.insert("w");
         s.map["m"] = 1;
         s.text += "!";
       }}};
  All start;
  const auto fixed = start.messages;  // every run starts from its own All(): let them be equal
  for (const auto& [name, change] : changes) {
    INFO(name);
    const auto same = [&, &apply = change](All& s) {
      s.messages = fixed;
      apply(s);
    };
    All expected;
    same(expected);
    for (const bool as_update : {false, true})
      for (const bool beside : {false, true}) {
        INFO("update " << as_update << " beside " << beside);
        CHECK(run_node(same, beside, as_update) == expected);
      }
  }
}

TEST_CASE("Changes are merged in the order of declaration, whenever they come", "[determinism]") {
  const std::string names = "abcdefgh";
  asio::thread_pool pool(2);
  const auto graph = [&](bool reverse) {
    Graph g;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string name(1, names[i]);
      const auto sync = [name](const Order&) { return log(name); };
      const auto wait = std::chrono::seconds(reverse ? names.size() - i : i);
      if (i % 4 == 0)
        g.add_node(name, sync);
      else if (i % 4 == 1)
        g.add_node(name, af::blocking(sync));
      else if (i % 4 == 2)
        g.add_node(name, sync, NodeOptions().executor(pool.get_executor()));
      else
        g.add_node(name, [name, wait](const Order&, NodeContext& ctx) -> asio::awaitable<OrderUpdate> {
          co_await ctx.sleep(wait);
          co_return log(name);
        });
    }
    // Edges in another order than the nodes.
    for (std::size_t i = names.size(); i-- > 0;)
      g.set_entry_point(std::string(1, names[i])).add_edge(std::string(1, names[i]), "END");
    return g;
  };
  for (const bool reverse : {false, true})
    for (std::uint64_t seed = 0; seed < 10; ++seed)
      for (const std::size_t limit : {0u, 1u, 3u}) {
        af::testing::VirtualLoop loop;
        loop.wait_for_threads(std::chrono::seconds(20));
        const auto app = graph(reverse).compile(af::CompileOptions().clock(loop.clock()));
        auto config = RunConfig().max_concurrency(limit);
        if (seed > 0) config.shuffle(seed);
        CHECK(loop.run(app.ainvoke(Order(), config))->log == names);
      }
  pool.join();
}

TEST_CASE("Two writers of a one-writer field are an error that says who, what and when", "[determinism]") {
  const auto single = [](const char* v) { return OrderUpdate().write<&Order::single>(v); };
  CHECK(conflict(single("x"), single("y")) == "single");
  CHECK(conflict(single("x"), single("x")) == "single");  // the same value is no excuse
  CHECK(conflict(single("x"), log("b")) == "fine: b");
  CHECK(conflict(log("a"), log("b")) == "fine: ab");
  CHECK(conflict(OrderUpdate(), single("y")) == "fine: ");
}

TEST_CASE("An overwrite tolerates no other writer of its field", "[determinism]") {
  const auto over = [](const char* v) { return OrderUpdate().overwrite<&Order::log>(v); };
  CHECK(conflict(over("x"), log("b")) == "log");
  CHECK(conflict(log("a"), over("x")) == "log");
  CHECK(conflict(over("x"), over("y")) == "log");
  CHECK(conflict(over("x"), OrderUpdate().write<&Order::single>("b")) == "fine: x");
}

TEST_CASE("Tasks of one node conflict with each other too", "[determinism]") {
  Graph g;
  g.add_node("start", [](const Order&) {});
  g.add_node("task", [](const int& i) { return OrderUpdate().write<&Order::single>(std::to_string(i)); });
  g.set_entry_point("start").add_edge("task", "END");
  g.add_conditional_edges("start", [](const Order&) { return std::vector{af::Send("task", 1), af::Send("task", 2)}; },
                          {"task"});
  try {
    g.compile().invoke(Order());
    FAIL("no state_error");
  } catch (const af::state_error& e) {
    CHECK(e.context().field() == "single");
    CHECK(e.context().step() == 2);
    CHECK_THAT(e.message(), Contains("'task'"));
  }
}

TEST_CASE("A reducer that throws fails the run, naming the node", "[determinism]") {
  for (const int kind : {1, 2, 3}) {
    Graph g;
    g.add_node("quiet", [](const Order&) {});
    g.add_node("n", [kind](const Order&) { return OrderUpdate().write<&Order::bad>(kind); });
    g.set_entry_point("quiet").set_entry_point("n").add_edge("quiet", "END").add_edge("n", "END");
    try {
      g.compile().invoke(Order(), RunConfig().thread_id("t"));
      FAIL("no state_error");
    } catch (const af::state_error& e) {
      CHECK(e.code() == af::errc::reducer_failed);
      CHECK(e.context().node() == "n");
      CHECK(e.context().step() == 1);
      CHECK(e.context().thread_id() == "t");
      CHECK_THAT(af::describe(e), Contains(kind == 1 ? "cannot merge" : kind == 2 ? "int: 42" : "mine"));
    }
    // Alone, an update goes straight into the state: the same error, as far as the node is concerned.
    Graph alone;
    alone.add_node("n", [kind](const Order&) { return OrderUpdate().write<&Order::bad>(kind); })
        .set_entry_point("n")
        .add_edge("n", "END");
    try {
      alone.compile().invoke(Order());
      FAIL("no error");
    } catch (const af::error& e) {
      CHECK(e.code() == af::errc::reducer_failed);
      CHECK(e.context().node() == "n");
    }
  }
}

TEST_CASE("A copy of the state that throws is an error of the node or of the merge", "[determinism]") {
  const auto graph = [](bool beside) {
    af::StateGraph<Fragile> g;
    g.add_node("n", [](Fragile s) {
      ++s.n;
      return s;
    });
    g.set_entry_point("n").add_edge("n", "END");
    if (beside) g.add_node("m", [](const Fragile&) {}).set_entry_point("m").add_edge("m", "END");
    return g.compile();
  };
  const auto code = [](const af::CompiledGraph<Fragile>& app, const RunConfig& config) {
    Fragile in;
    Fragile::copies_left = 0;
    std::optional<af::errc> found;
    try {
      auto stream = app.stream(std::move(in), config);
      while (stream.next()) {
      }
    } catch (const af::error& e) {
      CHECK_THAT(af::describe(e), Contains("no copy"));
      found = e.code();
    }
    Fragile::copies_left = -1;
    return found;
  };
  CHECK(code(graph(false), RunConfig().stream(af::stream_mode::none)) == std::nullopt);  // moved all the way
  CHECK(code(graph(true), RunConfig().stream(af::stream_mode::none)) == af::errc::node_failed);
  CHECK(code(graph(false), RunConfig().stream(af::stream_mode::values)) == af::errc::reducer_failed);
}
