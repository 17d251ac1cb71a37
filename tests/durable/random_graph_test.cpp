// SPDX-License-Identifier: MIT
// Random graphs that are killed at storage calls until they are done: the interpreter's result, and hardly any work
// done twice.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "support/catch.hpp"
#include "support/durable.hpp"
#include "support/random_graph.hpp"
#include "support/trials.hpp"

namespace af = agentflow;
using af::testing::VirtualClock;
using af::testing::VirtualLoop;
using random_graph::Book;
using random_graph::Builder;
using namespace std::chrono_literals;

namespace {

/// How often each task took effect, by its idempotency key.
struct Effects {
  Effects() {
    random_graph::on_node() = [this](const af::NodeContext& ctx) {
      if (ctx.attempt() == 1) ++count[ctx.idempotency_key()];
    };
  }
  ~Effects() { random_graph::on_node() = nullptr; }
  std::uint64_t twice() const {
    std::uint64_t n = 0;
    for (const auto& [key, times] : count) n += static_cast<std::uint64_t>(times - 1);
    return n;
  }
  std::map<std::string, int> count;
};

}  // namespace

TEST_CASE("random graphs that are killed again and again do what the interpreter says", "[durable][store][slow]") {
  const support::Trials trials(support::Store().on_disk() ? 40 : 400);
  std::uint64_t runs = 0, kills = 0, twice = 0, tasks = 0;
  for (auto seed = trials.first(); seed <= trials.last(); ++seed) {
    INFO("replay with AGENTFLOW_SEED=" << seed);
    std::mt19937_64 random(seed);
    const auto program = oracle::Generator(random, "", 0, 3 + static_cast<int>(random() % 10)).make();
    const auto expected = random_graph::interpret(*program);
    if (!expected || expected->steps == 0) continue;
    ++runs;
    Effects effects;
    const auto clock = std::make_shared<VirtualClock>();
    const support::Store files;
    const auto& store = files.hooked;
    const auto app = Builder(*program, clock, false, store).compile();
    const auto mode = seed % 3 == 0 ? af::durability::async : af::durability::sync;
    std::optional<af::RunResult<Book>> result;
    std::uint64_t my_kills = 0;
    for (int turn = 0; !result; ++turn) {
      REQUIRE(turn < 500);
      VirtualLoop loop(clock);
      if (files.on_disk()) loop.wait_for_threads(20s);
      // The first kills come early, later ones after more and more calls, so that each program comes to its end.
      const auto at = store->calls + 2 + random() % (2 + static_cast<std::uint64_t>(turn) / 4);
      const bool stored = random() % 2 == 0;
      store->gate = [&loop, at, stored](std::uint64_t call, bool after) -> asio::awaitable<void> {
        if (call != at || after != stored) co_return;
        loop.stop_after(loop.handlers());
        for (;;) co_await asio::post(asio::use_awaitable);
      };
      const auto config = af::RunConfig()
                              .thread_id("t")
                              .recursion_limit(oracle::Interpreter::max_steps)
                              .shuffle(random())
                              .max_concurrency(random() % 4)
                              .durability(mode);
      try {
        const bool begun = loop.run(store->thread("t")).has_value();
        result = begun ? loop.run(app.ainvoke(af::Resume(), config)) : loop.run(app.ainvoke(Book(), config));
      } catch (const af::testing::abandoned_error&) {
        ++my_kills;
      }
      store->gate = nullptr;
      if (result) break;
      // Whoever looks sees a run that was accepted, and whether it has ended.
      VirtualLoop looker(clock);
      if (files.on_disk()) looker.wait_for_threads(20s);
      const auto listed = looker.run(store->runs());
      const bool accepted = looker.run(store->thread("t")).has_value();
      CHECK(listed.size() == (accepted ? 1U : 0U));
      if (accepted) {
        const bool finished = app.get_state("t")->finished;
        CHECK(listed[0].status == (finished ? af::stored_status::completed : af::stored_status::running));
      }
    }
    CHECK(random_graph::text(result->state) == expected->state);
    kills += my_kills;
    twice += effects.twice();
    tasks += effects.count.size();
    if (my_kills == 0) CHECK(effects.twice() == 0);
  }
  WARN(runs << " programs, " << tasks << " tasks, " << kills << " kills, " << twice << " tasks done once more");
  CHECK(runs * 2 >= trials.count());
}
