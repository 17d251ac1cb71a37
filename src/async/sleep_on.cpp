// SPDX-License-Identifier: MIT
// A wait on a clock.
#include "async/sleep_on.hpp"

#include <memory>

#include <asio/this_coro.hpp>

#include <agentflow/core/error.hpp>

#include "async/parking.hpp"

namespace agentflow::detail {

asio::awaitable<void> sleep_on(Clock& clock, std::chrono::nanoseconds duration) {
  auto ex = co_await asio::this_coro::executor;
  auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() == asio::cancellation_type::none) {
    const auto spot = std::make_shared<ParkingSpot>();
    auto wake = [weak = std::weak_ptr<ParkingSpot>(spot)] {
      if (const auto s = weak.lock()) s->unpark();
    };
    const auto timer = clock.schedule(ex, after(clock, duration), std::move(wake));
    co_await spot->park();
    state = co_await asio::this_coro::cancellation_state;
  }
  if (state.cancelled() != asio::cancellation_type::none)
    throw cancelled_error(errc::cancelled, "the wait was cancelled");
}

}  // namespace agentflow::detail
