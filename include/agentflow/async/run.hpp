// SPDX-License-Identifier: MIT
// run: a coroutine as the whole program, or as a blocking call.
#pragma once

#include <chrono>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>

#include <agentflow/async/detail/capture.hpp>
#include <agentflow/core/config.hpp>

namespace agentflow {

/// Options of `run`.
class RunOptions {
 public:
  RunOptions() = default;
  /// The threads that run the event loop. One is the calling thread; more are started for it, the calling one waits,
  /// and what your coroutines share must be safe for that. Default 1.
  RunOptions& threads(std::size_t n) & {
    threads_ = n;
    return *this;
  }
  RunOptions&& threads(std::size_t n) && { return std::move(threads(n)); }
  /// How long what is still under way when the coroutine has ended may go on; then it is abandoned. Default 30 s; the
  /// longest duration there is means for ever.
  RunOptions& drain(std::chrono::nanoseconds d) & {
    drain_ = d;
    return *this;
  }
  RunOptions&& drain(std::chrono::nanoseconds d) && { return std::move(drain(d)); }

  std::size_t threads() const noexcept { return threads_; }
  std::chrono::nanoseconds drain() const noexcept { return drain_; }

 private:
  std::size_t threads_ = 1;
  std::chrono::nanoseconds drain_ = std::chrono::seconds(30);
};
static_assert(!std::is_aggregate_v<RunOptions>);

namespace detail {
/// Throws what the work throws.
AGENTFLOW_API void run_to_end(asio::awaitable<void> work, const RunOptions& options);
/// Prints what the work throws, and gives 1 then.
AGENTFLOW_API int run_as_main(asio::awaitable<void> work, const RunOptions& options);
}  // namespace detail

/// Runs a coroutine on an event loop of its own until it ends and its background work is done.
///
/// For `main`: a coroutine that returns nothing gives exit code 0, one that returns `int` gives that. An exception is
/// printed to standard error, with its causes, and gives 1. A coroutine that returns anything else gives its value, and
/// its exception is thrown.
///
/// What the coroutine started on the loop and did not wait for goes on for `RunOptions::drain` at most; what is left
/// then is destroyed with the loop, wherever it is suspended.
///
/// **Errors** `nested_loop_error` on a thread that runs an event loop already; `config_error` for no threads.
/// **Complexity/blocking** Blocks the calling thread.
///
/// **Example** `int main() { return af::run(amain()); }`
template <class T>
[[nodiscard]] auto run(asio::awaitable<T> work, const RunOptions& options = {}) {
  detail::Cell<T> cell;
  auto erased = cell.keep(std::move(work));
  if constexpr (std::is_void_v<T>) {
    return detail::run_as_main(std::move(erased), options);
  } else if constexpr (std::is_same_v<T, int>) {
    const int failed = detail::run_as_main(std::move(erased), options);
    return failed != 0 ? failed : cell.take();
  } else {
    detail::run_to_end(std::move(erased), options);
    return cell.take();
  }
}

}  // namespace agentflow
