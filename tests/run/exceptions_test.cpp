// SPDX-License-Identifier: MIT
// Exceptions of every kind out of everything of the user's that a run calls: the run fails with a typed error that says
// where, its other branches are joined, and the graph is as good as before.
#include <agentflow/typed/state_graph.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/error.hpp>
#include <asio/system_error.hpp>
#include <asio/thread_pool.hpp>

#include <agentflow/testing/virtual_time.hpp>

#include "support/alive.hpp"
#include "support/catch.hpp"
#include "support/instant_clock.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using Catch::Matchers::Contains;
using namespace std::chrono_literals;

namespace {

// ---- what is thrown ------------------------------------------------------------------------------------------------

struct Silent : std::exception {
  const char* what() const noexcept override { return nullptr; }
};
struct NotCopyable : std::runtime_error {
  NotCopyable() : std::runtime_error("do not copy") {}
  NotCopyable(const NotCopyable& other) : std::runtime_error(other) { throw std::logic_error("copied"); }
};
struct Plain {
  Alive alive;
};

void throw_nested(int depth) {
  if (depth == 0) throw std::logic_error("the bottom");
  try {
    throw_nested(depth - 1);
  } catch (...) {
    std::throw_with_nested(std::runtime_error("level " + std::to_string(depth)));
  }
}

struct Kind {
  const char* text;  ///< What must be in the description of the run's error.
  void (*raise)();
};
const std::vector<Kind> kinds = {
    {"an error", [] { throw std::runtime_error("an error"); }},
    {"int: 42", [] { throw 42; }},
    {"chars", [] { throw "chars"; }},
    {"(null)", [] { throw static_cast<const char*>(nullptr); }},
    {"words", [] { throw std::string("words"); }},
    {"not a std::exception", [] { throw Plain(); }},
    {"without a text", [] { throw Silent(); }},
    {"do not copy", [] { throw NotCopyable(); }},
    {"bad_alloc", [] { throw std::bad_alloc(); }},
    {"the bottom", [] { throw_nested(3); }},
    {"level 100", [] { throw_nested(100); }},
    {"bad_function_call", [] { std::function<void()>()(); }},
    {"its own", [] { throw af::config_error(af::errc::bad_config, "its own"); }},
    {"I gave up", [] { throw af::cancelled_error(af::errc::cancelled, "I gave up"); }},
    {"aborted", [] { throw asio::system_error(asio::error::operation_aborted); }},
};

// ---- where it is thrown --------------------------------------------------------------------------------------------

/// Throws at the n-th call of one hook, from whatever thread it comes.
class Trap {
 public:
  enum Hook { none, call, router, diff, apply, compare, copy, move, handler, predicate, to, from, inner };
  static void arm(Hook hook, const Kind& kind, int nth = 1) {
    kind_ = &kind;
    left_ = nth;
    hook_ = hook;
  }
  static void disarm() { hook_ = none; }
  /// Whether it went off.
  static bool sprung() { return left_ <= 0; }
  static void at(Hook hook) {
    if (hook_ == hook && --left_ == 0) kind_.load()->raise();
  }

 private:
  static inline std::atomic<Hook> hook_{none};
  static inline std::atomic<int> left_{0};
  static inline std::atomic<const Kind*> kind_{nullptr};
};

/// A number that every special member of may throw.
class Touchy {
 public:
  Touchy() = default;
  Touchy(const Touchy& o) : value(o.value) { Trap::at(Trap::copy); }
  Touchy(Touchy&& o) : value(o.value) { Trap::at(Trap::move); }
  Touchy& operator=(const Touchy& o) {
    Trap::at(Trap::copy);
    value = o.value;
    return *this;
  }
  Touchy& operator=(Touchy&& o) {
    Trap::at(Trap::move);
    value = o.value;
    return *this;
  }
  bool operator==(const Touchy& o) const {
    Trap::at(Trap::compare);
    return value == o.value;
  }
  int value = 0;
  Alive alive;
};

struct trapped_sum {
  static af::Diff<int> diff(const int& base, int&& mine) {
    Trap::at(Trap::diff);
    return mine == base ? af::Diff<int>::none() : af::Diff<int>(mine - base);
  }
  static void apply(int& value, int delta) {
    Trap::at(Trap::apply);
    value += delta;
  }
};

struct Work {
  Touchy touchy;
  int n = 0;
};
AGENTFLOW_STATE(Work, touchy, (n, trapped_sum))

using Graph = af::StateGraph<Work>;
using Options = af::NodeOptions;

asio::thread_pool& elsewhere() {
  static asio::thread_pool pool(1);
  return pool;
}

Work count(Work s) {
  ++s.n;
  return s;
}
Work count_and_touch(Work s) {
  ++s.touchy.value;
  return count(std::move(s));
}
af::Update<Work> tell(const Work&) { return af::Update<Work>().write<&Work::n>(1); }
auto sync_call = [](Work s) {
  Trap::at(Trap::call);
  return count(std::move(s));
};
auto late_call = [](Work s) -> asio::awaitable<Work> {
  co_await give_way();
  Trap::at(Trap::call);
  co_return count(std::move(s));
};
auto failing = [](const Work&) { throw std::runtime_error("the first failure"); };

/// One place where user code is called: how the node `victim` (and what belongs to it) is added, and the hook.
struct Place {
  const char* name;
  Trap::Hook hook;
  void (*add)(Graph&);
  bool timed = false;  ///< It needs a clock that stands still.
};
template <class Router>
void with_router(Graph& g, Router router) {
  g.add_node("victim", count).add_conditional_edges("victim", router, {"END"});
}
af::CompiledGraph<Work> inner_graph() {
  Graph inner;
  inner.add_node("deep", [](Work s) {
    Trap::at(Trap::inner);
    return count(std::move(s));
  });
  inner.add_node("beside", [](const Work&, af::NodeContext& ctx) -> asio::awaitable<void> { co_await ctx.sleep(1h); });
  for (const char* n : {"deep", "beside"}) inner.set_entry_point(n).add_edge(n, "END");
  return inner.compile();
}
void with_mappings(Graph& g) {
  auto to = [](const Work& s) {
    Trap::at(Trap::to);
    return s;
  };
  auto from = [](const Work&, Work) {
    Trap::at(Trap::from);
    return af::Update<Work>().write<&Work::n>(1);
  };
  g.add_subgraph("victim", inner_graph(), to, from);
}

const std::vector<Place> places = {
    {"function", Trap::call, [](Graph& g) { g.add_node("victim", sync_call); }},
    {"coroutine", Trap::call, [](Graph& g) { g.add_node("victim", late_call); }},
    {"coroutine at once", Trap::call,
     [](Graph& g) {
       g.add_node("victim", [](Work s) -> asio::awaitable<Work> {
         Trap::at(Trap::call);
         co_return count(std::move(s));
       });
     }},
    {"call of a function that returns a coroutine", Trap::call,
     [](Graph& g) {
       g.add_node("victim", [](Work s) -> asio::awaitable<Work> {
         Trap::at(Trap::call);
         return late_call(std::move(s));
       });
     }},
    {"blocking", Trap::call, [](Graph& g) { g.add_node("victim", af::blocking(sync_call)); }},
    {"function elsewhere", Trap::call,
     [](Graph& g) { g.add_node("victim", sync_call, Options().executor(elsewhere().get_executor())); }},
    {"coroutine elsewhere", Trap::call,
     [](Graph& g) { g.add_node("victim", late_call, Options().executor(elsewhere().get_executor())); }},
    {"with limits", Trap::call,
     [](Graph& g) { g.add_node("victim", late_call, Options().timeout(2h).idle_timeout(2h)); }, true},
    {"router", Trap::router,
     [](Graph& g) {
       with_router(g, [](const Work&) {
         Trap::at(Trap::router);
         return "END";
       });
     }},
    {"async router", Trap::router,
     [](Graph& g) {
       with_router(g, [](const Work&) -> asio::awaitable<std::string> {
         co_await give_way();
         Trap::at(Trap::router);
         co_return "END";
       });
     }},
    {"reducer's diff", Trap::diff, [](Graph& g) { g.add_node("victim", count); }},
    {"reducer's apply", Trap::apply, [](Graph& g) { g.add_node("victim", count); }},
    {"reducer's apply of an update", Trap::apply, [](Graph& g) { g.add_node("victim", tell); }},
    {"comparison", Trap::compare, [](Graph& g) { g.add_node("victim", count_and_touch); }},
    {"error handler", Trap::handler,
     [](Graph& g) {
       g.add_node("victim", failing).on_error("victim", [](Work s, const af::error&) {
         Trap::at(Trap::handler);
         return count(std::move(s));
       });
     }},
    {"retry predicate", Trap::predicate,
     [](Graph& g) {
       auto when = [](const std::exception_ptr&) {
         Trap::at(Trap::predicate);
         return false;
       };
       g.add_node("victim", failing, Options().retry(af::RetryPolicy().when(when)))
           .on_error("victim", [](Work s, const af::error&) { return count(std::move(s)); });
     }},
    {"mapping into a subgraph", Trap::to, with_mappings},
    {"mapping out of a subgraph", Trap::from, with_mappings},
    {"node in a mapped subgraph", Trap::inner, with_mappings},
    {"node in a subgraph", Trap::inner, [](Graph& g) { g.add_node("victim", inner_graph()); }},
};

/// START -> victim -> END, beside a coroutine that sleeps, or alone.
Graph graph_of(const Place& place, bool beside) {
  Graph g;
  place.add(g);
  g.set_entry_point("victim");
  if (place.hook != Trap::router) g.add_edge("victim", "END");
  if (beside) {
    g.add_node("sibling", [](const Work&, af::NodeContext& ctx) -> asio::awaitable<void> {
      const Alive witness;
      co_await ctx.sleep(1h);
    });
    g.set_entry_point("sibling").add_edge("sibling", "END");
  }
  return g;
}

asio::awaitable<Work> read_all(af::Run<Work> run) {
  for (;;) {
    auto next = run.next();
    const std::optional<af::Chunk> chunk = co_await std::move(next);
    if (!chunk) break;
  }
  auto end = run.result();
  auto result = co_await std::move(end);
  Work state = std::move(result.state);
  co_return state;
}

/// A way to run a graph; each with a clock of its own.
enum class Way { invoke, ainvoke, astream };
std::vector<Way> ways(const Place& place) {
  std::vector<Way> all = {Way::ainvoke, Way::astream};
  if (!place.timed) all.push_back(Way::invoke);
  return all;
}
Work run(const Graph& graph, Way way) {
  if (way == Way::invoke)
    return graph.compile(af::CompileOptions().clock(std::make_shared<InstantClock>())).invoke(Work()).state;
  af::testing::VirtualLoop loop;
  loop.wait_for_threads(20s);
  const auto app = graph.compile(af::CompileOptions().clock(loop.clock()));
  struct Quiet {
    const af::testing::VirtualLoop& loop;
    ~Quiet() { CHECK(loop.clock()->pending() == 0); }
  } const quiet{loop};
  if (way == Way::ainvoke) return loop.run(app.ainvoke(Work())).state;
  return loop.run(read_all(app.astream(Work(), af::RunConfig().stream(af::stream_mode::all).stream_capacity(2))));
}

}  // namespace

TEST_CASE("Whatever is thrown out of whatever is called, the run fails and says where", "[failure]") {
  std::size_t trials = 0;
  for (const auto& place : places)
    for (const bool beside : {false, true}) {
      const auto before = Alive::count();
      {
        const Graph graph = graph_of(place, beside);
        const auto idle = Alive::count();
        for (const auto way : ways(place))
          for (const auto& kind : kinds) {
            INFO(place.name << (beside ? ", beside another" : "") << ", way " << static_cast<int>(way) << ": "
                            << kind.text);
            ++trials;
            Trap::arm(place.hook, kind);
            try {
              run(graph, way);
              // With nobody to merge with, changes are not looked for.
              CHECK_FALSE(Trap::sprung());
              CHECK_FALSE(beside);
            } catch (const af::error& e) {
              CHECK(Trap::sprung());
              const auto text = af::describe(e);
              CHECK_THAT(text, Contains("victim"));
              CHECK_THAT(text, Contains(kind.text));
              CHECK(e.context().node().starts_with("victim"));
              CHECK(e.context().step() == 1);
              CHECK(e.code() != af::errc::cancelled);
            }
            Trap::disarm();
            CHECK(Alive::settled(idle) == idle);
          }
        CHECK(run(graph, Way::ainvoke).n >= 1);  // as good as before
      }
      CHECK(Alive::settled(before) == before);
    }
  CHECK(trials == places.size() * kinds.size() * 6 - kinds.size() * 2);
}

TEST_CASE("A state that throws at any copy, move or comparison fails the run, never more", "[failure]") {
  int trials = 0;
  for (const auto hook : {Trap::copy, Trap::move, Trap::compare})
    for (const auto& place : places)
      for (const auto way : ways(place)) {
        const Graph graph = graph_of(place, true);
        const auto idle = Alive::count();
        for (int k = 1;; ++k, ++trials) {
          const Kind& kind = kinds[static_cast<std::size_t>(trials) % kinds.size()];
          INFO(place.name << ", way " << static_cast<int>(way) << ", hook " << hook << ", call " << k << ": "
                          << kind.text);
          Trap::arm(hook, kind, k);
          std::exception_ptr failure;
          try {
            run(graph, way);
          } catch (...) {
            failure = std::current_exception();
          }
          const bool sprung = Trap::sprung();
          Trap::disarm();
          CHECK((failure != nullptr) == sprung);
          if (failure) CHECK_THAT(af::describe(failure), Contains(kind.text));
          failure = nullptr;
          CHECK(Alive::settled(idle) == idle);
          if (!sprung) break;
        }
      }
  CHECK(trials > 500);
}
