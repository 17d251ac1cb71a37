// SPDX-License-Identifier: MIT
// sleep and the clock of an execution context.
#include <agentflow/async/sleep.hpp>

#include <chrono>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/async/gather.hpp>
#include <agentflow/async/run.hpp>
#include <agentflow/core/error.hpp>

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::testing::VirtualLoop;
using namespace std::chrono_literals;

namespace {

asio::awaitable<void> note_after(std::string& order, char c, std::chrono::nanoseconds d) {
  co_await af::sleep(d);
  order += c;
}

asio::awaitable<void> nap(std::chrono::nanoseconds d) {
  const Alive alive;
  co_await af::sleep(d);
}

}  // namespace

TEST_CASE("16 sleep does not block: others go on meanwhile", "[sleep]") {
  VirtualLoop loop;
  std::string order;
  loop.run(af::gather(note_after(order, 'c', 3s), note_after(order, 'a', 1s), note_after(order, 'b', 2s)));
  CHECK(order == "abc");
  CHECK(loop.clock()->passed() == 3s);
}

TEST_CASE("16 sleep takes any duration: none, less than none, for ever", "[sleep]") {
  VirtualLoop loop;
  loop.run(nap(0s));
  loop.run(nap(-5s));
  CHECK(loop.clock()->passed() == 0s);
  asio::cancellation_signal signal;
  loop.after(loop.handlers() + 1, [&] { signal.emit(asio::cancellation_type::terminal); });
  CHECK_THROWS_AS(loop.run(nap(std::chrono::nanoseconds::max()), signal.slot()), af::cancelled_error);
}

TEST_CASE("16 sleep ends at once when it is cancelled, also before it begins", "[sleep]") {
  CHECK(disturb_everywhere([] { return nap(1h); }) > 0);

  VirtualLoop loop;
  asio::cancellation_signal signal;
  auto late = []() -> asio::awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await give_way(2);
    co_await af::sleep(1h);
  };
  loop.after(1, [&] { signal.emit(asio::cancellation_type::terminal); });
  CHECK_THROWS_AS(loop.run(late(), signal.slot()), af::cancelled_error);
  CHECK(loop.clock()->passed() == 0s);
}

TEST_CASE("a context without a clock of its own has the machine's", "[sleep]") {
  asio::io_context io;
  CHECK(af::clock_of(io.get_executor()) == af::Clock::system());
  const auto clock = std::make_shared<af::testing::VirtualClock>();
  af::set_clock(io, clock);
  CHECK(af::clock_of(io.get_executor()) == clock);
  af::set_clock(io, nullptr);
  CHECK(af::clock_of(io.get_executor()) == af::Clock::system());
  CHECK(af::run(nap(1ms)) == 0);
}
