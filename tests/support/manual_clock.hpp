// SPDX-License-Identifier: MIT
// A clock that stands still until a test moves it.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <agentflow/core/clock.hpp>

/// Timers fire, by a post to their executor, when `advance` passes them.
class ManualClock final : public agentflow::Clock {
 public:
  time_point now() const noexcept override {
    std::lock_guard lock(timers_->mutex);
    return time_point(std::chrono::hours(1)) + timers_->passed;
  }
  std::chrono::system_clock::time_point wall_now() const noexcept override {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(now().time_since_epoch()));
  }
  std::unique_ptr<Timer> schedule(asio::any_io_executor executor, time_point when,
                                  agentflow::detail::UniqueFunction<void()> fn) override {
    std::lock_guard lock(timers_->mutex);
    const auto key = std::pair(when, timers_->count++);
    timers_->waiting.emplace(key, Waiting{std::move(executor), std::move(fn)});
    return std::make_unique<Handle>(timers_, key);
  }

  /// The time that has passed since the clock was made.
  duration passed() const noexcept {
    std::lock_guard lock(timers_->mutex);
    return timers_->passed;
  }
  void advance(duration by) {
    std::unique_lock lock(timers_->mutex);
    timers_->passed += by;
    fire(lock);
  }
  /// Moves to the next timer; false if there is none.
  bool advance_to_next() {
    std::unique_lock lock(timers_->mutex);
    if (timers_->waiting.empty()) return false;
    const auto next = timers_->waiting.begin()->first.first - time_point(std::chrono::hours(1));
    if (next > timers_->passed) timers_->passed = next;
    fire(lock);
    return true;
  }

 private:
  struct Waiting {
    asio::any_io_executor executor;
    agentflow::detail::UniqueFunction<void()> fn;
  };
  using Key = std::pair<time_point, std::size_t>;
  struct Timers {
    std::mutex mutex;
    std::map<Key, Waiting> waiting;
    std::size_t count = 0;
    duration passed{};
  };
  struct Handle final : Timer {
    Handle(std::shared_ptr<Timers> timers, Key key) : timers_(std::move(timers)), key_(key) {}
    ~Handle() override {
      std::unique_lock lock(timers_->mutex);
      const auto forgotten = timers_->waiting.extract(key_);
      lock.unlock();  // what the function holds goes when nothing is locked
    }
    std::shared_ptr<Timers> timers_;
    Key key_;
  };

  void fire(std::unique_lock<std::mutex>& lock) {
    const auto limit = time_point(std::chrono::hours(1)) + timers_->passed;
    std::vector<Waiting> due;
    while (!timers_->waiting.empty() && timers_->waiting.begin()->first.first <= limit) {
      due.push_back(std::move(timers_->waiting.begin()->second));
      timers_->waiting.erase(timers_->waiting.begin());
    }
    lock.unlock();
    for (auto& d : due) asio::post(d.executor, [fn = std::move(d.fn)]() mutable { fn(); });
  }

  std::shared_ptr<Timers> timers_ = std::make_shared<Timers>();
};
