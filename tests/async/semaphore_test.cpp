// SPDX-License-Identifier: MIT
// Semaphore: limits, order, slots, cancellation, threads.
#include <agentflow/async/semaphore.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

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

struct Load {
  std::atomic<int> now{0}, most{0}, done{0};
};

asio::awaitable<void> work(af::Semaphore& semaphore, Load& load, std::chrono::nanoseconds d) {
  const Alive alive;
  auto slot = co_await semaphore.acquire();
  const int now = ++load.now;
  int most = load.most;
  while (now > most && !load.most.compare_exchange_weak(most, now)) {
  }
  co_await af::sleep(d);
  --load.now;
  ++load.done;
}

asio::awaitable<void> note(af::Semaphore& semaphore, std::string& order, char c) {
  auto slot = co_await semaphore.acquire();
  order += c;
}

}  // namespace

TEST_CASE("24 a semaphore of five lets five at once, and all in the end", "[semaphore]") {
  VirtualLoop loop;
  af::Semaphore semaphore(5);
  Load load;
  std::vector<asio::awaitable<void>> all;
  for (int i = 0; i < 23; ++i) all.push_back(work(semaphore, load, 1s));
  loop.run(af::gather(std::move(all)));
  CHECK(load.most == 5);
  CHECK(load.done == 23);
  CHECK(loop.clock()->passed() == 5s);
  CHECK(semaphore.available() == 5);
}

TEST_CASE("24 who waits longest is next, and nobody overtakes", "[semaphore]") {
  VirtualLoop loop;
  af::Semaphore semaphore(1);
  std::string order;
  auto all = [&]() -> asio::awaitable<void> {
    auto first = co_await semaphore.acquire();
    auto others = af::gather(note(semaphore, order, 'a'), note(semaphore, order, 'b'), note(semaphore, order, 'c'));
    auto rest = [&]() -> asio::awaitable<void> {
      co_await give_way(20);
      CHECK(semaphore.waiting() == 3);
      CHECK_FALSE(semaphore.try_acquire());
      first.release();
      CHECK_FALSE(semaphore.try_acquire());  // it belongs to the first in the queue already
      first.release();
    };
    co_await af::gather(std::move(others), rest());
  };
  loop.run(all());
  CHECK(order == "abc");
  CHECK(semaphore.available() == 1);
}

TEST_CASE("24 a slot gives its permit back once", "[semaphore]") {
  af::Semaphore semaphore(2);
  auto a = semaphore.try_acquire();
  REQUIRE(a);
  CHECK(*a);
  auto moved = std::move(*a);
  CHECK_FALSE(*a);
  auto b = semaphore.try_acquire();
  CHECK(semaphore.available() == 0);
  moved = std::move(*b);
  CHECK(semaphore.available() == 1);
  moved.release();
  moved.release();
  CHECK(semaphore.available() == 2);
  std::optional<af::Semaphore::Slot> survivor;
  {
    af::Semaphore gone(1);
    survivor = gone.try_acquire();
  }
  survivor.reset();
  CHECK_THROWS_AS(af::Semaphore(0), af::config_error);
}

TEST_CASE("24 no permit is lost, wherever a waiting coroutine is cancelled or abandoned", "[semaphore]") {
  // One semaphore for all loops: what leaks shows at the end.
  af::Semaphore semaphore(1);
  Load load;
  auto all = [&]() -> asio::awaitable<void> {
    load.now = 0;
    co_await af::gather(work(semaphore, load, 1s), work(semaphore, load, 1s), work(semaphore, load, 0s));
  };
  CHECK(disturb_everywhere(all) > 10);
  CHECK(semaphore.available() == 1);
  CHECK(semaphore.waiting() == 0);
}

TEST_CASE("24 a permit that was granted to a cancelled coroutine goes to the next", "[semaphore]") {
  VirtualLoop loop;
  af::Semaphore semaphore(1);
  std::string order;
  asio::cancellation_signal signal;
  auto all = [&]() -> asio::awaitable<void> {
    auto slot = co_await semaphore.acquire();
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    asio::co_spawn(ex, note(semaphore, order, 'a'),
                   asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
    asio::co_spawn(ex, note(semaphore, order, 'b'), [](std::exception_ptr) {});
    co_await give_way(5);
    slot.release();                                  // granted to a, which has not run yet
    signal.emit(asio::cancellation_type::terminal);  // and never will get it
    co_await give_way(10);
  };
  loop.run(all());
  CHECK(semaphore.available() == 1);
  CHECK((order == "b" || order == "ab"));
}

TEST_CASE("24 a semaphore serves coroutines of several threads and event loops", "[semaphore]") {
  af::Semaphore semaphore(3);
  Load load;
  auto many = [&]() -> asio::awaitable<int> {
    std::vector<asio::awaitable<void>> all;
    for (int i = 0; i < 200; ++i) all.push_back(work(semaphore, load, 1us));
    co_await af::gather(std::move(all));
    co_return 7;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { CHECK(af::run(many(), af::RunOptions().threads(2)) == 7); });
  for (auto& t : threads) t.join();
  CHECK(load.done == 800);
  CHECK(load.most <= 3);
  CHECK(semaphore.available() == 3);
}
