// SPDX-License-Identifier: MIT
// Semaphore: so many at once.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>

namespace agentflow {

/// Lets so many coroutines at once past a point. Who waits longest is next, and a permit goes straight to them: nobody
/// overtakes.
///
/// ```cpp
/// af::Semaphore semaphore(5);
/// auto slot = co_await semaphore.acquire();  // given back when it goes out of scope
/// ```
/// **Thread safety** Safe, from coroutines of any execution context.
/// **Lifetime** Slots and waiting coroutines hold what they need; the semaphore may go first.
class AGENTFLOW_API Semaphore {
  struct State;

 public:
  /// **Errors** `config_error` for no permits at all.
  explicit Semaphore(std::size_t permits);
  ~Semaphore();
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  /// One permit. Gives it back when destroyed, from any thread.
  class AGENTFLOW_API Slot {
   public:
    Slot() = default;
    Slot(Slot&&) noexcept = default;
    Slot& operator=(Slot&& other) noexcept;
    ~Slot() { release(); }
    /// Gives the permit back early. May be called twice.
    void release() noexcept;
    /// Whether it holds a permit.
    explicit operator bool() const noexcept { return state_ != nullptr; }

   private:
    friend class Semaphore;
    explicit Slot(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };

  /// Waits for a permit. **Cancellation** throws `cancelled_error`; no permit is lost.
  asio::awaitable<Slot> acquire();
  /// Takes a permit if one is free and nobody waits; else nothing.
  [[nodiscard]] std::optional<Slot> try_acquire();

  /// The permits that are free.
  std::size_t available() const noexcept;
  /// How many coroutines wait.
  std::size_t waiting() const noexcept;

 private:
  struct Waiter;
  static asio::awaitable<Slot> acquire(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace agentflow
