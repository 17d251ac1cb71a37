// SPDX-License-Identifier: MIT
// timeout: an awaitable with a limit in time.
#pragma once

#include <chrono>
#include <utility>

#include <asio/awaitable.hpp>

#include <agentflow/async/detail/capture.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>

namespace agentflow {

namespace detail {
AGENTFLOW_API asio::awaitable<void> timeout_erased(asio::awaitable<void> work, std::chrono::nanoseconds limit);

template <class T>
asio::awaitable<T> timeout_typed(Cell<T> cell, asio::awaitable<void> work, std::chrono::nanoseconds limit) {
  co_await timeout_erased(std::move(work), limit);
  co_return cell.take();
}
}  // namespace detail

/// Awaits something with a limit in time. Past the limit it is cancelled and joined; then `timeout_error` is thrown,
/// whose `limit()` is the limit. A limit of zero or less throws it without starting anything.
///
/// **Errors** `timeout_error` (`errc::timed_out`) if the limit was passed before the end, with what the work threw
/// nested in it unless that was only the cancellation; otherwise what the work throws.
/// **Cancellation** cancels the work, joins it, and throws `cancelled_error`, whatever the limit.
/// **Units/limits** The clock is that of the execution context, see `set_clock`. Work that does not heed cancellation
/// is waited for, and times out all the same.
///
/// **Example** `auto result = co_await af::timeout(app.ainvoke("Hello"), 30s);`
template <class T>
asio::awaitable<T> timeout(asio::awaitable<T> work, std::chrono::nanoseconds limit) {
  detail::Cell<T> cell;
  auto erased = cell.keep(std::move(work));
  return detail::timeout_typed(std::move(cell), std::move(erased), limit);
}

}  // namespace agentflow
