// SPDX-License-Identifier: MIT
// The virtual clock and loop: time, order, deadlock, interference, abandonment.
#include <agentflow/testing/virtual_time.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <asio/cancellation_signal.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using af::testing::VirtualClock;
using af::testing::VirtualLoop;
using namespace std::chrono_literals;

struct Naps {
  std::vector<std::string> taken;
};
AGENTFLOW_STATE(Naps, (taken, af::append))

namespace {

af::CompiledGraph<Naps> napping(const std::shared_ptr<af::Clock>& clock, std::chrono::nanoseconds length) {
  af::StateGraph<Naps> graph;
  graph.add_node("nap", [length](Naps s, af::NodeContext& ctx) -> asio::awaitable<Naps> {
    co_await ctx.sleep(length);
    s.taken.push_back("nap");
    co_return s;
  });
  graph.set_entry_point("nap").add_edge("nap", "END");
  return graph.compile(af::CompileOptions().clock(clock));
}

/// Waits on a timer of Asio's, which the loop cannot see.
asio::awaitable<void> wait_outside(std::shared_ptr<int> held) {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::steady_clock::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
  ++*held;
}

asio::awaitable<int> hop(int times) {
  for (int i = 0; i < times; ++i) co_await asio::post(asio::use_awaitable);
  co_return times;
}

}  // namespace

TEST_CASE("a virtual clock posts what falls due, earliest first, and forgets what is destroyed", "[virtual_time]") {
  VirtualLoop loop;
  auto& clock = *loop.clock();
  std::string order;
  auto note = [&order](char c) { return [&order, c] { order += c; }; };
  const auto start = clock.now();
  const auto late = clock.schedule(loop.executor(), start + 3s, note('c'));
  const auto early = clock.schedule(loop.executor(), start + 1s, note('a'));
  const auto same = clock.schedule(loop.executor(), start + 1s, note('b'));
  auto dropped = clock.schedule(loop.executor(), start + 1s, note('x'));
  CHECK(clock.pending() == 4);
  dropped.reset();
  CHECK(clock.pending() == 3);

  clock.advance(999ms);
  loop.run(hop(1));
  CHECK(order.empty());
  clock.advance(1ms);
  loop.run(hop(1));
  CHECK(order == "ab");
  CHECK(clock.advance_to_next());
  CHECK(clock.passed() == 3s);
  CHECK_FALSE(clock.advance_to_next());
  const auto due = clock.schedule(loop.executor(), start, note('d'));
  CHECK(order == "ab");
  loop.run(hop(1));
  CHECK(order == "abcd");
  CHECK(clock.wall_now().time_since_epoch() == 1'000'000'003s);
}

TEST_CASE("a timer may outlive its virtual clock", "[virtual_time]") {
  VirtualLoop loop;
  std::unique_ptr<af::Clock::Timer> timer;
  {
    VirtualClock clock;
    timer = clock.schedule(loop.executor(), clock.now() + 1s, [] {});
  }
  timer.reset();
  SUCCEED();
}

TEST_CASE("a virtual loop gives results and errors, and jumps over waits", "[virtual_time]") {
  VirtualLoop loop;
  CHECK(loop.run(hop(3)) == 3);
  const auto app = napping(loop.clock(), 100h);
  CHECK(loop.run(app.ainvoke(Naps())).state.taken == std::vector<std::string>{"nap"});
  CHECK(loop.clock()->passed() == 100h);
  auto fail = []() -> asio::awaitable<void> {
    co_await asio::post(asio::use_awaitable);
    throw std::runtime_error("mine");
  };
  CHECK_THROWS_WITH(loop.run(fail()), "mine");
}

TEST_CASE("a virtual loop reports a deadlock instead of hanging", "[virtual_time]") {
  const auto held = std::make_shared<int>(0);
  {
    VirtualLoop loop;
    try {
      loop.run(wait_outside(held));
      FAIL("no error");
    } catch (const af::testing::deadlock_error& e) {
      CHECK(e.code() == af::errc::deadlock);
      CHECK(e.message().find("nothing is ready") != std::string::npos);
    }
    CHECK(held.use_count() == 2);
  }
  CHECK(held.use_count() == 1);
}

TEST_CASE("a virtual loop waits for other threads if it is told to", "[virtual_time]") {
  VirtualLoop loop;
  loop.wait_for_threads(20s);
  std::thread other;
  auto work = [&]() -> asio::awaitable<int> {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::steady_clock::time_point::max());
    other = std::thread([&, ex = loop.executor()] { asio::post(ex, [&timer] { timer.cancel(); }); });
    try {
      co_await timer.async_wait(asio::use_awaitable);
    } catch (const asio::system_error&) {
    }
    co_return 1;
  };
  CHECK(loop.run(work()) == 1);
  other.join();
}

TEST_CASE("a virtual loop counts handlers the same way every time, and lets a test act between them",
          "[virtual_time]") {
  auto count = [] {
    VirtualLoop loop;
    loop.run(napping(loop.clock(), 1s).ainvoke(Naps()));
    return loop.handlers();
  };
  const auto total = count();
  REQUIRE(total > 1);
  CHECK(count() == total);
  for (std::uint64_t k = 0; k <= total; ++k) {
    INFO("handler " << k);
    VirtualLoop loop;
    const auto app = napping(loop.clock(), 1s);
    asio::cancellation_signal signal;
    std::uint64_t seen = total + 1;
    loop.after(k, [&] {
      seen = loop.handlers();
      signal.emit(asio::cancellation_type::terminal);
    });
    try {
      auto result = loop.run(app.ainvoke(Naps()), signal.slot());
      CHECK(result.state.taken.size() == 1);
    } catch (const af::cancelled_error&) {
      CHECK(k < total);
    } catch (const asio::system_error&) {
      CHECK(k == 0);  // before the coroutine began: what it awaits first is not even called
    }
    CHECK(seen == k);
  }
}

TEST_CASE("a virtual loop may be left at any point", "[virtual_time]") {
  for (std::uint64_t k = 0;; ++k) {
    INFO("handler " << k);
    const auto clock = std::make_shared<VirtualClock>();
    const auto app = napping(clock, 1s);
    bool done = false;
    {
      VirtualLoop loop(clock);
      loop.stop_after(k);
      try {
        loop.run(app.ainvoke(Naps()));
        done = true;
      } catch (const af::testing::abandoned_error& e) {
        CHECK(e.code() == af::errc::cancelled);
        CHECK(loop.handlers() == k);
      }
    }
    CHECK(clock->pending() == 0);
    VirtualLoop other(clock);
    CHECK(other.run(app.ainvoke(Naps())).state.taken.size() == 1);
    if (done) break;
  }
}
