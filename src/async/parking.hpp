// SPDX-License-Identifier: MIT
// Private: a place where one coroutine sleeps until any thread wakes it. Exported, for the components.
#pragma once

#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/core/config.hpp>

namespace agentflow::detail {

class ParkingSpot;

/// Posts a copy of `fn`, as often as it takes: for what has to happen, and where nobody can be told that there is no
/// memory.
template <class F>
void post_surely(const asio::any_io_executor& ex, const F& fn) noexcept {
  for (;;) try {
      return asio::post(ex, fn);
    } catch (const std::bad_alloc&) {
      std::this_thread::yield();
    }
}

/// Per execution context: which coroutines are parked on it, and whether it is still there. Shared, so that it may be
/// asked after the context has gone.
class AGENTFLOW_API ParkingLot {
 public:
  static std::shared_ptr<ParkingLot> of(const asio::any_io_executor& ex);

  /// Calls `fn`, during which the context is not destroyed; false, without a call, if that has begun. For what other
  /// threads do to the context. `fn` must not run foreign code.
  template <class F>
  bool while_open(F&& fn) {
    std::lock_guard lock(mutex_);
    if (!closed_) std::forward<F>(fn)();
    return !closed_;
  }

 private:
  friend class ParkingSpot;
  friend class ParkingService;
  void link(ParkingSpot& s) noexcept;
  void unlink(ParkingSpot& s) noexcept;
  void close();

  std::mutex mutex_;  // locked before that of a spot
  bool closed_ = false;
  ParkingSpot* head_ = nullptr;
};

/// One coroutine parks, any thread unparks. A stored handler owns its coroutine, and the coroutine often owns the
/// spot, a cycle that would leak when an io_context is destroyed in mid-flight; so the context's lot knows every parked
/// spot and lets go of its handler then. The spot itself may outlive the context.
class AGENTFLOW_API ParkingSpot {
 public:
  using CancelFunction = void (*)(void* arg);

  ParkingSpot() = default;
  ParkingSpot(const ParkingSpot&) = delete;
  ParkingSpot& operator=(const ParkingSpot&) = delete;
  ~ParkingSpot();

  /// Sleeps until unpark(); at once if that came first. A cancellation calls `on_cancel(arg)` on the coroutine's
  /// executor, or without one wakes the coroutine; it may come more than once.
  asio::awaitable<void> park(CancelFunction on_cancel = nullptr, void* arg = nullptr) {
    return sleep(nullptr, suspension(), on_cancel, arg);
  }
  /// The same on `ex`, with all the memory it needs taken by the call, before there is something that must be waited
  /// for.
  asio::awaitable<void> park_surely(const asio::any_io_executor& ex, CancelFunction on_cancel, void* arg = nullptr) {
    return sleep(ParkingLot::of(ex), suspension(), on_cancel, arg);
  }

  /// Wakes the coroutine by a post to its executor. From any thread, also while its context is being destroyed.
  void unpark() { wake(false); }
  /// Wakes it inside this call when this thread is already in its executor. Nothing may be done after it that the
  /// coroutine could have destroyed. Only on a thread of the context.
  void unpark_here() { wake(true); }
  /// Takes back a wake-up nobody waited for.
  void reset();

 private:
  friend class ParkingLot;
  using Handler = typename asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;

  class Resumption;

  void wake(bool here);
  asio::awaitable<void> suspension();
  asio::awaitable<void> sleep(std::shared_ptr<ParkingLot> lot, asio::awaitable<void> suspension,
                              CancelFunction on_cancel, void* arg);
  template <class H>
  void arm(H&& handler) noexcept;

  std::mutex mutex_;
  bool signalled_ = false;
  std::optional<Handler> handler_;
  std::shared_ptr<ParkingLot> lot_;
  // Guarded by the lot's mutex.
  bool linked_ = false;
  ParkingSpot* next_ = nullptr;
  ParkingSpot* prev_ = nullptr;
};

}  // namespace agentflow::detail
