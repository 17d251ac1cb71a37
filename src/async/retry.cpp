// SPDX-License-Identifier: MIT
// Retry policies, and the wait between two attempts.
#include <agentflow/async/retry.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include <agentflow/async/sleep.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/core/ids.hpp>

#include "async/child_group.hpp"

namespace agentflow {

std::chrono::nanoseconds RetryPolicy::delay(int attempt, double random) const noexcept {
  const double wanted = static_cast<double>(backoff_.count()) * std::pow(factor_, attempt - 1);
  const double capped = std::min(wanted, static_cast<double>(cap_.count())) * (1.0 - jitter_ * random);
  if (!(capped > 0.0)) return std::chrono::nanoseconds::zero();  // also where nothing is multiplied by infinity
  // A cap of "for ever" must not overflow on the way back.
  constexpr double last = 0x1.fffffffffffffp62;
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(capped, last)));
}

std::vector<std::string> RetryPolicy::problems() const {
  std::vector<std::string> found;
  if (attempts_ < 1) found.emplace_back("retry attempts must be at least 1");
  if (backoff_ < std::chrono::nanoseconds::zero() || cap_ < std::chrono::nanoseconds::zero())
    found.emplace_back("retry backoff and cap must not be negative");
  if (!(factor_ >= 1.0 && std::isfinite(factor_))) found.emplace_back("retry factor must be finite, and at least 1");
  if (!(jitter_ >= 0.0 && jitter_ <= 1.0)) found.emplace_back("retry jitter must be from 0 to 1");
  return found;
}

namespace detail {
namespace {
/// From 0 to 1. The bits of a run's id are as random as any.
double random_part() { return static_cast<double>(std::hash<RunId>()(RunId::make()) >> 11) * 0x1.0p-53; }
}  // namespace

void check_policy(const RetryPolicy& policy) {
  const auto problems = policy.problems();
  if (!problems.empty()) throw config_error(errc::bad_config, fmt::format("{}", fmt::join(problems, "; ")));
}

asio::awaitable<void> before_retry(const RetryPolicy& policy, int attempt, std::exception_ptr failure) {
  if (attempt >= policy.attempts() || is_cancellation(failure) || (policy.predicate() && !policy.predicate()(failure)))
    std::rethrow_exception(failure);
  const auto delay = policy.delay(attempt, random_part());
  if (policy.hook()) policy.hook()(RetryEvent(attempt, policy.attempts(), delay, std::move(failure)));
  co_await sleep(delay);
}

}  // namespace detail
}  // namespace agentflow
