// SPDX-License-Identifier: MIT
// RetryPolicy: when and how something that failed is tried again.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>

namespace agentflow {

/// A failed attempt that will be followed by another, as `RetryPolicy::on_retry` sees it.
class RetryEvent {
 public:
  RetryEvent(int attempt_, int attempts_, std::chrono::nanoseconds delay_, std::exception_ptr error_)
      : attempt(attempt_), attempts(attempts_), delay(delay_), error(std::move(error_)) {}
  int attempt;                     ///< The one that failed, from 1.
  int attempts;                    ///< The most there will be.
  std::chrono::nanoseconds delay;  ///< The wait before the next.
  std::exception_ptr error;        ///< What it threw: `describe(error)`.
};

/// When and how something that failed is tried again: a node (`NodeOptions::retry`), or what `retry` calls.
///
/// The wait before attempt n+1 is `min(cap, backoff * factor^(n-1))`, shortened by a random part of up to `jitter` of
/// it. Cancellation is never retried, and a wait ends at once when it is cancelled. After the last attempt there is no
/// wait.
///
/// **Units/limits** attempts 3 (at least 1, the first included), backoff 500 ms, factor 2 (finite, at least 1), cap
/// 30 s, jitter 0.25 (0 to 1).
class AGENTFLOW_API RetryPolicy {
 public:
  RetryPolicy() = default;
  RetryPolicy& attempts(int n) & {
    attempts_ = n;
    return *this;
  }
  RetryPolicy&& attempts(int n) && { return std::move(attempts(n)); }
  RetryPolicy& backoff(std::chrono::nanoseconds d) & {
    backoff_ = d;
    return *this;
  }
  RetryPolicy&& backoff(std::chrono::nanoseconds d) && { return std::move(backoff(d)); }
  RetryPolicy& factor(double f) & {
    factor_ = f;
    return *this;
  }
  RetryPolicy&& factor(double f) && { return std::move(factor(f)); }
  RetryPolicy& cap(std::chrono::nanoseconds d) & {
    cap_ = d;
    return *this;
  }
  RetryPolicy&& cap(std::chrono::nanoseconds d) && { return std::move(cap(d)); }
  RetryPolicy& jitter(double part) & {
    jitter_ = part;
    return *this;
  }
  RetryPolicy&& jitter(double part) && { return std::move(jitter(part)); }
  /// Asked with the exception of the attempt itself; false means the failure is final. Default: everything is retried.
  ///
  /// The predicate takes the exception by reference, as `[](const std::system_error& e) { return ...; }`; what is
  /// thrown of another type is final then. Or it takes the `const std::exception_ptr&`, and sees everything.
  template <class F>
  RetryPolicy& when(F judge) & {
    if constexpr (std::is_invocable_v<F&, const std::exception_ptr&>)
      when_ = std::move(judge);
    else
      when_ = catching(std::function(std::move(judge)));
    return *this;
  }
  template <class F>
  RetryPolicy&& when(F judge) && {
    return std::move(when(std::move(judge)));
  }
  /// Called before each wait, to log it for instance. What it throws takes the place of the failure, and is final.
  RetryPolicy& on_retry(std::function<void(const RetryEvent&)> hook) & {
    on_retry_ = std::move(hook);
    return *this;
  }
  RetryPolicy&& on_retry(std::function<void(const RetryEvent&)> hook) && {
    return std::move(on_retry(std::move(hook)));
  }

  int attempts() const noexcept { return attempts_; }
  std::chrono::nanoseconds backoff() const noexcept { return backoff_; }
  double factor() const noexcept { return factor_; }
  std::chrono::nanoseconds cap() const noexcept { return cap_; }
  double jitter() const noexcept { return jitter_; }
  const std::function<bool(const std::exception_ptr&)>& predicate() const noexcept { return when_; }
  const std::function<void(const RetryEvent&)>& hook() const noexcept { return on_retry_; }

  /// The wait after a failed attempt, counted from 1. `random` is from 0 to 1; 0 gives the longest.
  std::chrono::nanoseconds delay(int attempt, double random) const noexcept;
  /// What is wrong with the numbers, one sentence each; empty if nothing is.
  std::vector<std::string> problems() const;

 private:
  template <class E>
  static std::function<bool(const std::exception_ptr&)> catching(std::function<bool(E)> predicate) {
    static_assert(std::is_reference_v<E>, "agentflow: take the exception by reference: [](const MyError& e) { ... }");
    return [predicate = std::move(predicate)](const std::exception_ptr& failure) {
      try {
        std::rethrow_exception(failure);
      } catch (E e) {
        return predicate(e);
      } catch (...) {
        return false;
      }
    };
  }

  int attempts_ = 3;
  std::chrono::nanoseconds backoff_ = std::chrono::milliseconds(500);
  double factor_ = 2.0;
  std::chrono::nanoseconds cap_ = std::chrono::seconds(30);
  double jitter_ = 0.25;
  std::function<bool(const std::exception_ptr&)> when_;
  std::function<void(const RetryEvent&)> on_retry_;
};
static_assert(!std::is_aggregate_v<RetryPolicy>);

}  // namespace agentflow
