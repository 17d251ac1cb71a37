// SPDX-License-Identifier: MIT
// Private: coroutines that one coroutine runs and joins.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>

#include "async/parking.hpp"

namespace agentflow::detail {

/// Whether what was thrown says that something was cancelled: ours, or Asio's operation_aborted.
bool is_cancellation(const std::exception_ptr& e) noexcept;

/// Throws `e`, with what led to it nested in it, unless that is nothing or says no more than `e` does: a cancellation.
template <class E>
[[noreturn]] void throw_for(const E& e, const std::exception_ptr& cause) {
  if (!cause || is_cancellation(cause)) throw e;
  try {
    std::rethrow_exception(cause);
  } catch (...) {
    std::throw_with_nested(e);
  }
}

/// The children of one coroutine. They run on one strand of its executor, so that they never race with each other, and
/// each has a cancellation signal of its own, emitted on that strand. The parent sleeps until all of them have ended.
///
/// Used once, through a shared pointer. It must not outlive the execution context; whoever cancels it from elsewhere
/// does so through a `CancelLink`.
class ChildGroup : public std::enable_shared_from_this<ChildGroup> {
 public:
  explicit ChildGroup(const asio::any_io_executor& parent);

  struct Plan {
    std::size_t limit = 0;      ///< How many run at once; 0: all.
    bool fail_fast = false;     ///< The first failure cancels the others.
    bool shielded = false;      ///< A cancellation of the parent does not reach the children.
    bool start_anyway = false;  ///< What is cancelled before it begins is begun, and then cancelled.
  };
  /// Runs the work and joins it. Never throws what it throws: see the accessors. Work that was never started because of
  /// a cancellation counts as failed with `cancelled_error`.
  asio::awaitable<void> run(std::vector<asio::awaitable<void>> work, Plan plan);
  asio::awaitable<void> run(asio::awaitable<void> work, Plan plan);

  /// Cancels all children. From any thread, also while the context is being destroyed.
  void cancel() noexcept;
  /// The same on the strand, at once; false if all children have ended.
  bool cancel_now();

  const asio::any_io_executor& executor() const noexcept { return strand_; }
  /// Whether the parent was cancelled before the last child ended.
  bool cancelled_from_outside() const noexcept { return outside_; }
  /// What each child threw, or null.
  std::vector<std::exception_ptr>& errors() noexcept { return errors_; }
  /// The failure that came first, or null: what comes after it may be a consequence.
  const std::exception_ptr& first_error() const noexcept { return first_; }

 private:
  void begin(std::vector<asio::awaitable<void>> work);
  void start_more();
  void start(std::size_t i);
  void ended(std::size_t i, std::exception_ptr e);
  void cancelled_outside();
  void mark_unstarted();

  const asio::any_io_executor strand_;
  const std::shared_ptr<ParkingLot> lot_;
  ParkingSpot spot_;
  std::atomic<bool> outside_{false};
  Plan plan_;
  // On the strand alone, once the children run.
  std::vector<asio::awaitable<void>> work_;
  std::vector<std::exception_ptr> errors_;
  std::deque<asio::cancellation_signal> signals_;
  std::exception_ptr first_;
  std::size_t next_ = 0;
  std::size_t running_ = 0;
  bool starting_ = false;
  bool cancelling_ = false;
  bool finished_ = false;
};

/// How other threads reach a group that may be gone: the group's coroutine holds the one end, and cuts it when it
/// leaves.
class CancelLink {
 public:
  void connect(ChildGroup* group) {
    std::lock_guard lock(mutex_);
    group_ = group;
  }
  void cancel() {
    std::lock_guard lock(mutex_);
    if (group_ == nullptr) return;
    cancelled_ = true;
    group_->cancel();
  }
  /// Whether it was used in time.
  bool cancelled() const {
    std::lock_guard lock(mutex_);
    return cancelled_;
  }

 private:
  mutable std::mutex mutex_;
  bool cancelled_ = false;
  ChildGroup* group_ = nullptr;
};

}  // namespace agentflow::detail
