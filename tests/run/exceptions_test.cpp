// SPDX-License-Identifier: MIT
// Exceptions of every kind from every hook: a typed error with the original nested, siblings joined, the graph still
// good.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/system_error.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/testing/virtual_time.hpp>

#include "support/alive.hpp"
#include "support/catch.hpp"
#include "support/instant_clock.hpp"

namespace af = agentflow;
using af::testing::VirtualLoop;
using namespace std::chrono_literals;

namespace {

/// Where the next exception comes from; hooks of types are static, so this is too.
struct Trap {
  static inline std::string place;
  static inline std::function<void()> spring;
  static inline int skip = 0;  ///< So many times it does not spring.
  static void at(const char* here) {
    if (place == here && skip-- == 0) spring();
  }
};

/// A field whose every operation may throw.
struct Fragile {
  Fragile() = default;
  explicit Fragile(int v) : value(v) {}
  Fragile(const Fragile& o) : value(o.value) { Trap::at("copy"); }
  Fragile(Fragile&& o) : value(o.value) { Trap::at("move"); }
  Fragile& operator=(const Fragile& o) {
    Trap::at("copy assignment");
    value = o.value;
    return *this;
  }
  Fragile& operator=(Fragile&& o) {
    Trap::at("move assignment");
    value = o.value;
    return *this;
  }
  ~Fragile() = default;
  bool operator==(const Fragile& o) const {
    Trap::at("compare");
    return value == o.value;
  }
  int value = 0;
  Alive alive;
};

/// A sum that may throw.
struct careful_sum {
  static std::optional<int> diff(const int& base, const int& mine) {
    Trap::at("diff");
    return base == mine ? std::nullopt : std::optional(mine - base);
  }
  static void apply(int& value, int delta) {
    Trap::at("apply");
    value += delta;
  }
};

struct Doc {
  Fragile part;
  int n = 0;
};
struct Inner {
  int n = 0;
};

}  // namespace
// The macro goes where the struct is, and hooks into templates, so not into an unnamed namespace within a header; here
// it may.
namespace {
AGENTFLOW_STATE(Doc, part, (n, careful_sum))
AGENTFLOW_STATE(Inner, (n, af::sum))

using Graph = af::StateGraph<Doc>;

struct Kind {
  std::string name;
  std::function<void()> spring;
  std::function<bool(const std::exception_ptr&)> is;
};

template <class E>
bool holds(const std::exception_ptr& e, const std::function<bool(const E&)>& same) {
  try {
    std::rethrow_exception(e);
  } catch (const E& x) {
    return same(x);
  } catch (...) {
    return false;
  }
}
template <class E>
Kind kind(std::string name, E value, std::function<bool(const E&)> same = [](const E&) { return true; }) {
  return {std::move(name), [value] { throw value; }, [same](const std::exception_ptr& e) { return holds<E>(e, same); }};
}

struct Wordless : std::exception {
  const char* what() const noexcept override { return nullptr; }
};
struct Foreign {
  int secret;
};

std::vector<Kind> kinds() {
  std::vector<Kind> all;
  all.push_back(kind<std::runtime_error>("runtime_error", std::runtime_error("mine"),
                                         [](const std::runtime_error& e) { return std::string(e.what()) == "mine"; }));
  all.push_back(kind<int>("int", 42, [](const int& i) { return i == 42; }));
  all.push_back(kind<const char*>("const char*", "literal"));
  all.push_back(kind<const char*>("null const char*", nullptr));
  all.push_back(kind<std::string>("string", "text", [](const std::string& s) { return s == "text"; }));
  all.push_back(kind<Foreign>("foreign type", Foreign{7}, [](const Foreign& f) { return f.secret == 7; }));
  all.push_back(kind<Wordless>("exception without text", Wordless()));
  all.push_back(kind<af::node_error>("error of the library", af::node_error(af::errc::node_failed, "own")));
  all.push_back(kind<asio::system_error>("system_error", asio::system_error(asio::error::operation_aborted)));
  all.push_back(kind<std::bad_alloc>("bad_alloc", std::bad_alloc()));
  Kind nested;
  nested.name = "nested";
  nested.spring = [] {
    try {
      throw std::logic_error("inner");
    } catch (...) {
      std::throw_with_nested(std::runtime_error("outer"));
    }
  };
  nested.is = [](const std::exception_ptr& e) {
    return holds<std::logic_error>(e, [](const std::logic_error& x) { return std::string(x.what()) == "inner"; });
  };
  all.push_back(std::move(nested));
  return all;
}

/// Whether `e` or what it wraps, however deep, is of the kind.
bool contains(const std::exception_ptr& e, const Kind& k) {
  if (!e) return false;
  if (k.is(e)) return true;
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    const auto* nested = dynamic_cast<const std::nested_exception*>(&x);
    return nested != nullptr && contains(nested->nested_ptr(), k);
  } catch (...) {
    return false;
  }
}

Doc plus(Doc d) {
  ++d.n;
  d.part = Fragile(d.n);
  return d;
}
asio::awaitable<void> post() { co_await asio::post(asio::use_awaitable); }

/// How many siblings are between their begin and their end.
int siblings_at_work = 0;
struct AtWork {
  AtWork() { ++siblings_at_work; }
  ~AtWork() { --siblings_at_work; }
  Alive alive;
};

/// A node that works beside the one that fails; it writes only what may have several writers.
asio::awaitable<af::Update<Doc>> sibling(const Doc&, af::NodeContext& ctx) {
  const AtWork at_work;
  co_await ctx.sleep(24h);
  co_return af::Update<Doc>().write<&Doc::n>(10);
}

struct Hook {
  std::string name;
  std::function<void(Graph&)> build;
  af::RunConfig config = {};
};

/// START to `names` in turn, to END.
void chain(Graph& g, std::initializer_list<std::string_view> names) {
  std::string_view last = "START";
  for (auto n : names) g.add_edge(std::exchange(last, n), n);
  g.add_edge(last, "END");
}
/// Besides what is built: two nodes that are under way when it happens.
void with_siblings(Graph& g) {
  for (const char* n : {"sibling 1", "sibling 2"}) g.add_node(n, sibling).add_edge("START", n).add_edge(n, "END");
}
af::NodeOptions patient() { return af::NodeOptions().timeout(100h); }

std::vector<Hook> hooks() {
  std::vector<Hook> all;
  auto node = [](Doc d) {
    Trap::at("node");
    return plus(std::move(d));
  };
  auto later = [](Doc d) -> asio::awaitable<Doc> {
    co_await post();
    Trap::at("node");
    co_return plus(std::move(d));
  };
  auto good = [](Doc d) { return plus(std::move(d)); };
  auto yields = [](Doc d) -> asio::awaitable<Doc> {
    co_await post();
    co_return plus(std::move(d));
  };
  all.push_back({"node", [=](Graph& g) {
                   g.add_node("a", node);
                   chain(g, {"a"});
                 }});
  all.push_back({"node, a coroutine", [=](Graph& g) {
                   g.add_node("a", later);
                   chain(g, {"a"});
                 }});
  all.push_back({"node, before it suspends", [=](Graph& g) {
                   g.add_node("a", [](Doc d) -> asio::awaitable<Doc> {
                     Trap::at("node");
                     co_return plus(std::move(d));
                   });
                   chain(g, {"a"});
                 }});
  all.push_back({"node, not a coroutine but returning one", [=](Graph& g) {
                   g.add_node("a", [later](Doc d) {
                     Trap::at("node");
                     return later(std::move(d));
                   });
                   chain(g, {"a"});
                 }});
  all.push_back({"node, beside others", [=](Graph& g) {
                   g.add_node("a", node);
                   chain(g, {"a"});
                   with_siblings(g);
                 }});
  all.push_back({"node, a coroutine beside others", [=](Graph& g) {
                   g.add_node("a", later);
                   chain(g, {"a"});
                   with_siblings(g);
                 }});
  all.push_back({"node, with a time limit", [=](Graph& g) {
                   g.add_node("a", later, patient());
                   chain(g, {"a"});
                   with_siblings(g);
                 }});
  all.push_back({"node, after retries", [=](Graph& g) {
                   g.add_node("a", later, af::NodeOptions().retry(af::RetryPolicy().attempts(2)));
                   chain(g, {"a"});
                 }});
  all.push_back({"node, blocking", [=](Graph& g) {
                   g.add_node("a", af::blocking(node));
                   chain(g, {"a"});
                 }});
  all.push_back({"node, of a Send", [=](Graph& g) {
                   g.add_node("a", [](int i) {
                     Trap::at("node");
                     return af::Update<Doc>().write<&Doc::n>(i);
                   });
                   g.add_conditional_edges(
                       "START", [](const Doc&) { return std::vector<af::Send>{af::Send("a", 1), af::Send("a", 2)}; },
                       {"a"});
                   g.add_edge("a", "END");
                   with_siblings(g);
                 }});
  all.push_back({"node, of a part", [=](Graph& g) {
                   Graph inner;
                   inner.add_node("i", later);
                   chain(inner, {"i"});
                   g.add_node("s", inner.compile());
                   chain(g, {"s"});
                   with_siblings(g);
                 }});
  all.push_back({"node, of a part of functions", [=](Graph& g) {
                   Graph inner;
                   inner.add_node("i", node);
                   chain(inner, {"i"});
                   g.add_node("s", inner.compile());
                   chain(g, {"s"});
                 }});
  all.push_back({"router", [=](Graph& g) {
                   g.add_node("a", good).set_entry_point("a");
                   g.add_conditional_edges("a",
                                           [](const Doc&) {
                                             Trap::at("router");
                                             return "END";
                                           },
                                           {"END"});
                 }});
  all.push_back({"router, a coroutine", [=](Graph& g) {
                   g.add_node("a", good).set_entry_point("a");
                   g.add_conditional_edges("a",
                                           [](const Doc&) -> asio::awaitable<std::string> {
                                             co_await post();
                                             Trap::at("router");
                                             co_return "END";
                                           },
                                           {"END"});
                 }});
  all.push_back({"router, at START", [=](Graph& g) {
                   g.add_node("a", good).add_edge("a", "END");
                   g.add_conditional_edges("START",
                                           [](const Doc&) {
                                             Trap::at("router");
                                             return "a";
                                           },
                                           {"a"});
                 }});
  for (const char* place : {"diff", "apply", "copy", "copy assignment", "compare"}) {
    all.push_back({place, [=](Graph& g) {
                     g.add_node("a", good);
                     chain(g, {"a"});
                     with_siblings(g);
                   }});
    all.push_back({place, [=](Graph& g) {
                     g.add_node("a", yields, patient()).add_node("b", good);
                     chain(g, {"a", "b"});
                   }});
  }
  all.push_back({"handler", [=](Graph& g) {
                   g.add_node("a", [](Doc) -> Doc { throw std::logic_error("first"); });
                   g.on_error("a", [](Doc d, const af::error&) {
                     Trap::at("handler");
                     return d;
                   });
                   chain(g, {"a"});
                   with_siblings(g);
                 }});
  all.push_back({"predicate", [=](Graph& g) {
                   auto again = [](const std::exception_ptr&) {
                     Trap::at("predicate");
                     return true;
                   };
                   g.add_node(
                       "a",
                       [](Doc d, af::NodeContext& ctx) {
                         if (ctx.attempt() == 1) throw std::logic_error("first");
                         return plus(std::move(d));
                       },
                       af::NodeOptions().retry(af::RetryPolicy().attempts(2).when(again)));
                   chain(g, {"a"});
                 }});
  for (const char* place : {"to part", "from part"})
    all.push_back({place, [=](Graph& g) {
                     af::StateGraph<Inner> inner;
                     inner.add_node("i", [](Inner i) {
                       ++i.n;
                       return i;
                     });
                     inner.add_edge("START", "i").add_edge("i", "END");
                     g.add_subgraph(
                         "s", inner.compile(),
                         [](const Doc& d) {
                           Trap::at("to part");
                           return Inner{d.n};
                         },
                         [](const Doc&, Inner i) {
                           Trap::at("from part");
                           return af::Update<Doc>().write<&Doc::n>(i.n);
                         });
                     chain(g, {"s"});
                     with_siblings(g);
                   }});
  all.push_back({"clock", [=](Graph& g) {
                   g.add_node("a", yields, patient());
                   chain(g, {"a"});
                 }});
  all.push_back({"clock", [=](Graph& g) {
                   g.add_node("a", [](Doc d, af::NodeContext& ctx) -> asio::awaitable<Doc> {
                     co_await ctx.sleep(1s);
                     co_return plus(std::move(d));
                   });
                   chain(g, {"a"});
                 }});
  all.push_back({"clock",
                 [=](Graph& g) {
                   g.add_node("a", yields);
                   chain(g, {"a"});
                 },
                 af::RunConfig().timeout(100h)});
  return all;
}

/// A clock that may fail to make a timer.
class TrapClock final : public af::Clock {
 public:
  explicit TrapClock(std::shared_ptr<af::Clock> clock) : clock_(std::move(clock)) {}
  time_point now() const noexcept override { return clock_->now(); }
  std::chrono::system_clock::time_point wall_now() const noexcept override { return clock_->wall_now(); }
  std::unique_ptr<Timer> schedule(asio::any_io_executor ex, time_point when,
                                  af::detail::UniqueFunction<void()> fn) override {
    Trap::at("clock");
    return clock_->schedule(std::move(ex), when, std::move(fn));
  }

 private:
  std::shared_ptr<af::Clock> clock_;
};

asio::awaitable<af::RunResult<Doc>> streamed(af::Run<Doc> run) {
  for (;;) {
    auto next = run.next();
    const std::optional<af::Chunk> chunk = co_await std::move(next);
    if (!chunk) break;
  }
  auto end = run.result();
  auto result = co_await std::move(end);
  co_return result;
}

enum class How { invoke, ainvoke, astream };

/// Runs it once with the trap set; gives what was thrown.
std::exception_ptr run(const Hook& h, How how, const std::string& place, const Kind& k, int skip) {
  VirtualLoop loop;
  loop.wait_for_threads(20s);
  std::shared_ptr<af::Clock> clock = loop.clock();
  if (how == How::invoke) clock = std::make_shared<InstantClock>();
  Graph g;
  h.build(g);
  const auto app = g.compile(af::CompileOptions().clock(std::make_shared<TrapClock>(clock)));
  auto attempt = [&](const std::string& where) -> std::exception_ptr {
    Trap::place.clear();
    af::Input<Doc> input{Doc()};
    auto config = h.config;
    if (how == How::astream) config.stream(af::stream_mode::all).stream_capacity(2);
    Trap::spring = k.spring;
    Trap::skip = skip;
    Trap::place = where;
    try {
      if (how == How::invoke) (void)app.invoke(std::move(input), config);
      if (how == How::ainvoke) (void)loop.run(app.ainvoke(std::move(input), config));
      if (how == How::astream) (void)loop.run(streamed(app.astream(std::move(input), config)));
    } catch (...) {
      Trap::place.clear();
      return std::current_exception();
    }
    Trap::place.clear();
    return nullptr;
  };
  const auto thrown = attempt(place);
  CHECK(siblings_at_work == 0);
  CHECK(loop.clock()->pending() == 0);
  const auto undisturbed = attempt("");
  CHECK_FALSE(undisturbed);
  return thrown;
}

void check(const std::exception_ptr& thrown, const Kind& k) {
  CHECK(contains(thrown, k));
  try {
    std::rethrow_exception(thrown);
  } catch (const af::error& e) {
    CHECK(std::string(e.what()).size() > 10);
    CHECK(e.code() != af::errc::cancelled);
    CHECK(e.code() != af::errc::internal);
    CHECK(!af::describe(e).empty());
  } catch (const std::bad_alloc&) {
    CHECK(k.name == "bad_alloc");
  } catch (...) {
    FAIL_CHECK("not of the library's hierarchy");
  }
}

}  // namespace

TEST_CASE("exceptions of every kind from every hook", "[exceptions]") {
  const long alive = Alive::count();
  int thrown = 0;
  for (const Hook& h : hooks()) {
    const std::string place = h.name.substr(0, h.name.find(','));
    for (const Kind& k : kinds()) {
      for (const How how : {How::invoke, How::ainvoke, How::astream}) {
        INFO("hook: " << h.name << "; kind: " << k.name << "; how: " << static_cast<int>(how));
        // A node that is tried twice has to fail twice.
        if (h.name == "node, after retries") {
          Kind twice = k;
          twice.spring = [&] {
            Trap::skip = 0;
            k.spring();
          };
          check(run(h, how, place, twice, 0), k);
          ++thrown;
          continue;
        }
        const auto e = run(h, how, place, k, 0);
        // A step with one node and no listener neither diffs nor copies: then the hook is not reached.
        const bool optional = place == "diff" || place == "apply" || place.find("copy") == 0 || place == "compare";
        if (e || !optional) {
          REQUIRE(e);
          check(e, k);
          ++thrown;
        }
      }
    }
  }
  CHECK(Alive::count() == alive);
  CHECK(thrown > 500);
  WARN(thrown << " exceptions");
}

TEST_CASE("a copy or move of the state that throws, each in turn", "[exceptions]") {
  const long alive = Alive::count();
  int thrown = 0;
  const auto k = kinds().front();
  for (const Hook& h : hooks()) {
    for (const char* place : {"copy", "move", "copy assignment", "move assignment", "compare"}) {
      for (const How how : {How::invoke, How::ainvoke, How::astream}) {
        for (int skip = 0;; ++skip) {
          INFO("graph: " << h.name << "; place: " << place << "; time: " << skip << "; how: " << static_cast<int>(how));
          const auto e = run(h, how, place, k, skip);
          if (!e) break;
          ++thrown;
          CHECK(contains(e, k));
        }
      }
    }
  }
  CHECK(Alive::count() == alive);
  CHECK(thrown > 500);
  WARN(thrown << " exceptions");
}
