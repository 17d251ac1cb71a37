// SPDX-License-Identifier: MIT
// retry: attempts, waits, predicates, hooks, cancellation.
#include <agentflow/async/retry.hpp>

#include <chrono>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/system_error.hpp>

#include <agentflow/async/sleep.hpp>
#include <agentflow/core/error.hpp>

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::testing::VirtualLoop;
using namespace std::chrono_literals;

namespace {

/// Fails so many times, then succeeds.
class Flaky {
 public:
  explicit Flaky(int failures) : failures_(failures) {}
  asio::awaitable<std::unique_ptr<int>> call() {
    const Alive alive;
    ++calls;
    co_await give_way();
    if (calls <= failures_) throw std::runtime_error("failure " + std::to_string(calls));
    co_return std::make_unique<int>(calls);
  }
  int calls = 0;

 private:
  int failures_;
};

}  // namespace

TEST_CASE("29 retry tries again until it succeeds, and gives the value", "[retry]") {
  VirtualLoop loop;
  Flaky flaky(2);
  CHECK(*loop.run(af::retry([&] { return flaky.call(); })) == 3);
  Flaky good(0);
  CHECK(*loop.run(af::retry([&] { return good.call(); }, af::RetryPolicy().attempts(1))) == 1);
}

TEST_CASE("29 retry throws the last error after the last attempt, without a wait", "[retry]") {
  VirtualLoop loop;
  Flaky flaky(9);
  std::vector<std::string> log;
  const auto policy = af::RetryPolicy().attempts(3).backoff(1s).jitter(0).on_retry([&](const af::RetryEvent& e) {
    log.push_back("Retry " + std::to_string(e.attempt) + "/" + std::to_string(e.attempts) + " in " +
                  std::to_string(e.delay / 1s) + " s after error: " + af::describe(e.error));
  });
  CHECK_THROWS_WITH(loop.run(af::retry([&] { return flaky.call(); }, policy)), "failure 3");
  CHECK(flaky.calls == 3);
  CHECK(log ==
        std::vector<std::string>{"Retry 1/3 in 1 s after error: failure 1", "Retry 2/3 in 2 s after error: failure 2"});
  CHECK(loop.clock()->passed() == 3s);
}

TEST_CASE("30 the waits are 1 s and 2 s, grow by the factor up to the cap, and jitter shortens them", "[retry]") {
  const auto policy = af::RetryPolicy().backoff(1s).jitter(0.5).cap(5s);
  CHECK(policy.delay(1, 0) == 1s);
  CHECK(policy.delay(2, 0) == 2s);
  CHECK(policy.delay(3, 0) == 4s);
  CHECK(policy.delay(4, 0) == 5s);
  CHECK(policy.delay(4, 1) == 2500ms);
  CHECK(policy.delay(10'000, 0) == 5s);
  const auto endless = af::RetryPolicy().backoff(std::chrono::nanoseconds::max()).cap(std::chrono::nanoseconds::max());
  CHECK(endless.delay(9, 0) > 24h * 365);
  CHECK(af::RetryPolicy().backoff(0s).delay(10'000, 0) == 0s);

  VirtualLoop loop;
  Flaky flaky(1);
  loop.run(af::retry([&] { return flaky.call(); }, af::RetryPolicy().backoff(8s)));
  CHECK(loop.clock()->passed() >= 6s);
  CHECK(loop.clock()->passed() <= 8s);
}

TEST_CASE("29 a predicate makes errors final, a hook that throws takes their place", "[retry]") {
  VirtualLoop loop;
  Flaky flaky(9);
  const auto no = af::RetryPolicy().when([](const std::exception_ptr& e) { return af::describe(e) != "failure 2"; });
  CHECK_THROWS_WITH(loop.run(af::retry([&] { return flaky.call(); }, no)), "failure 2");
  Flaky other(9);
  const auto strict = af::RetryPolicy().on_retry([](const af::RetryEvent&) { throw std::logic_error("enough"); });
  CHECK_THROWS_WITH(loop.run(af::retry([&] { return other.call(); }, strict)), "enough");
  CHECK(other.calls == 1);
}

TEST_CASE("29 cancellation is never retried, and ends a wait at once", "[retry]") {
  VirtualLoop loop;
  SECTION("while it waits") {
    Flaky flaky(9);
    asio::cancellation_signal signal;
    loop.after(2, [&] { signal.emit(asio::cancellation_type::terminal); });
    CHECK_THROWS_AS(
        loop.run(af::retry([&] { return flaky.call(); }, af::RetryPolicy().backoff(1h).cap(1h)), signal.slot()),
        af::cancelled_error);
    CHECK(flaky.calls == 1);
    CHECK(loop.clock()->passed() == 0s);
  }
  SECTION("while the work goes on, whatever it throws then") {
    int calls = 0;
    auto work = [&]() -> asio::awaitable<void> {
      ++calls;
      try {
        co_await af::sleep(1h);
      } catch (const af::cancelled_error&) {
        throw std::runtime_error("torn");
      }
    };
    asio::cancellation_signal signal;
    loop.after(1, [&] { signal.emit(asio::cancellation_type::terminal); });
    CHECK_THROWS_WITH(loop.run(af::retry(work), signal.slot()), "torn");
    CHECK(calls == 1);
  }
  SECTION("of what is called") {
    int calls = 0;
    auto work = [&]() -> asio::awaitable<void> {
      ++calls;
      throw asio::system_error(asio::error::operation_aborted);
      co_return;
    };
    CHECK_THROWS_AS(loop.run(af::retry(work)), asio::system_error);
    CHECK(calls == 1);
  }
  SECTION("anywhere") {
    auto all = []() -> asio::awaitable<void> {
      Flaky flaky(2);
      auto call = [&] { return flaky.call(); };
      try {
        co_await af::retry(call);
      } catch (const std::runtime_error& e) {
        CHECK(std::string(e.what()).starts_with("failure"));  // cancelled while it went on, and it failed
      }
    };
    CHECK(disturb_everywhere(all) > 5);
  }
}

TEST_CASE("retry refuses a policy that makes no sense", "[retry]") {
  auto work = []() -> asio::awaitable<void> { co_return; };
  try {
    (void)af::retry(work, af::RetryPolicy().attempts(0).factor(0.5).jitter(2).backoff(-1s));
    FAIL("no error");
  } catch (const af::config_error& e) {
    CHECK(e.message() ==
          "retry attempts must be at least 1; retry backoff and cap must not be negative; retry factor must be finite, "
          "and at least 1; retry jitter must be from 0 to 1");
  }
  const auto infinite = af::RetryPolicy().factor(std::numeric_limits<double>::infinity());
  CHECK_THROWS_WITH(af::retry(work, infinite), Catch::Matchers::Contains("must be finite"));
}
