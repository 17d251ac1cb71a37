// SPDX-License-Identifier: MIT
// Private: a wait on a clock.
#pragma once

#include <algorithm>
#include <chrono>

#include <asio/awaitable.hpp>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>

namespace agentflow::detail {

/// The time so far from then, or from now, or the last there is: limits of "for ever" do not overflow.
inline Clock::time_point after(Clock::time_point then, std::chrono::nanoseconds duration) {
  return then + std::clamp(duration, std::chrono::nanoseconds(0), Clock::time_point::max() - then);
}
inline Clock::time_point after(const Clock& clock, std::chrono::nanoseconds duration) {
  return after(clock.now(), duration);
}

/// Waits on a clock; `cancelled_error` when the coroutine is cancelled meanwhile.
AGENTFLOW_API asio::awaitable<void> sleep_on(Clock& clock, std::chrono::nanoseconds duration);

}  // namespace agentflow::detail
