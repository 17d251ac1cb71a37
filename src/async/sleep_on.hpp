// SPDX-License-Identifier: MIT
// Private: a wait on a clock.
#pragma once

#include <chrono>

#include <asio/awaitable.hpp>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>

namespace agentflow::detail {

/// Waits on a clock; `cancelled_error` when the coroutine is cancelled meanwhile.
AGENTFLOW_API asio::awaitable<void> sleep_on(Clock& clock, std::chrono::nanoseconds duration);

}  // namespace agentflow::detail
