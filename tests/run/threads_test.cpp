// SPDX-License-Identifier: MIT
// The graphs of the corpus on one, two and four threads: many runs of a shared graph at once, awaited, streamed and
// blocking, and disturbed from other threads at random moments. Meant for the thread sanitizer.
#include <agentflow/typed/state_graph.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include "support/alive.hpp"
#include "support/catch.hpp"
#include "support/corpus.hpp"
#include "support/instant_clock.hpp"

namespace af = agentflow;
using corpus::Case;
using corpus::Handle;
using corpus::Outcome;
using corpus::Program;
using namespace std::chrono_literals;

namespace {

/// An execution context with so many threads. `join` runs it until it is out of work.
class Threads {
 public:
  Threads(int count, bool pool) : count_(count) {
    if (pool) pool_.emplace(static_cast<std::size_t>(count));
    if (!pool) io_.emplace(count);
  }
  asio::any_io_executor executor() {
    if (pool_) return pool_->get_executor();
    return io_->get_executor();
  }
  void join() {
    if (pool_) return pool_->join();
    std::vector<std::thread> threads;
    for (int i = 0; i < count_; ++i) threads.emplace_back([this] { io_->run(); });
    for (auto& t : threads) t.join();
  }

 private:
  int count_;
  std::optional<asio::thread_pool> pool_;
  std::optional<asio::io_context> io_;
};

/// What went otherwise than it should; assertions of Catch2 are for one thread.
class Score {
 public:
  explicit Score(const Case& c, bool may_end_early = false) : case_(c), early_(may_end_early) {}

  void count(const Outcome& o) {
    ++ended;
    if (o.status == af::run_status::completed ? o.state != case_.expected : !early_) ++wrong;
  }
  void count(std::exception_ptr e) {
    ++ended;
    try {
      std::rethrow_exception(std::move(e));
    } catch (const af::cancelled_error&) {
      if (!early_) ++wrong;
    } catch (...) {
      ++wrong;
    }
  }
  /// Awaits `work` on the executor.
  void spawn(const asio::any_io_executor& executor, asio::awaitable<Outcome> work) {
    asio::co_spawn(executor, std::move(work), [this](const std::exception_ptr& e, const Outcome& o) {
      if (e)
        count(e);
      else
        count(o);
    });
  }

  std::atomic<int> ended{0}, wrong{0};

 private:
  const Case& case_;
  bool early_;
};

/// Calls `trial(case, program, kind of context)` for each graph without limits in time, on one, two and four threads.
void each(const std::function<void(const Case&, const Program&, int threads, bool pool)>& trial) {
  for (const Case& c : corpus::cases()) {
    if (c.timed) continue;
    INFO("graph: " << c.name);
    const auto before = Alive::count();
    auto program = c.make(std::make_shared<InstantClock>());
    const auto alive = Alive::count();
    for (const int threads : {1, 2, 4})
      for (const bool pool : {false, true}) {
        INFO(threads << " threads of " << (pool ? "a thread_pool" : "an io_context"));
        trial(c, *program, threads, pool);
        CHECK(Alive::settled(alive) == alive);
      }
    program.reset();
    CHECK(Alive::settled(before) == before);
  }
}

/// Passes a random part of the time that a run takes.
void wait_a_little(std::mt19937_64& random) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 150);
  while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

/// Starts runs on four threads and does something to each from a fifth, at a random moment.
void disturb(const std::function<void(std::unique_ptr<Handle>&)>& act, bool awaited) {
  std::mt19937_64 random(Catch::rngSeed());
  for (const Case& c : corpus::cases()) {
    if (c.timed) continue;
    INFO("graph: " << c.name << ", seed: " << Catch::rngSeed());
    const auto before = Alive::count();
    auto program = c.make(std::make_shared<InstantClock>());
    Score score(c, true);
    constexpr int runs = 12;
    {
      Threads threads(4, true);
      for (int i = 0; i < runs; ++i) {
        auto handle = program->start(threads.executor());
        if (awaited) score.spawn(threads.executor(), handle->result());
        wait_a_little(random);
        act(handle);
        if (!handle || !awaited) continue;
        // A handle that is awaited lives until the run is over.
        const int due = i + 1;
        while (score.ended < due) std::this_thread::yield();
      }
      threads.join();
    }
    CHECK(score.ended == (awaited ? runs : 0));
    CHECK(score.wrong == 0);
    program.reset();
    CHECK(Alive::settled(before) == before);
  }
}

}  // namespace

TEST_CASE("runs on several threads come to the same", "[threads]") {
  each([](const Case& c, const Program& p, int count, bool pool) {
    constexpr int rounds = 4;
    std::vector<std::unique_ptr<Handle>> handles;
    Score score(c);
    Threads threads(count, pool);
    for (int i = 0; i < rounds; ++i) {
      score.spawn(threads.executor(), p.ainvoke());
      score.spawn(threads.executor(), p.stream());
      handles.push_back(p.start(threads.executor()));
      score.spawn(threads.executor(), handles.back()->result());
    }
    threads.join();
    CHECK(score.ended == 3 * rounds);
    CHECK(score.wrong == 0);
  });
}

TEST_CASE("any number of plain threads may block in invoke() and stream()", "[threads]") {
  for (const Case& c : corpus::cases()) {
    if (c.timed) continue;
    INFO("graph: " << c.name);
    const auto before = Alive::count();
    auto program = c.make(std::make_shared<InstantClock>());
    Score score(c);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) try {
            score.count(i % 2 == 0 ? program->invoke() : program->stream_blocking());
          } catch (...) {
            score.count(std::current_exception());
          }
      });
    for (auto& t : threads) t.join();
    CHECK(score.ended == 20);
    CHECK(score.wrong == 0);
    program.reset();
    CHECK(Alive::settled(before) == before);
  }
}

TEST_CASE("a run may be cancelled from any thread at any moment", "[threads]") {
  disturb([](auto& handle) { handle->cancel(); }, true);
}
TEST_CASE("a run may be stopped from any thread at any moment", "[threads]") {
  disturb([](auto& handle) { handle->stop(); }, true);
}
TEST_CASE("a handle may be dropped on any thread at any moment", "[threads]") {
  disturb([](auto& handle) { handle.reset(); }, false);
}

namespace {

struct Tally {
  int n = 0;
};
AGENTFLOW_STATE(Tally, (n, af::sum))

/// What all nodes of a run share, without a lock.
struct Shared {
  int calls = 0;
};

/// A fan-out of coroutines that give way, several times over.
af::CompiledGraph<Tally> tallies(std::shared_ptr<af::Clock> clock) {
  af::StateGraph<Tally> g;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "n" + std::to_string(i);
    g.add_node(name, [](Tally t, af::NodeContext& ctx) -> asio::awaitable<Tally> {
      for (int k = 0; k < 3; ++k) {
        ++ctx.user<Shared>().calls;
        if (k % 2 == 0)
          co_await asio::post(asio::use_awaitable);
        else
          co_await ctx.sleep(1ms);
      }
      ++t.n;
      co_return t;
    });
    g.set_entry_point(name).add_edge(name, "again");
  }
  g.add_node("again", [](const Tally&) {});
  g.add_conditional_edges("again", [](const Tally& t) -> std::vector<std::string> {
    if (t.n >= 18) return {"END"};
    return {"n0", "n1", "n2", "n3", "n4", "n5"};
  });
  return g.compile(af::CompileOptions().clock(std::move(clock)));
}

}  // namespace

TEST_CASE("the nodes of one run never race with each other", "[threads]") {
  const auto app = tallies(std::make_shared<InstantClock>());
  for (const int count : {1, 2, 4})
    for (const bool pool : {false, true}) {
      Threads threads(count, pool);
      std::vector<std::shared_ptr<Shared>> shared;
      std::atomic<int> sum{0};
      for (int i = 0; i < 10; ++i) {
        shared.push_back(std::make_shared<Shared>());
        asio::co_spawn(threads.executor(), app.ainvoke(Tally(), af::RunConfig().context(shared.back())),
                       [&](const std::exception_ptr&, const af::RunResult<Tally>& r) { sum += r.state.n; });
      }
      threads.join();
      CHECK(sum == 180);
      for (const auto& s : shared) CHECK(s->calls == 54);
    }
}

TEST_CASE("stop() by thread id from several threads, while runs start and end", "[threads]") {
  const auto app = tallies(std::make_shared<InstantClock>());
  Threads threads(2, true);
  std::atomic<int> ended{0}, failed{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> stoppers;
  for (int i = 0; i < 2; ++i)
    stoppers.emplace_back([&, i] {
      while (!over) app.stop(i == 0 ? "a" : "b");
    });
  constexpr int runs = 200;
  for (int i = 0; i < runs; ++i) {
    auto config = af::RunConfig().thread_id(i % 2 == 0 ? "a" : "b").context(std::make_shared<Shared>());
    asio::co_spawn(threads.executor(), app.ainvoke(Tally(), std::move(config)),
                   [&](const std::exception_ptr& e, const af::RunResult<Tally>&) {
                     failed += e != nullptr;
                     ++ended;
                   });
  }
  threads.join();
  over = true;
  for (auto& t : stoppers) t.join();
  CHECK(ended == runs);
  CHECK(failed == 0);
}
