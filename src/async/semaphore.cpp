// SPDX-License-Identifier: MIT
// The semaphore.
#include <agentflow/async/semaphore.hpp>

#include <list>
#include <mutex>

#include <asio/this_coro.hpp>

#include <agentflow/core/error.hpp>

#include "async/parking.hpp"

namespace agentflow {

struct Semaphore::State {
  explicit State(std::size_t n) : permits(n) {}
  bool take() {
    std::lock_guard lock(mutex);
    if (permits == 0 || !waiters.empty()) return false;
    --permits;
    return true;
  }
  void give_back();

  mutable std::mutex mutex;  // locked before a parking spot's
  std::size_t permits;
  std::list<Waiter*> waiters;
};

/// A coroutine that waits; in its frame.
struct Semaphore::Waiter {
  explicit Waiter(State& s) : state(s) {
    std::lock_guard lock(state.mutex);
    if (state.permits > 0 && state.waiters.empty()) {
      --state.permits;
      granted = true;
    } else {
      place = state.waiters.insert(state.waiters.end(), this);
    }
  }
  ~Waiter() {
    std::unique_lock lock(state.mutex);
    if (!granted) {
      state.waiters.erase(place);
    } else if (!taken) {
      lock.unlock();
      state.give_back();
    }
  }
  bool take() {
    std::lock_guard lock(state.mutex);
    taken = granted;
    return taken;
  }
  bool must_wait() {
    std::lock_guard lock(state.mutex);
    return !granted;
  }

  State& state;
  detail::ParkingSpot spot;
  std::list<Waiter*>::iterator place;  // unless granted
  bool granted = false;
  bool taken = false;
};

void Semaphore::State::give_back() {
  std::lock_guard lock(mutex);
  if (waiters.empty()) {
    ++permits;
    return;
  }
  Waiter& next = *waiters.front();
  waiters.pop_front();
  next.granted = true;
  next.spot.unpark();  // under the lock: the waiter cannot go meanwhile
}

Semaphore::Semaphore(std::size_t permits) : state_(std::make_shared<State>(permits)) {
  if (permits == 0) throw config_error(errc::bad_config, "a Semaphore must have at least 1 permit");
}
Semaphore::~Semaphore() = default;

Semaphore::Slot& Semaphore::Slot::operator=(Slot&& other) noexcept {
  if (this == &other) return *this;
  release();
  state_ = std::move(other.state_);
  return *this;
}

void Semaphore::Slot::release() noexcept {
  if (const auto state = std::exchange(state_, nullptr)) state->give_back();
}

asio::awaitable<Semaphore::Slot> Semaphore::acquire() { return acquire(state_); }

asio::awaitable<Semaphore::Slot> Semaphore::acquire(std::shared_ptr<State> state) {
  auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() == asio::cancellation_type::none) {
    Waiter waiter(*state);
    if (waiter.must_wait()) {
      co_await waiter.spot.park();
      cancellation = co_await asio::this_coro::cancellation_state;
    }
    if (cancellation.cancelled() == asio::cancellation_type::none && waiter.take()) {
      Slot slot(std::move(state));
      co_return slot;
    }
  }
  throw cancelled_error(errc::cancelled, "the wait for a permit was cancelled");
}

std::optional<Semaphore::Slot> Semaphore::try_acquire() {
  std::optional<Slot> slot;
  if (state_->take()) slot.emplace(Slot(state_));
  return slot;
}

std::size_t Semaphore::available() const noexcept {
  std::lock_guard lock(state_->mutex);
  return state_->permits;
}
std::size_t Semaphore::waiting() const noexcept {
  std::lock_guard lock(state_->mutex);
  return state_->waiters.size();
}

}  // namespace agentflow
