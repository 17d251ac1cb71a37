// SPDX-License-Identifier: MIT
// timeout: whose limit it was, joining, causes.
#include <agentflow/async/timeout.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>

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

asio::awaitable<std::string> answer(std::chrono::nanoseconds after) {
  const Alive alive;
  co_await af::sleep(after);
  co_return "42";
}

/// What is thrown, in one word.
template <class T>
std::string ending(VirtualLoop& loop, asio::awaitable<T> work, asio::cancellation_slot slot = {}) {
  try {
    loop.run(std::move(work), slot);
    return "value";
  } catch (const af::timeout_error& e) {
    return "timeout " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(e.limit()).count());
  } catch (const af::cancelled_error&) {
    return "cancelled";
  }
}

}  // namespace

TEST_CASE("26 timeout gives the value of what is done in time", "[timeout]") {
  VirtualLoop loop;
  CHECK(loop.run(af::timeout(answer(29s), 30s)) == "42");
  CHECK(loop.clock()->passed() == 29s);
  CHECK(loop.clock()->pending() == 0);
  loop.run(af::timeout(af::sleep(1s), std::chrono::nanoseconds::max()));
}

TEST_CASE("26 timeout ends what takes longer, joins it, and names the limit", "[timeout]") {
  VirtualLoop loop;
  const long alive = Alive::count();
  try {
    loop.run(af::timeout(answer(1h), 30s));
    FAIL("no error");
  } catch (const af::timeout_error& e) {
    CHECK(e.limit() == 30s);
    CHECK(e.code() == af::errc::timed_out);
    CHECK(std::string(e.what()) == "ASYNC_001: not done within its limit of 30.000 s");
  }
  CHECK(loop.clock()->passed() == 30s);
  CHECK(Alive::count() == alive);

  // What cleans up after itself is waited for.
  bool cleaned = false;
  auto careful = [&]() -> asio::awaitable<void> {
    try {
      co_await af::sleep(1h);
    } catch (const af::cancelled_error&) {
    }
    co_await asio::this_coro::reset_cancellation_state();
    co_await af::sleep(7s);
    cleaned = true;
  };
  CHECK(ending(loop, af::timeout(careful(), 2s)) == "timeout 2");
  CHECK(cleaned);
  CHECK(loop.clock()->passed() == 39s);
}

TEST_CASE("26 timeout_error means that its own limit was passed, and nothing else", "[timeout]") {
  VirtualLoop loop;
  SECTION("an inner limit is not the outer one") {
    CHECK(ending(loop, af::timeout(af::timeout(answer(1h), 2s), 30s)) == "timeout 2");
    CHECK(ending(loop, af::timeout(af::timeout(answer(1h), 30s), 2s)) == "timeout 2");
  }
  SECTION("a cancellation from outside stays one") {
    asio::cancellation_signal signal;
    loop.after(3, [&] { signal.emit(asio::cancellation_type::terminal); });
    CHECK(ending(loop, af::timeout(answer(1h), 30s), signal.slot()) == "cancelled");
  }
  SECTION("a failure in time stays one") {
    auto fail = []() -> asio::awaitable<int> {
      co_await af::sleep(1s);
      throw std::runtime_error("mine");
    };
    CHECK_THROWS_WITH(loop.run(af::timeout(fail(), 30s)), "mine");
  }
  SECTION("an operation that was aborted by somebody else stays so") {
    auto aborted = []() -> asio::awaitable<void> {
      throw asio::system_error(asio::error::operation_aborted);
      co_return;
    };
    CHECK_THROWS_AS(loop.run(af::timeout(aborted(), 30s)), asio::system_error);
  }
}

TEST_CASE("27 a timeout carries what the work threw when it was cancelled", "[timeout]") {
  VirtualLoop loop;
  auto clumsy = []() -> asio::awaitable<void> {
    try {
      co_await af::sleep(1h);
    } catch (const af::cancelled_error&) {
      throw std::runtime_error("could not roll back");
    }
  };
  try {
    loop.run(af::timeout(clumsy(), 1500ms));
    FAIL("no error");
  } catch (const af::error& e) {
    CHECK(af::describe(static_cast<const std::exception&>(e)) ==
          "ASYNC_001: not done within its limit of 1.500 s\n  caused by: could not roll back");
  }
}

TEST_CASE("a limit of nothing starts nothing", "[timeout]") {
  VirtualLoop loop;
  bool begun = false;
  auto begin = [&]() -> asio::awaitable<void> {
    begun = true;
    co_return;
  };
  CHECK(ending(loop, af::timeout(begin(), 0s)) == "timeout 0");
  CHECK(ending(loop, af::timeout(begin(), -1s)) == "timeout -1");
  CHECK_FALSE(begun);
}

TEST_CASE("timeout may be cancelled or abandoned anywhere", "[timeout]") {
  auto all = []() -> asio::awaitable<void> {
    co_await af::timeout(answer(1s), 2s);
    try {
      co_await af::timeout(answer(2s), 1s);
    } catch (const af::timeout_error&) {
    }
  };
  CHECK(disturb_everywhere(all) > 5);
}

TEST_CASE("timeout is safe on several threads", "[timeout]") {
  auto race = []() -> asio::awaitable<int> {
    int late = 0;
    for (int i = 0; i < 200; ++i) {
      try {
        co_await af::timeout(af::sleep(std::chrono::microseconds(i)), 100us);
      } catch (const af::timeout_error&) {
        ++late;
      }
    }
    co_return late + 1000;
  };
  const int late = af::run(race(), af::RunOptions().threads(4));
  CHECK(late >= 1000);
  CHECK(late <= 1200);
}
