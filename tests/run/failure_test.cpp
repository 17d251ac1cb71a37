// SPDX-License-Identifier: MIT
// What a run makes of whatever its nodes throw.
#include <agentflow/core/error.hpp>

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <agentflow/testing/virtual_time.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::NodeContext;
using Catch::Matchers::Contains;

namespace {

struct Work {
  std::string log;
};
AGENTFLOW_STATE(Work, (log, af::append))

using Graph = af::StateGraph<Work>;

struct Custom : std::runtime_error {
  explicit Custom(int c) : std::runtime_error("custom"), code(c) {}
  int code;
};

using Thrower = void (*)();
const std::vector<std::pair<Thrower, const char*>> throwers = {
    {[] { throw std::runtime_error("a text"); }, "a text"},
    {[] { throw Custom(5); }, "custom"},
    {[] { throw 42; }, "int: 42"},
    {[] { throw "chars"; }, "const char*: chars"},
    {[] { throw std::string("string"); }, "std::string: string"},
    {[] { throw 1.5; }, "not a std::exception"},
    {[] { throw std::bad_alloc(); }, "bad_alloc"},
    {[] { throw std::system_error(std::make_error_code(std::errc::io_error)); }, "error"},
    {[] { throw af::config_error(af::errc::bad_config, "the node's own"); }, "the node's own"},
    {[] {
       try {
         throw std::logic_error("deep");
       } catch (...) {
         std::throw_with_nested(std::runtime_error("shallow"));
       }
     },
     "caused by: deep"}};

/// START -> n -> END, where n throws; as a plain function, a coroutine, or a blocking node; beside another or not.
Graph failing(Thrower thrower, int kind, bool beside) {
  Graph g;
  if (kind == 0)
    g.add_node("n", [thrower](const Work&) { thrower(); });
  else if (kind == 1)
    g.add_node("n", [thrower](const Work&) -> asio::awaitable<void> {
      co_await give_way();
      thrower();
    });
  else
    g.add_node("n", af::blocking([thrower](const Work&) { thrower(); }));
  if (beside) g.add_node("beside", [](const Work&) {}).set_entry_point("beside").add_edge("beside", "END");
  return g.set_entry_point("n").add_edge("n", "END");
}

}  // namespace

TEST_CASE("Whatever a node throws becomes a node_error that holds it", "[failure]") {
  for (const auto& [thrower, text] : throwers)
    for (const int kind : {0, 1, 2})
      for (const bool beside : {false, true}) {
        INFO(text << " kind " << kind << " beside " << beside);
        const auto app = failing(thrower, kind, beside).compile();
        const auto check = [&, text = std::string(text)](const af::node_error& e) {
          CHECK(e.code() == af::errc::node_failed);
          CHECK(e.context().node() == "n");
          CHECK(e.context().step() == 1);
          CHECK(e.context().attempt() == 1);
          CHECK(e.context().thread_id() == "t");
          CHECK(e.context().run_id().size() == af::RunId::text_size);
          CHECK(e.cause() != nullptr);
          CHECK_THAT(af::describe(e), Contains(text));
        };
        const auto config = af::RunConfig().thread_id("t");
        try {
          app.invoke(Work(), config);
          FAIL_CHECK("no error");
        } catch (const af::node_error& e) {
          check(e);
        }
        try {
          on_loop([&] { return app.ainvoke(Work(), config); });
          FAIL_CHECK("no error");
        } catch (const af::node_error& e) {
          check(e);
        }
      }
}

TEST_CASE("The node's own exception is there as it was thrown", "[failure]") {
  try {
    failing([] { throw Custom(7); }, 1, false).compile().invoke(Work());
    FAIL("no error");
  } catch (const std::exception& e) {
    try {
      std::rethrow_if_nested(e);
      FAIL("nothing nested");
    } catch (const Custom& c) {
      CHECK(c.code == 7);
    }
  }
}

TEST_CASE("A failing branch cancels and joins the others", "[failure]") {
  af::testing::VirtualLoop loop;
  int unwound = 0, finished = 0;
  const auto slow = [&](const Work&, NodeContext& ctx) -> asio::awaitable<void> {
    struct Unwind {
      int& count;
      ~Unwind() { ++count; }
    } unwind{unwound};
    co_await ctx.sleep(std::chrono::hours(1));
    ++finished;
  };
  Graph g;
  g.add_node("slow1", slow).add_node("bad", [](const Work&, NodeContext& ctx) -> asio::awaitable<void> {
    co_await ctx.sleep(std::chrono::seconds(1));
    throw std::runtime_error("bad");
  });
  g.add_node("slow2", slow).add_node("never", [&](const Work&) { finished += 100; });
  for (const auto* n : {"slow1", "bad", "slow2"}) g.set_entry_point(n).add_edge(n, "never");
  g.add_edge("never", "END");
  const auto app = g.compile(af::CompileOptions().clock(loop.clock()));
  CHECK_THROWS_WITH(loop.run(app.ainvoke(Work())), Contains("'bad'"));
  CHECK(unwound == 2);
  CHECK(finished == 0);
  CHECK(loop.clock()->passed() == std::chrono::seconds(1));
}

TEST_CASE("Of several failures the first is the run's", "[failure]") {
  af::testing::VirtualLoop loop;
  const auto fail_after = [](int s) {
    return [s](const Work&, NodeContext& ctx) -> asio::awaitable<void> {
      try {
        co_await ctx.sleep(std::chrono::seconds(s));
      } catch (const af::cancelled_error&) {
        throw std::runtime_error("while cancelled");
      }
      throw std::runtime_error("after " + std::to_string(s));
    };
  };
  Graph g;
  g.add_node("a", fail_after(3)).add_node("b", fail_after(1)).add_node("c", fail_after(2));
  for (const auto* n : {"a", "b", "c"}) g.set_entry_point(n).add_edge(n, "END");
  const auto app = g.compile(af::CompileOptions().clock(loop.clock()));
  CHECK_THROWS_WITH(loop.run(app.ainvoke(Work())), Contains("'b'") && Contains("after 1"));
}

TEST_CASE("A cancelled run ends with cancelled_error, whatever its nodes make of it", "[failure]") {
  for (const int kind : {0, 1, 2, 3}) {
    INFO("kind " << kind);
    Graph g;
    g.add_node("n", [kind](const Work&, NodeContext& ctx) -> asio::awaitable<void> {
      try {
        co_await ctx.sleep(std::chrono::hours(1));
      } catch (const af::cancelled_error&) {
        if (kind == 1) throw;
        if (kind == 2) throw 42;
        if (kind == 3) throw std::runtime_error("clean-up failed");
      }
    });
    g.add_node("after", [](const Work&) { return af::Update<Work>().write<&Work::log>("never"); });
    g.set_entry_point("n").add_edge("n", "after").add_edge("after", "END");
    g.on_error([](const Work&, const af::error&) { return af::Update<Work>().write<&Work::log>("not a failure"); });
    on_loop([&]() -> asio::awaitable<void> {
      const auto executor = co_await asio::this_coro::executor;
      auto run = g.compile().start(executor, Work(), af::RunConfig().thread_id("t"));
      co_await give_way(10);
      run.cancel();
      bool cancelled = false;
      try {
        const auto result = co_await run.result();
      } catch (const af::cancelled_error& e) {
        cancelled = e.code() == af::errc::cancelled && e.context().thread_id() == "t";
      }
      CHECK(cancelled);
    });
  }
}
