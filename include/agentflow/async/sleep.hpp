// SPDX-License-Identifier: MIT
// sleep, and the clock that every wait of the toolkit goes by.
#pragma once

#include <chrono>
#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/execution_context.hpp>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>

namespace agentflow {

/// Waits, and leaves the thread to others meanwhile. A duration of zero or less gives way once.
///
/// **Cancellation** throws `cancelled_error` at once.
/// **Units/limits** Any duration; the clock is that of the coroutine's execution context, see `set_clock`.
///
/// **Example** `co_await af::sleep(5s);`
AGENTFLOW_API asio::awaitable<void> sleep(std::chrono::nanoseconds duration);

/// Gives an execution context the clock that `sleep`, `timeout`, `retry` and the rest of the toolkit go by there. A
/// `testing::VirtualLoop` installs its own; a context that was given none has `Clock::system()`. Null takes it back.
///
/// **Thread safety** Safe, but waits that have begun stay with the clock they began with.
AGENTFLOW_API void set_clock(asio::execution_context& context, std::shared_ptr<Clock> clock);

/// The clock of the context an executor belongs to.
AGENTFLOW_API std::shared_ptr<Clock> clock_of(const asio::any_io_executor& executor);

}  // namespace agentflow
