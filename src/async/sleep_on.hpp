// SPDX-License-Identifier: MIT
// Private: a wait on a clock.
#pragma once

#include <chrono>

#include <asio/awaitable.hpp>

#include <agentflow/core/clock.hpp>

namespace agentflow::detail {

/// Waits on a clock; `cancelled_error` when the coroutine is cancelled meanwhile.
asio::awaitable<void> sleep_on(Clock& clock, std::chrono::nanoseconds duration);

}  // namespace agentflow::detail
