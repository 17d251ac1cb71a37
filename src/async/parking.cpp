// SPDX-License-Identifier: MIT
// Parking spots, and the lot of a context, which outlives what parks in it.
#include "async/parking.hpp"

#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/dispatch.hpp>
#include <asio/execution_context.hpp>
#include <asio/query.hpp>
#include <asio/this_coro.hpp>

namespace agentflow::detail {

/// Ties a lot to its context. Made after the context's scheduler, it is shut down before it: until then a post is safe.
class ParkingService : public asio::execution_context::service {
 public:
  using key_type = ParkingService;
  static asio::execution_context::id id;
  explicit ParkingService(asio::execution_context& context) : service(context) {}
  void shutdown() override { lot->close(); }

  const std::shared_ptr<ParkingLot> lot = std::make_shared<ParkingLot>();
};
asio::execution_context::id ParkingService::id;

std::shared_ptr<ParkingLot> ParkingLot::of(const asio::any_io_executor& ex) {
  return asio::use_service<ParkingService>(asio::query(ex, asio::execution::context)).lot;
}

void ParkingLot::link(ParkingSpot& s) noexcept {
  s.linked_ = true;
  s.prev_ = nullptr;
  s.next_ = head_;
  if (head_ != nullptr) head_->prev_ = &s;
  head_ = &s;
}

void ParkingLot::unlink(ParkingSpot& s) noexcept {
  if (!std::exchange(s.linked_, false)) return;
  if (s.prev_ != nullptr)
    s.prev_->next_ = s.next_;
  else
    head_ = s.next_;
  if (s.next_ != nullptr) s.next_->prev_ = s.prev_;
  s.next_ = s.prev_ = nullptr;
}

void ParkingLot::close() {
  for (;;) {
    std::optional<ParkingSpot::Handler> handler;
    std::lock_guard lock(mutex_);
    closed_ = true;
    if (head_ == nullptr) return;
    ParkingSpot& s = *head_;
    unlink(s);
    std::lock_guard spot_lock(s.mutex_);
    if (s.handler_) handler.emplace(std::move(*s.handler_));
    s.handler_.reset();
    // The handler goes last, when nothing is locked, and with it the coroutine and perhaps the spot itself.
  }
}

ParkingSpot::~ParkingSpot() {
  if (!lot_) return;
  std::lock_guard lock(lot_->mutex_);
  lot_->unlink(*this);
}

template <class H>
void ParkingSpot::arm(H&& handler) noexcept {
  std::unique_lock lot_lock(lot_->mutex_);
  lot_->link(*this);
  std::unique_lock lock(mutex_);
  handler_.emplace(std::forward<H>(handler));
  if (!signalled_) return;
  lock.unlock();
  lot_lock.unlock();
  wake(false);  // the wake-up came while we armed; resuming inside the initiation would grow the stack
}

asio::awaitable<void> ParkingSpot::suspension() {
  // Only references are captured: g++ 12 destroys other captures twice.
  auto initiate = [this](auto handler) { arm(std::move(handler)); };
  return asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(initiate), asio::use_awaitable);
}

asio::awaitable<void> ParkingSpot::sleep(std::shared_ptr<ParkingLot> lot, asio::awaitable<void> suspension,
                                         CancelFunction on_cancel, void* arg) {
  // Before the suspension: what throws inside an initiation ends the program (Asio 1.22).
  if (!lot) lot = ParkingLot::of(co_await asio::this_coro::executor);
  {
    std::lock_guard lock(mutex_);
    if (std::exchange(signalled_, false)) co_return;
    lot_ = std::move(lot);
  }
  const auto state = co_await asio::this_coro::cancellation_state;
  auto slot = state.slot();
  auto cancel = [this, on_cancel, arg](asio::cancellation_type) {
    // Never inside the emission: the coroutine would clear the very slot that is calling.
    if (on_cancel != nullptr)
      on_cancel(arg);
    else
      unpark();
  };
  try {
    if (slot.is_connected()) slot.assign(cancel);
  } catch (const std::bad_alloc&) {
    // Who joins what runs has to wait for it, cancelled or not.
    if (on_cancel == nullptr) throw;
  }
  co_await std::move(suspension);
}

/// Resumes a parked coroutine. A post that finds no memory destroys what it was given; this one then saves the handler,
/// and with it the coroutine.
class ParkingSpot::Resumption {
 public:
  explicit Resumption(Handler h) noexcept { handler_.emplace(std::move(h)); }
  Resumption(Resumption&& other) noexcept {
    if (other.handler_) handler_.emplace(std::move(*other.handler_));
    other.handler_.reset();
  }
  ~Resumption() {
    if (handler_ && rescued != nullptr) rescued->emplace(std::move(*handler_));
  }
  void operator()() {
    auto slot = asio::get_associated_cancellation_slot(*handler_);
    if (slot.is_connected()) slot.clear();
    Handler handler = std::move(*handler_);
    handler_.reset();
    std::move(handler)();
  }

  /// As `post_surely`.
  static void post(const asio::any_io_executor& ex, Handler handler) noexcept {
    std::optional<Handler> waiting(std::move(handler));
    while (waiting) {
      Resumption work(std::move(*waiting));
      waiting.reset();
      rescued = &waiting;
      try {
        asio::post(ex, std::move(work));
      } catch (const std::bad_alloc&) {
        std::this_thread::yield();
      }
      rescued = nullptr;
    }
  }

 private:
  static thread_local std::optional<Handler>* rescued;
  std::optional<Handler> handler_;
};
thread_local std::optional<ParkingSpot::Handler>* ParkingSpot::Resumption::rescued = nullptr;

void ParkingSpot::wake(bool here) {
  std::shared_ptr<ParkingLot> lot;
  {
    std::lock_guard lock(mutex_);
    if (!handler_) {
      signalled_ = true;
      return;
    }
    lot = lot_;
  }
  // Until it is unlocked the context stays, and with it all that the executor refers to.
  std::unique_lock lot_lock(lot->mutex_);
  std::unique_lock lock(mutex_);
  if (!handler_) {
    signalled_ = true;
    return;
  }
  signalled_ = false;
  Handler handler = std::move(*handler_);
  handler_.reset();
  lot->unlink(*this);
  lock.unlock();
  const auto ex = asio::get_associated_executor(handler);
  if (!here) return Resumption::post(ex, std::move(handler));
  lot_lock.unlock();
  asio::dispatch(ex, Resumption(std::move(handler)));
}

void ParkingSpot::reset() {
  std::lock_guard lock(mutex_);
  signalled_ = false;
}

}  // namespace agentflow::detail
