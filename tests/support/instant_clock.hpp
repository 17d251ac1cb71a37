// SPDX-License-Identifier: MIT
// A clock on which every wait is over at once: for runs on a private event loop, where nobody can move a clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <agentflow/core/clock.hpp>

/// Asking it to wake something up moves it to that time.
class InstantClock final : public agentflow::Clock {
 public:
  time_point now() const noexcept override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  std::chrono::system_clock::time_point wall_now() const noexcept override {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(now().time_since_epoch()));
  }
  std::unique_ptr<Timer> schedule(asio::any_io_executor executor, time_point when,
                                  agentflow::detail::UniqueFunction<void()> fn) override {
    {
      std::lock_guard lock(mutex_);
      now_ = std::max(now_, when);
    }
    asio::post(executor, [fn = std::move(fn)]() mutable { fn(); });
    return std::make_unique<Timer>();
  }

 private:
  mutable std::mutex mutex_;
  time_point now_{std::chrono::hours(1)};
};
