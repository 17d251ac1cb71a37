// SPDX-License-Identifier: MIT
// Graphs, handles, streams and event loops destroyed in any order at any point of a run. Meant for the address
// sanitizer.
#include <agentflow/typed/state_graph.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/testing/virtual_time.hpp>

#include "support/alive.hpp"
#include "support/catch.hpp"
#include "support/corpus.hpp"

namespace af = agentflow;
using af::testing::VirtualClock;
using af::testing::VirtualLoop;
using corpus::Case;
using corpus::Handle;
using corpus::Outcome;
using corpus::Program;

namespace {

asio::awaitable<void> read_to_the_end(std::unique_ptr<Handle> stream) { co_await stream->read(); }
asio::awaitable<void> wait_for(std::unique_ptr<Handle> run) {
  auto end = run->result();
  Outcome outcome = co_await std::move(end);
  CHECK(outcome.status == af::run_status::completed);
}
void ignore(const std::exception_ptr&) {}

/// Runs a graph four ways at once on one loop for `k` handlers (a handle that is kept, one that is awaited, a stream
/// that is read, and one that nobody reads), then destroys everything in a random order.
bool trial(const Case& c, std::uint64_t k, std::mt19937_64& random) {
  auto clock = std::make_shared<VirtualClock>();
  auto loop = std::make_unique<VirtualLoop>(clock);
  std::shared_ptr<Program> program = c.make(clock);
  auto kept = program->start(loop->executor());
  auto unread = program->astream();
  asio::co_spawn(loop->executor(), wait_for(program->start(loop->executor())), ignore);
  asio::co_spawn(loop->executor(), read_to_the_end(program->astream()), ignore);
  bool over = false;
  try {
    loop->stop_after(k).drain();
    over = true;
  } catch (const af::testing::abandoned_error&) {
  }
  std::vector<std::function<void()>> ends = {[&] { clock.reset(); }, [&] { loop.reset(); }, [&] { program.reset(); },
                                             [&] { unread.reset(); }, [&] { kept.reset(); }};
  std::shuffle(ends.begin(), ends.end(), random);
  for (const auto& end : ends) end();
  return over;
}

}  // namespace

TEST_CASE("everything may be destroyed in any order at any point", "[lifetime]") {
  std::mt19937_64 random(Catch::rngSeed());
  std::uint64_t trials = 0;
  for (const Case& c : corpus::cases()) {
    if (c.foreign) continue;
    const auto before = Alive::count();
    for (std::uint64_t k = 0;; k += k < 80 ? 1 : 61) {
      INFO("graph: " << c.name << ", handler: " << k << ", seed: " << Catch::rngSeed());
      ++trials;
      const bool over = trial(c, k, random);
      CHECK(Alive::settled(before) == before);
      if (over) break;
    }
  }
  CHECK(trials > 1200);
}

namespace {

struct Tally {
  int n = 0;
};
AGENTFLOW_STATE(Tally, (n, af::sum))

af::CompiledGraph<Tally> endless() {
  af::StateGraph<Tally> g;
  const auto step = [](Tally t) -> asio::awaitable<Tally> {
    co_await asio::post(asio::use_awaitable);
    ++t.n;
    co_return t;
  };
  g.add_node("a", step).add_node("b", step).add_node("c", af::blocking([](const Tally&) {}));
  g.set_entry_point("a").add_edge("a", "b").add_edge("a", "c").add_edge("c", "END");
  g.add_conditional_edges("b", [](const Tally&) { return "a"; }, {"a", "END"});
  return g.compile();
}

/// A place of static storage duration for anything. Places are destroyed at exit, the one that was asked for last
/// first.
template <int Order, int Which>
std::shared_ptr<void>& place() {
  static std::shared_ptr<void> here;
  return here;
}

/// Makes the places in a given order, and leaves in them a graph, a context with a run under way, and its handle.
template <int Order, int First, int Second, int Third>
void leave_behind() {
  place<Order, First>();
  place<Order, Second>();
  place<Order, Third>();
  auto graph = std::make_shared<af::CompiledGraph<Tally>>(endless());
  auto io = std::make_shared<asio::io_context>();
  const auto config = af::RunConfig().recursion_limit(1000);
  auto run = std::make_shared<af::Run<Tally>>(graph->start(io->get_executor(), Tally(), config));
  for (int i = 0; i < 20; ++i) io->poll_one();
  CHECK_FALSE(run->done());
  place<Order, 0>() = std::move(graph);
  place<Order, 1>() = std::move(io);
  place<Order, 2>() = std::move(run);
}

}  // namespace

TEST_CASE("a run may be under way in objects of static storage duration when the program ends", "[lifetime]") {
  leave_behind<0, 0, 1, 2>();
  leave_behind<1, 0, 2, 1>();
  leave_behind<2, 1, 0, 2>();
  leave_behind<3, 1, 2, 0>();
  leave_behind<4, 2, 0, 1>();
  leave_behind<5, 2, 1, 0>();
}
