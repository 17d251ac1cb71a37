// SPDX-License-Identifier: MIT
// Each graph of the corpus is cancelled, stopped, abandoned and failed by its store at every point in turn; what is
// gone on with comes to what an undisturbed run does.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "support/catch.hpp"
#include "support/corpus.hpp"
#include "support/durable.hpp"

namespace af = agentflow;
using af::testing::VirtualClock;
using af::testing::VirtualLoop;
using corpus::Case;
using corpus::Outcome;
using support::HookedCheckpointer;
using namespace std::chrono_literals;

namespace {

/// One graph with a store of its own.
struct Bench {
  explicit Bench(const Case& c) : info(c), program(c.make(clock, store)) {}

  std::unique_ptr<VirtualLoop> loop() const {
    auto l = std::make_unique<VirtualLoop>(clock);
    if (info.threads) l->wait_for_threads(20s);
    return l;
  }
  /// Goes on until it is done: with a Resume, or with the input where nothing of it was stored. A blocking node may
  /// have outlived its loop, and has the thread until it returns.
  Outcome finish() const {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    bool missing = false;
    for (int tries = 0; tries < 3;) {
      const auto l = loop();
      try {
        const Outcome o = l->run(missing ? program->ainvoke() : program->resume());
        if (o.status == af::run_status::completed) return o;
        ++tries;
      } catch (const af::storage_error& e) {
        const bool busy = info.threads && e.code() == af::errc::thread_busy;
        if (!busy && (missing || e.code() != af::errc::checkpoint_missing)) throw;
        missing = missing || !busy;
        if (std::chrono::steady_clock::now() > limit) throw;
        std::this_thread::yield();
      }
    }
    FAIL("it does not come to its end");
    return Outcome();
  }
  void check_finish() const {
    const Outcome o = finish();
    CHECK(o.state == info.expected);
  }

  const Case& info;
  std::shared_ptr<VirtualClock> clock = std::make_shared<VirtualClock>();
  std::shared_ptr<HookedCheckpointer> store = std::make_shared<HookedCheckpointer>(af::memory_checkpointer());
  std::unique_ptr<corpus::Program> program;
};

std::uint64_t stride(std::uint64_t k) { return k < 40 ? 1 : 23; }

/// Calls `trial(bench, k)` with a fresh store for each graph and each k up to `last(bench after an undisturbed run)`.
void each(const std::function<std::uint64_t(const Bench&, const VirtualLoop&)>& last,
          const std::function<void(Bench&, std::uint64_t)>& trial, std::uint64_t at_least) {
  std::uint64_t trials = 0;
  for (const Case& c : corpus::cases()) {
    if (c.foreign) continue;
    INFO("graph: " << c.name);
    const auto points = [&] {
      Bench bench(c);
      const auto l = bench.loop();
      const Outcome o = l->run(bench.program->ainvoke());
      CHECK(o.state == c.expected);
      return last(bench, *l);
    }();
    for (std::uint64_t k = 0; k <= points; k += stride(k), ++trials) {
      INFO("point: " << k << " of " << points);
      Bench bench(c);
      trial(bench, k);
    }
  }
  WARN(trials << " trials");
  CHECK(trials > at_least);
}

std::uint64_t handlers(const Bench&, const VirtualLoop& l) { return l.handlers(); }
std::uint64_t calls(const Bench& b, const VirtualLoop&) { return 2 * b.store->calls; }

}  // namespace

TEST_CASE("a durable run that is cancelled anywhere can be gone on with", "[durable]") {
  auto trial = [](Bench& b, std::uint64_t k) {
    {
      const auto l = b.loop();
      auto handle = b.program->start(l->executor());
      l->after(k, [&] { handle->cancel(); });
      try {
        const Outcome o = l->run(handle->result());
        CHECK(o.state == b.info.expected);
      } catch (const af::cancelled_error&) {
      }
    }
    b.check_finish();
  };
  each(handlers, trial, 300);
}

TEST_CASE("a durable run that is stopped anywhere can be gone on with", "[durable]") {
  auto trial = [](Bench& b, std::uint64_t k) {
    {
      const auto l = b.loop();
      auto handle = b.program->start(l->executor());
      l->after(k, [&] { handle->stop(); });
      const Outcome o = l->run(handle->result());
      CHECK((o.status == af::run_status::stopped || o.state == b.info.expected));
    }
    b.check_finish();
  };
  each(handlers, trial, 300);
}

TEST_CASE("a durable run whose loop is destroyed anywhere can be gone on with", "[durable]") {
  auto trial = [](Bench& b, std::uint64_t k) {
    {
      auto l = b.loop();
      l->stop_after(k);
      try {
        l->run(b.program->ainvoke());
      } catch (const af::testing::abandoned_error&) {
      }
    }
    b.check_finish();
  };
  each(handlers, trial, 300);
}

TEST_CASE("a durable run whose store fails at any call can be gone on with", "[durable]") {
  for (const auto code : {af::errc::storage_unavailable, af::errc::thread_fenced}) {
    auto trial = [code](Bench& b, std::uint64_t k) {
      {
        // Every second trial fails after it was stored: the acknowledgement is lost.
        b.store->gate = [k, code](std::uint64_t call, bool stored) -> asio::awaitable<void> {
          if (call == 1 + k / 2 && stored == (k % 2 == 1)) throw af::storage_error(code, "the store fails");
          co_return;
        };
        const auto l = b.loop();
        try {
          const Outcome o = l->run(b.program->ainvoke());
          CHECK(o.state == b.info.expected);
          CHECK(k / 2 >= b.store->calls);
        } catch (const af::storage_error& e) {
          CHECK(e.code() == code);
        }
        b.store->gate = nullptr;
      }
      b.check_finish();
    };
    each(calls, trial, 250);
  }
}

TEST_CASE("a durable run that is killed at any call of its store can be gone on with", "[durable]") {
  auto trial = [](Bench& b, std::uint64_t k) {
    {
      auto l = b.loop();
      b.store->gate = [k, &l](std::uint64_t call, bool stored) -> asio::awaitable<void> {
        if (call != 1 + k / 2 || stored != (k % 2 == 1)) co_return;
        l->stop_after(l->handlers());
        for (;;) co_await asio::post(asio::use_awaitable);
      };
      try {
        l->run(b.program->ainvoke());
        CHECK(k / 2 >= b.store->calls);
      } catch (const af::testing::abandoned_error&) {
      }
      b.store->gate = nullptr;
    }
    b.check_finish();
  };
  each(calls, trial, 250);
}
