// SPDX-License-Identifier: MIT
// Each graph of the corpus is run with the k-th allocation failing, for every k: alone, and with all that follow for a
// while. The run ends with its result or an error, leaks nothing, and the next run is as good as any.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <agentflow/testing/virtual_time.hpp>

#include "alloc/check_error.hpp"
#include "alloc/failing_memory.hpp"
#include "support/catch.hpp"
#include "support/corpus.hpp"
#include "support/instant_clock.hpp"

namespace af = agentflow;
using af::testing::VirtualClock;
using af::testing::VirtualLoop;
using corpus::Case;
using corpus::Outcome;
using corpus::Program;
using namespace std::chrono_literals;

namespace {

/// So many allocations fail in a row: memory that is short for good would leave nothing to wake a coroutine with.
constexpr std::uint64_t a_while = 50;

/// One graph, and a way to run it.
class Bench {
 public:
  using Work = std::function<asio::awaitable<Outcome>(const Program&, const asio::any_io_executor&)>;
  /// Awaited on a loop in virtual time, or without `work` blocking.
  Bench(const Case& c, Work work)
      : case_(c), work_(std::move(work)), program_(c.make(work_ ? clock_ : std::shared_ptr<af::Clock>(instant_))) {
    CHECK(run(Failing{}).state == c.expected);  // also makes threads and other things that are made once
    CHECK(Alive::settled(alive_) == alive_);
  }

  struct Failing {
    std::uint64_t k = 0, more = 0;
  };
  ~Bench() {
    program_.reset();
    CHECK(Alive::settled(before_) == before_);
  }
  /// Runs it; the loop is made before memory fails.
  Outcome run(Failing f, std::uint64_t* allocations = nullptr) {
    std::optional<VirtualLoop> loop;
    if (work_) {
      loop.emplace(clock_);
      if (case_.threads) loop->wait_for_threads(20s);
    }
    std::optional<FailingMemory> memory;
    if (f.k > 0) memory.emplace(f.k, f.more);
    Outcome o = loop ? loop->run(work_(*program_, loop->executor())) : program_->invoke();
    if (allocations != nullptr) *allocations = memory->stop();
    return o;
  }
  /// The run with failures: its result or an error, and nothing of it stays.
  void trial(Failing f) {
    const auto blocks = FailingMemory::blocks();
    std::exception_ptr failure;
    std::optional<Outcome> outcome;
    try {
      outcome = run(f);
    } catch (...) {
      failure = std::current_exception();
    }
    if (outcome) CHECK(outcome->state == case_.expected);
    if (failure) check_error(failure);
    outcome.reset();
    failure = nullptr;
    CHECK(Alive::settled(alive_) == alive_);
    CHECK(clock_->pending() == 0);
    if (!case_.threads) CHECK(FailingMemory::blocks() == blocks);
  }
  std::uint64_t allocations() {
    std::uint64_t n = 0;
    run(Failing{std::uint64_t{1} << 40, 0}, &n);
    return n;
  }

 private:
  const Case& case_;
  const long before_ = Alive::count();
  Work work_;
  std::shared_ptr<VirtualClock> clock_ = std::make_shared<VirtualClock>();
  std::shared_ptr<InstantClock> instant_ = std::make_shared<InstantClock>();
  std::unique_ptr<Program> program_;
  long alive_ = Alive::count();
};

/// Every one of the first two hundred, then some: what loops often does the same again and again.
std::uint64_t stride(std::uint64_t k) { return k < 200 ? 1 : 37; }

void each(const Bench::Work& work) {
  std::uint64_t trials = 0, graphs = 0;
  for (const Case& c : corpus::cases()) {
    INFO("graph: " << c.name);
    if (c.timed && !work) continue;
    Bench bench(c, work);
    ++graphs;
    const auto last = bench.allocations();
    for (std::uint64_t k = 1; k <= last; k += stride(k))
      for (const std::uint64_t more : {std::uint64_t{0}, a_while}) {
        INFO("allocation: " << k << " and " << more << " more");
        bench.trial({k, more});
        ++trials;
      }
    CHECK(bench.run({}).state == c.expected);
  }
  CHECK(graphs >= 40);
  CHECK(trials > 3000);
  WARN(trials << " trials; " << FailingMemory::spared() << " failures spared in what Asio starts");
}

}  // namespace

TEST_CASE("any allocation of a blocking run may fail", "[alloc]") { each(nullptr); }
TEST_CASE("any allocation of an awaited run may fail", "[alloc]") {
  each([](const Program& p, const asio::any_io_executor&) { return p.ainvoke(); });
}
TEST_CASE("any allocation of a stream may fail", "[alloc]") {
  each([](const Program& p, const asio::any_io_executor&) { return p.stream(); });
}
TEST_CASE("any allocation of a run with a handle may fail", "[alloc]") {
  each([](const Program& p, const asio::any_io_executor& executor) -> asio::awaitable<Outcome> {
    const auto handle = p.start(executor);
    auto end = handle->result();
    Outcome o = co_await std::move(end);
    co_return o;
  });
}
