// SPDX-License-Identifier: MIT
// Parking spots and the service that outlives what parks in them.
#include "run/parking.hpp"

#include <utility>

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/dispatch.hpp>
#include <asio/post.hpp>
#include <asio/query.hpp>
#include <asio/this_coro.hpp>

namespace agentflow::detail {

/// Per execution context: the list of parked spots. Lock order: service, then spot.
class ParkingService : public asio::execution_context::service {
 public:
  using key_type = ParkingService;
  static asio::execution_context::id id;
  explicit ParkingService(asio::execution_context& context) : service(context) {}

  void link(ParkingSpot& s) {
    std::lock_guard lock(mutex_);
    s.prev_ = nullptr;
    s.next_ = head_;
    if (head_ != nullptr) head_->prev_ = &s;
    head_ = &s;
  }
  void unlink(ParkingSpot& s) noexcept {
    std::lock_guard lock(mutex_);
    if (s.prev_ != nullptr)
      s.prev_->next_ = s.next_;
    else if (head_ == &s)
      head_ = s.next_;
    if (s.next_ != nullptr) s.next_->prev_ = s.prev_;
    s.next_ = s.prev_ = nullptr;
  }
  void shutdown() override {
    for (;;) {
      std::optional<ParkingSpot::Handler> handler;
      {
        std::lock_guard lock(mutex_);
        if (head_ == nullptr) return;
        ParkingSpot& s = *head_;
        head_ = s.next_;
        if (head_ != nullptr) head_->prev_ = nullptr;
        s.next_ = s.prev_ = nullptr;
        std::lock_guard spot_lock(s.mutex_);
        s.service_ = nullptr;
        if (s.handler_) handler.emplace(std::move(*s.handler_));
        s.handler_.reset();
      }
      // The handler goes out of scope here, and with it the coroutine and perhaps the spot itself.
    }
  }

 private:
  std::mutex mutex_;
  ParkingSpot* head_ = nullptr;
};
asio::execution_context::id ParkingService::id;

ParkingSpot::~ParkingSpot() {
  if (service_ != nullptr) service_->unlink(*this);
}

template <class H>
void ParkingSpot::arm(H&& handler, CancelFunction on_cancel, void* arg) {
  const auto ex = asio::get_associated_executor(handler);
  auto slot = asio::get_associated_cancellation_slot(handler);
  auto& service = asio::use_service<ParkingService>(asio::query(ex, asio::execution::context));
  if (slot.is_connected())
    slot.assign([this, on_cancel, arg](asio::cancellation_type) {
      // Never inside the emission: the coroutine would clear the very slot that is calling.
      if (on_cancel != nullptr)
        on_cancel(arg);
      else
        unpark();
    });
  service.link(*this);
  std::unique_lock lock(mutex_);
  service_ = &service;
  handler_.emplace(std::forward<H>(handler));
  if (!signalled_) return;
  lock.unlock();
  wake(false);  // the wake-up came while we armed; resuming inside the initiation would grow the stack
}

asio::awaitable<void> ParkingSpot::park(CancelFunction on_cancel, void* arg) {
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(signalled_, false)) co_return;
  }
  // Only references are captured: g++ 12 destroys other captures twice.
  auto initiate = [this, &on_cancel, &arg](auto handler) { arm(std::move(handler), on_cancel, arg); };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(initiate), asio::use_awaitable);
}

void ParkingSpot::wake(bool here) {
  std::unique_lock lock(mutex_);
  if (!handler_) {
    signalled_ = true;
    return;
  }
  signalled_ = false;
  auto* service = std::exchange(service_, nullptr);
  Handler handler = std::move(*handler_);
  handler_.reset();
  lock.unlock();
  if (service != nullptr) service->unlink(*this);
  auto ex = asio::get_associated_executor(handler);
  auto resume = [h = std::move(handler)]() mutable {
    auto slot = asio::get_associated_cancellation_slot(h);
    if (slot.is_connected()) slot.clear();
    std::move(h)();
  };
  if (here)
    asio::dispatch(ex, std::move(resume));
  else
    asio::post(ex, std::move(resume));
}

void ParkingSpot::reset() {
  std::lock_guard lock(mutex_);
  signalled_ = false;
}

}  // namespace agentflow::detail
