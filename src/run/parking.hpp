// SPDX-License-Identifier: MIT
// Private: a place where one coroutine sleeps until any thread wakes it.
#pragma once

#include <mutex>
#include <optional>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/execution_context.hpp>
#include <asio/use_awaitable.hpp>

namespace agentflow::detail {

class ParkingService;

/// One coroutine parks, any thread unparks. A stored handler owns its coroutine, and the coroutine often owns the
/// spot, a cycle that would leak when an io_context is destroyed in mid-flight; so the context's ParkingService knows
/// every parked spot and lets go of its handler at shutdown.
class ParkingSpot {
 public:
  using CancelFunction = void (*)(void* arg);

  ParkingSpot() = default;
  ParkingSpot(const ParkingSpot&) = delete;
  ParkingSpot& operator=(const ParkingSpot&) = delete;
  ~ParkingSpot();

  /// Sleeps until unpark(); at once if that came first. A cancellation calls `on_cancel(arg)` on the coroutine's
  /// executor, or without one wakes the coroutine; it may come more than once.
  asio::awaitable<void> park(CancelFunction on_cancel = nullptr, void* arg = nullptr);

  /// Wakes the coroutine by a post to its executor. From any thread.
  void unpark() { wake(false); }
  /// Wakes it inside this call when this thread is already in its executor. Nothing may be done after it that the
  /// coroutine could have destroyed.
  void unpark_here() { wake(true); }
  /// Takes back a wake-up nobody waited for.
  void reset();

 private:
  friend class ParkingService;
  using Handler = typename asio::async_result<asio::use_awaitable_t<>, void()>::handler_type;

  void wake(bool here);
  template <class H>
  void arm(H&& handler, CancelFunction on_cancel, void* arg);

  std::mutex mutex_;
  bool signalled_ = false;
  std::optional<Handler> handler_;
  ParkingService* service_ = nullptr;
  ParkingSpot* next_ = nullptr;
  ParkingSpot* prev_ = nullptr;
};

}  // namespace agentflow::detail
