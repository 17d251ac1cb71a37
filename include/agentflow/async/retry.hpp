// SPDX-License-Identifier: MIT
// retry: calls something again when it fails.
#pragma once

#include <exception>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/async/retry_policy.hpp>
#include <agentflow/core/config.hpp>

namespace agentflow {

namespace detail {

/// Throws `config_error` for a policy that makes no sense.
AGENTFLOW_API void check_policy(const RetryPolicy& policy);
/// After a failed attempt: throws if the failure is final, else waits.
AGENTFLOW_API asio::awaitable<void> before_retry(const RetryPolicy& policy, int attempt, std::exception_ptr failure);

template <class F>
std::invoke_result_t<F&> retry_calls(F make, RetryPolicy policy) {
  using T = typename std::invoke_result_t<F&>::value_type;
  for (int attempt = 1;; ++attempt) {
    std::exception_ptr failure;
    try {
      auto work = make();
      if constexpr (std::is_void_v<T>) {
        co_await std::move(work);
        co_return;
      } else {
        T value = co_await std::move(work);
        co_return value;
      }
    } catch (...) {
      failure = std::current_exception();
    }
    // Before the next co_await, which would throw Asio's own exception in its place.
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) std::rethrow_exception(failure);
    co_await before_retry(policy, attempt, std::move(failure));
  }
}

}  // namespace detail

/// Awaits what `make()` returns, and when that fails, awaits a new one, as the policy says.
///
/// It exists because C++ has no `co_await` in `catch`, where the wait before the next attempt would have to stand.
///
/// **Errors** What the last attempt throws, or the first that is final; `config_error` for a policy that makes no
/// sense.
/// **Cancellation** is never retried. Waits end at once with `cancelled_error`.
/// **Units/limits** Waits go by the clock of the execution context, see `set_clock`.
///
/// **Example**
/// ```cpp
/// auto ask = [&] { return app.ainvoke(question); };  // on g++ 12 a lambda that holds copies needs a name first
/// auto result = co_await af::retry(ask, af::RetryPolicy().attempts(3).backoff(1s));
/// ```
template <class F>
std::invoke_result_t<std::decay_t<F>&> retry(F&& make, RetryPolicy policy = {}) {
  detail::check_policy(policy);
  return detail::retry_calls<std::decay_t<F>>(std::forward<F>(make), std::move(policy));
}

}  // namespace agentflow
