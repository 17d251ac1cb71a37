// SPDX-License-Identifier: MIT
// run_blocking: values, errors, bounds, cancellation, destruction.
#include <agentflow/async/blocking.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/query.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/async/gather.hpp>
#include <agentflow/async/run.hpp>
#include <agentflow/async/sleep.hpp>
#include <agentflow/core/error.hpp>

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::testing::VirtualLoop;
using namespace std::chrono_literals;

namespace {

/// Threads wait at it until it is opened.
class Gate {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void until_waiting(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= n; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

asio::awaitable<void> configure(af::BlockingOptions options) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  af::set_blocking(asio::query(ex, asio::execution::context), options);
}

}  // namespace

TEST_CASE("17 run_blocking runs a function on another thread and gives what it returns or throws", "[blocking]") {
  const auto here = std::this_thread::get_id();
  auto all = [&]() -> asio::awaitable<std::string> {
    auto where = [] { return std::make_unique<std::thread::id>(std::this_thread::get_id()); };
    const auto there = co_await af::run_blocking(where);
    CHECK(*there != here);
    bool called = false;
    co_await af::run_blocking([&] { called = true; });
    CHECK(called);
    co_return co_await af::run_blocking([&]() -> std::string { throw std::runtime_error("no such file"); });
  };
  CHECK_THROWS_WITH(on_loop(all), "no such file");
}

TEST_CASE("42 a blocking call may be made inside run_blocking", "[blocking]") {
  auto inner = []() -> asio::awaitable<std::string> { co_return "inner"; };
  auto all = [&]() -> asio::awaitable<std::string> {
    auto result = co_await af::run_blocking([&] { return af::run(inner()); });
    co_return result;
  };
  CHECK(on_loop(all) == "inner");
}

TEST_CASE("58 run_blocking runs so many at once, and no more wait than may", "[blocking]") {
  Gate gate;
  std::atomic<int> now{0}, most{0};
  auto work = [&] {
    int seen = ++now;
    int m = most;
    while (seen > m && !most.compare_exchange_weak(m, seen)) {
    }
    gate.wait();
    --now;
    return seen;
  };
  auto one = [&]() -> asio::awaitable<int> { return af::run_blocking(work); };
  auto all = [&]() -> asio::awaitable<std::size_t> {
    co_await configure(af::BlockingOptions().threads(2).queue_limit(3));
    std::vector<asio::awaitable<int>> calls;
    for (int i = 0; i < 7; ++i) calls.push_back(one());
    auto opener = [&]() -> asio::awaitable<void> {
      co_await give_way(20);  // all the others have begun
      gate.until_waiting(2);
      gate.open();
    };
    auto results = co_await af::gather(af::gather(std::move(calls), af::return_exceptions), opener());
    auto& outcomes = std::get<0>(results);
    std::size_t refused = 0;
    for (const auto& o : outcomes)
      if (!o.has_value()) {
        ++refused;
        CHECK(af::describe(o.error()) ==
              "SYS_001: run_blocking: 3 calls wait for one of 2 threads already; start fewer at once (gather with a "
              "limit, Semaphore) or raise BlockingOptions::queue_limit");
      }
    co_return refused;
  };
  CHECK(on_loop(all) == 2);
  CHECK(most == 2);
}

TEST_CASE("17 a cancelled call that waits is dropped, one that runs is waited for", "[blocking]") {
  Gate gate;
  bool dropped_ran = false;
  auto all = [&]() -> asio::awaitable<void> {
    co_await configure(af::BlockingOptions().threads(1));
    auto running = [&] {
      gate.wait();
      return 5;
    };
    auto canceller = [&]() -> asio::awaitable<void> {
      gate.until_waiting(1);
      co_await give_way(5);
      throw std::runtime_error("cancel the others");
    };
    auto opener = [&]() -> asio::awaitable<void> {
      try {
        co_await af::sleep(1h);
      } catch (const af::cancelled_error&) {
        gate.open();
      }
    };
    auto first = af::run_blocking(running);
    auto second = af::run_blocking([&] { dropped_ran = true; });
    co_await af::gather(std::move(first), std::move(second), opener(), canceller());
  };
  CHECK_THROWS_WITH(on_loop(all), "cancel the others");
  CHECK_FALSE(dropped_ran);
}

TEST_CASE("run_blocking may be cancelled or abandoned anywhere", "[blocking]") {
  auto all = []() -> asio::awaitable<void> {
    const Alive alive;
    auto nothing = [alive] {};
    co_await af::run_blocking(nothing);
    co_await af::run_blocking(nothing);
  };
  // A thread that is quick has done its work before the coroutine waits for it: so few points are sure.
  CHECK(disturb_everywhere(all, 20s) > 0);
}

TEST_CASE("a context that goes drops what waits and waits for what runs", "[blocking]") {
  Gate gate;
  std::atomic<int> ran{0};
  {
    VirtualLoop loop;
    auto work = [&] {
      ++ran;
      gate.wait();
    };
    auto waiting = [&](std::shared_ptr<void>) -> asio::awaitable<void> { co_await af::run_blocking(work); };
    auto all = [&]() -> asio::awaitable<void> {
      co_await configure(af::BlockingOptions().threads(1));
      // Goes with the last of those that wait, so what runs is held until they are gone.
      std::shared_ptr<void> opener(nullptr, [&](void*) { gate.open(); });
      auto second = waiting(opener), third = waiting(std::move(opener));
      co_await af::gather(af::run_blocking(work), std::move(second), std::move(third));
    };
    CHECK_THROWS_AS(loop.run(all()), af::testing::deadlock_error);
    gate.until_waiting(1);
    CHECK(ran == 1);
  }
  CHECK(ran == 1);
}

TEST_CASE("the pool is configured before it is used", "[blocking]") {
  auto all = []() -> asio::awaitable<void> {
    co_await af::run_blocking([] {});
    co_await configure(af::BlockingOptions().threads(1));
  };
  CHECK_THROWS_AS(on_loop(all), af::config_error);
}
