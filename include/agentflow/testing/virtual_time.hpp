// SPDX-License-Identifier: MIT
// Virtual time for tests: a clock that stands still until it is moved, and an event loop that moves it when idle.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/core/function.hpp>

namespace agentflow::testing {

/// A clock that stands still until it is moved. Give it to a graph with `CompileOptions::clock`: then every timeout,
/// back-off and `NodeContext::sleep` of its runs waits for `advance` instead of the machine, and tests of an hour take
/// a millisecond.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
/// **Lifetime** Wake-ups that were asked for may outlive the clock; then they never come.
class AGENTFLOW_API VirtualClock final : public Clock {
 public:
  VirtualClock();
  ~VirtualClock() override;

  /// The steady time starts at one hour, so that going back from it is no underflow.
  time_point now() const noexcept override;
  /// The wall time starts at 2001-09-09T01:46:40Z.
  std::chrono::system_clock::time_point wall_now() const noexcept override;
  /// What is due already is posted at once, as a machine's timer would be.
  std::unique_ptr<Timer> schedule(asio::any_io_executor executor, time_point when,
                                  detail::UniqueFunction<void()> fn) override;

  /// How far the clock has been moved.
  duration passed() const noexcept;
  /// Moves the time and posts every wake-up that falls due to its executor, earliest first.
  void advance(duration by);
  /// Moves the time to the earliest wake-up and posts all that are due then; false if none is asked for.
  bool advance_to_next();
  /// How many wake-ups are asked for and not yet due.
  std::size_t pending() const noexcept;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

/// Thrown by `VirtualLoop::run` when what it runs can never finish (`errc::deadlock`).
class AGENTFLOW_VISIBLE deadlock_error : public error {
 public:
  using error::error;
  ~deadlock_error() override;
};

/// Thrown by `VirtualLoop::run` when `stop_after` ended it (`errc::cancelled`).
class AGENTFLOW_VISIBLE abandoned_error : public error {
 public:
  using error::error;
  ~abandoned_error() override;
};

/// An event loop in virtual time. It runs what is ready; when nothing is, it moves its clock to the next wake-up; and
/// when there is none either, it says that the test is deadlocked instead of hanging.
///
/// ```cpp
/// af::testing::VirtualLoop loop;
/// auto app = graph.compile(af::CompileOptions().clock(loop.clock()));
/// auto result = loop.run(app.ainvoke("Hello"));  // a node that sleeps for an hour does not take one
/// ```
/// The loop counts the handlers it runs, in an order that is the same every time, so a test can interfere at each
/// point in turn: `after(k, ...)` for k = 0, 1, 2 ... cancels, stops or throws between handler k and the next, and
/// `stop_after(k)` leaves everything as it is then, to see that destroying the loop frees it.
///
/// The clock is also that of its execution context: `af::sleep`, `af::timeout`, `af::retry` go by it without more ado.
///
/// It sees only waits on its clock. Other threads (`af::blocking` nodes, other executors), Asio's own timers and
/// sockets are invisible to it: allow for them with `wait_for_threads`.
///
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe; other threads may post to `executor()`.
/// **Lifetime** Destroying the loop destroys what is suspended on it, at whatever point that is.
/// **Complexity/blocking** `run` blocks the calling thread, which must not be running another event loop.
class AGENTFLOW_API VirtualLoop {
 public:
  /// With a clock of its own, or with one that graphs have already, so that they can be run on several loops in turn.
  explicit VirtualLoop(std::shared_ptr<VirtualClock> clock = nullptr);
  VirtualLoop(const VirtualLoop&) = delete;
  VirtualLoop& operator=(const VirtualLoop&) = delete;
  ~VirtualLoop();

  const std::shared_ptr<VirtualClock>& clock() const noexcept;
  asio::any_io_executor executor() const;

  /// Runs a coroutine to its end and gives what it returns. A signal whose slot is given can cancel it.
  ///
  /// **Errors** What the coroutine throws; what escapes from any other handler on the loop; `deadlock_error` when
  /// nothing is ready, no wake-up is asked for, and no other thread posted anything within the time of
  /// `wait_for_threads`; `abandoned_error` after `stop_after`. After the last three, what was under way stays
  /// suspended until the loop runs again or is destroyed.
  template <class T>
  T run(asio::awaitable<T> work, asio::cancellation_slot cancellation = {}) {
    if constexpr (std::is_void_v<T>) {
      drive(std::move(work), cancellation);
    } else {
      auto result = std::make_shared<std::optional<T>>();
      drive(keep(std::move(work), result), cancellation);
      return std::move(**result);
    }
  }

  /// Runs until nothing is ready, no wake-up is asked for, and no other thread posts: what goes on by itself, such as a
  /// run whose handle was destroyed, is over then, or stuck. **Errors** What escapes from a handler; `abandoned_error`.
  void drain();

  /// Calls `action` once, between two handlers, when the loop has run `handlers` of them (0: before the first). What it
  /// throws leaves `run`. The last call counts; an empty function takes the action back.
  VirtualLoop& after(std::uint64_t handlers, std::function<void()> action);
  /// Makes `run` throw `abandoned_error` when the loop has run so many handlers. The same as an `after` that throws it.
  VirtualLoop& stop_after(std::uint64_t handlers);
  /// How long, in real time, an idle loop without a wake-up waits for other threads before it is a deadlock. Default 0.
  VirtualLoop& wait_for_threads(std::chrono::nanoseconds real_time);
  /// The handlers run so far.
  std::uint64_t handlers() const noexcept;

 private:
  template <class T>
  static asio::awaitable<void> keep(asio::awaitable<T> work, std::shared_ptr<std::optional<T>> result) {
    T value = co_await std::move(work);
    result->emplace(std::move(value));
  }
  void drive(asio::awaitable<void> work, asio::cancellation_slot cancellation);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace agentflow::testing
