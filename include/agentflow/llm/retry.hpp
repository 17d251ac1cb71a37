// SPDX-License-Identifier: MIT
// Retries of calls to a model.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/ports/chat_model.hpp>

namespace agentflow::llm {

/// How often, and after which waits.
class RetryOptions {
 public:
  /// Told before each wait: why, the number of the attempt that failed (from 1), and how long.
  using Hook = std::function<void(const model_error&, int, std::chrono::nanoseconds)>;

  RetryOptions() = default;
  /// Repeats so many times at most. Default 2; 0 never.
  RetryOptions& retries(int n) {
    retries_ = n;
    return *this;
  }
  /// Waits as long as the provider asks, but not longer than this: then the call fails, and its error tells how long
  /// the provider asked for. Default 60 s.
  RetryOptions& max_wait(std::chrono::nanoseconds limit) {
    max_wait_ = limit;
    return *this;
  }
  /// The first wait where the provider does not say; each further one is twice as long, up to eight seconds, and each
  /// is shortened by up to a quarter at random. Default 0.5 s.
  RetryOptions& first_wait(std::chrono::nanoseconds wait) {
    first_wait_ = wait;
    return *this;
  }
  RetryOptions& on_retry(Hook hook) {
    on_retry_ = std::move(hook);
    return *this;
  }
  /// Default: `Clock::system()`.
  RetryOptions& clock(std::shared_ptr<Clock> c) {
    clock_ = std::move(c);
    return *this;
  }

  int retries() const noexcept { return retries_; }
  std::chrono::nanoseconds max_wait() const noexcept { return max_wait_; }
  std::chrono::nanoseconds first_wait() const noexcept { return first_wait_; }
  const Hook& on_retry() const noexcept { return on_retry_; }
  const std::shared_ptr<Clock>& clock() const noexcept { return clock_; }

 private:
  int retries_ = 2;
  std::chrono::nanoseconds max_wait_ = std::chrono::seconds(60), first_wait_ = std::chrono::milliseconds(500);
  Hook on_retry_;
  std::shared_ptr<Clock> clock_ = Clock::system();
};
static_assert(!std::is_aggregate_v<RetryOptions>);

/// Repeats calls that fail with a `retryable()` error: a stream only while none of its pieces has reached the caller.
/// `ChatRequest::timeout` limits all attempts and waits together.
AGENTFLOW_API std::shared_ptr<ChatModel> with_retries(std::shared_ptr<ChatModel> model,
                                                      RetryOptions options = RetryOptions());

}  // namespace agentflow::llm
