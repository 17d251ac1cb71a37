// SPDX-License-Identifier: MIT
// run: exit codes, values, threads, background work, loops within loops.
#include <agentflow/async/run.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/async/sleep.hpp>
#include <agentflow/core/error.hpp>

#include "support/alive.hpp"
#include "support/catch.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;

namespace {

asio::awaitable<void> good() { co_await af::sleep(1ms); }
asio::awaitable<int> code(int c) { co_return c; }
asio::awaitable<std::unique_ptr<std::string>> text() { co_return std::make_unique<std::string>("hello"); }
asio::awaitable<void> bad() {
  throw std::runtime_error("this is printed by a test");
  co_return;
}
asio::awaitable<std::string> bad_text() {
  throw std::runtime_error("mine");
  co_return "";
}

}  // namespace

TEST_CASE("39 run gives an exit code: 0, that of the coroutine, 1 for an exception", "[run]") {
  CHECK(af::run(good()) == 0);
  CHECK(af::run(code(7)) == 7);
  CHECK(af::run(bad()) == 1);
}

TEST_CASE("39 run gives other values, and throws what the coroutine throws", "[run]") {
  CHECK(*af::run(text()) == "hello");
  CHECK_THROWS_WITH(af::run(bad_text()), "mine");
}

TEST_CASE("39 run waits for what is still under way", "[run]") {
  bool finished = false;
  auto rest = [&]() -> asio::awaitable<void> {
    co_await af::sleep(5ms);
    finished = true;
  };
  auto start_and_leave = [&]() -> asio::awaitable<void> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    asio::co_spawn(ex, rest(), [](std::exception_ptr) {});
  };
  CHECK(af::run(start_and_leave()) == 0);
  CHECK(finished);
}

TEST_CASE("39 run waits for ever where it is told to", "[run]") {
  for (const std::size_t threads : {1, 2}) {
    bool finished = false;
    auto rest = [&]() -> asio::awaitable<void> {
      co_await af::sleep(5ms);
      finished = true;
    };
    auto start_and_leave = [&]() -> asio::awaitable<void> {
      const asio::any_io_executor ex = co_await asio::this_coro::executor;
      asio::co_spawn(ex, rest(), [](std::exception_ptr) {});
    };
    const auto options = af::RunOptions().threads(threads).drain(std::chrono::nanoseconds::max());
    CHECK(af::run(start_and_leave(), options) == 0);
    CHECK(finished);
  }
}

TEST_CASE("39 run abandons what does not end, and frees it", "[run]") {
  const long alive = Alive::count();
  auto endless = []() -> asio::awaitable<void> {
    const Alive a;
    co_await af::sleep(24h);
  };
  auto start_and_leave = [&]() -> asio::awaitable<void> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    asio::co_spawn(ex, endless(), [](std::exception_ptr) {});
  };
  CHECK(af::run(start_and_leave(), af::RunOptions().drain(1ms)) == 0);
  CHECK(Alive::count() == alive);
}

TEST_CASE("39 run takes several threads", "[run]") {
  // Two that each wait until the other is there: only on two threads at once.
  std::atomic<int> there{0};
  auto meet = [&]() -> asio::awaitable<void> {
    co_await asio::post(asio::use_awaitable);
    ++there;
    while (there < 2) std::this_thread::yield();
  };
  auto both = [&]() -> asio::awaitable<void> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    asio::co_spawn(ex, meet(), [](std::exception_ptr) {});
    asio::co_spawn(ex, meet(), [](std::exception_ptr) {});
  };
  CHECK(af::run(both(), af::RunOptions().threads(2)) == 0);
  CHECK_THROWS_AS(af::run(good(), af::RunOptions().threads(0)), af::config_error);
}

TEST_CASE("11 run on a thread that runs a loop is refused before anything starts", "[run]") {
  bool begun = false;
  std::string what;
  auto begin = [&]() -> asio::awaitable<void> {
    begun = true;
    co_return;
  };
  auto nested = [&]() -> asio::awaitable<void> {
    try {
      (void)af::run(begin());
    } catch (const af::nested_loop_error& e) {
      what = e.what();
    }
    co_return;
  };
  CHECK(af::run(nested()) == 0);
  CHECK_FALSE(begun);
  CHECK(what.find("run() blocks its thread") != std::string::npos);
}

TEST_CASE("39 what any other handler throws ends the loop", "[run]") {
  auto throwing = []() -> asio::awaitable<std::string> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    asio::post(ex, [] { throw std::runtime_error("in a handler"); });
    co_await af::sleep(24h);
    co_return "never";
  };
  CHECK_THROWS_WITH(af::run(throwing(), af::RunOptions().threads(2)), "in a handler");
}
