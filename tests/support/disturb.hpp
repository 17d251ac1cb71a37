// SPDX-License-Identifier: MIT
// Disturbs a coroutine after each handler in turn: cancels it, or destroys the loop under it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <system_error>
#include <thread>

#include <asio/cancellation_signal.hpp>
#include <asio/error.hpp>

#include <agentflow/core/error.hpp>
#include <agentflow/testing/virtual_time.hpp>

#include "support/alive.hpp"
#include "support/catch.hpp"

/// `make()` gives the coroutine (of void) anew each time; what it should leave behind is nothing. Cancelled, it may end
/// well or with a cancellation. `patience` is for other threads. Gives the number of points.
template <class Make>
std::uint64_t disturb_everywhere(Make make, std::chrono::nanoseconds patience = {}) {
  using agentflow::testing::VirtualLoop;
  const long alive = Alive::count();
  // Other threads may need a moment to let go, and the loop to hear of it.
  const auto limit = [&] { return std::chrono::steady_clock::now() + patience; };
  auto settled = [&](VirtualLoop& loop) {
    loop.wait_for_threads(std::chrono::nanoseconds::zero());
    for (const auto end = limit(); loop.drain(), Alive::count() != alive && std::chrono::steady_clock::now() < end;)
      std::this_thread::yield();
    CHECK(loop.clock()->pending() == 0);
  };
  std::uint64_t last = 0;
  {
    VirtualLoop loop;
    loop.wait_for_threads(patience);
    loop.run(make());
    last = loop.handlers();
    settled(loop);
  }
  CHECK(Alive::count() == alive);
  for (std::uint64_t k = 1; k <= last; ++k) {
    INFO("cancelled after handler " << k << " of " << last);
    {
      VirtualLoop loop;
      loop.wait_for_threads(patience);
      asio::cancellation_signal signal;
      loop.after(k, [&] { signal.emit(asio::cancellation_type::terminal); });
      try {
        loop.run(make(), signal.slot());
      } catch (const agentflow::cancelled_error&) {
      } catch (const std::system_error& e) {
        CHECK(e.code() == asio::error::operation_aborted);
      }
      settled(loop);
    }
    CHECK(Alive::count() == alive);
  }
  for (std::uint64_t k = 0; k <= last; ++k) {
    INFO("abandoned after handler " << k << " of " << last);
    {
      VirtualLoop loop;
      loop.wait_for_threads(patience);
      loop.stop_after(k);
      try {
        loop.run(make());
      } catch (const agentflow::testing::abandoned_error&) {
      }
    }
    CHECK(Alive::count() == alive);
  }
  return last;
}
