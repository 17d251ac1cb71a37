// SPDX-License-Identifier: MIT
// run_blocking: a function that blocks, away from the event loop.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/execution_context.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/core/function.hpp>

namespace agentflow {

/// Options of the pool that `run_blocking` uses.
class BlockingOptions {
 public:
  BlockingOptions() = default;
  /// The most threads, started as they are needed. Default: the machine's cores, at least 4.
  BlockingOptions& threads(std::size_t n) & {
    threads_ = n;
    return *this;
  }
  BlockingOptions&& threads(std::size_t n) && { return std::move(threads(n)); }
  /// How many calls may wait for a thread; one more fails with `errc::resource_exhausted`. Default 10,000.
  BlockingOptions& queue_limit(std::size_t n) & {
    queue_limit_ = n;
    return *this;
  }
  BlockingOptions&& queue_limit(std::size_t n) && { return std::move(queue_limit(n)); }

  std::size_t threads() const noexcept { return threads_; }
  std::size_t queue_limit() const noexcept { return queue_limit_; }

 private:
  std::size_t threads_ = 0;
  std::size_t queue_limit_ = 10'000;
};
static_assert(!std::is_aggregate_v<BlockingOptions>);

/// Configures the pool of an execution context. Before its first `run_blocking`.
///
/// **Errors** `config_error` if the pool is in use already.
AGENTFLOW_API void set_blocking(asio::execution_context& context, BlockingOptions options);

namespace detail {
/// Runs the function on the pool and waits for it. It must not throw.
AGENTFLOW_API asio::awaitable<void> run_blocking_erased(UniqueFunction<void()> fn);

/// What the function needs and leaves, shared with the pool: the coroutine may be destroyed while the function runs.
template <class F, class R>
class BlockingCall {
 public:
  explicit BlockingCall(F fn) : fn_(std::move(fn)) {}
  void run() noexcept {
    try {
      if constexpr (std::is_void_v<R>)
        fn_();
      else
        value_.emplace(fn_());
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  R take() {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    if constexpr (!std::is_void_v<R>) return std::move(*value_);
  }

 private:
  F fn_;
  std::optional<std::conditional_t<std::is_void_v<R>, char, R>> value_;
  std::exception_ptr failure_;
};

template <class F, class R>
asio::awaitable<R> run_blocking_call(std::shared_ptr<BlockingCall<F, R>> call) {
  UniqueFunction<void()> job = [call] { call->run(); };
  co_await run_blocking_erased(std::move(job));
  co_return call->take();
}
}  // namespace detail

/// Runs a function that blocks (a file, a database, a long computation) on a thread of a pool, and gives what it
/// returns. The event loop goes on meanwhile. Each execution context has a pool of its own; see `set_blocking`.
///
/// For a node use `af::blocking(fn)` instead: it marks the whole node, and runs it on the graph's pool.
///
/// **Errors** What the function throws; `error` (`errc::resource_exhausted`) if too many calls wait already.
/// **Cancellation** While it waits for a thread, the function is dropped without being called and `cancelled_error`
/// thrown. A function that runs cannot be interrupted: it is waited for, and its result counts.
/// **Thread safety** The function runs on another thread; what it shares with others must be safe for that. Blocking
/// calls such as `invoke()` are fine in it.
/// **Lifetime** Destroying the execution context waits for functions that run and drops those that wait.
///
/// **Example** `auto text = co_await af::run_blocking([&] { return read_file(path); });` A lambda that holds copies
/// needs a name first on g++ 12.
template <class F>
asio::awaitable<std::invoke_result_t<std::decay_t<F>&>> run_blocking(F&& fn) {
  using R = std::invoke_result_t<std::decay_t<F>&>;
  static_assert(!std::is_reference_v<R>,
                "agentflow: run_blocking gives values; return a pointer for what lives longer");
  using Call = detail::BlockingCall<std::decay_t<F>, R>;
  return detail::run_blocking_call(std::make_shared<Call>(std::forward<F>(fn)));
}

}  // namespace agentflow
