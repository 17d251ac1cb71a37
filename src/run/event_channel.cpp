// SPDX-License-Identifier: MIT
// The event channel.
#include "run/event_channel.hpp"

#include <utility>

#include <asio/this_coro.hpp>

namespace agentflow::detail {

namespace {

stream_mode mode_of(chunk_kind kind) noexcept {
  switch (kind) {
    case chunk_kind::token:
    case chunk_kind::message: return stream_mode::messages;
    case chunk_kind::update: return stream_mode::updates;
    case chunk_kind::values: return stream_mode::values;
    case chunk_kind::custom: return stream_mode::custom;
    default: return stream_mode::debug;
  }
}

}  // namespace

bool EventChannel::push(Chunk chunk) {
  if (tap_ != nullptr) {
    const stream_mode mode = mode_of(chunk.kind());
    if (tap_->wants(mode)) tap_->offer(chunk);
    if (!has(modes_, mode)) return !full();
  }
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (abandoned_ || ended_) return true;
    bytes_ += chunk.size_hint();
    queue_.push_back(std::move(chunk));
    // Only the consumer makes it "not full": there may be producers who wait for that moment.
    if (bounded_ && (queue_.size() >= capacity_ || bytes_ >= max_bytes)) full_.store(true, std::memory_order_relaxed);
    wake = std::exchange(consumer_waits_, false);
  }
  if (wake) consumer_.unpark();
  return !full();
}

bool EventChannel::streamed(const std::string& message_id, bool insert) {
  std::lock_guard lock(mutex_);
  if (!insert) return streamed_.find(message_id) != streamed_.end();
  return !streamed_.insert(message_id).second;
}

bool EventChannel::delivered_inside(const std::string& message_id, bool insert) {
  if (message_id.empty()) return false;
  std::lock_guard lock(mutex_);
  if (!insert) return delivered_inside_.find(message_id) != delivered_inside_.end();
  return !delivered_inside_.insert(message_id).second;
}

asio::awaitable<void> EventChannel::room() {
  while (full()) {
    std::shared_ptr<ParkingSpot> spot = std::make_shared<ParkingSpot>();
    {
      std::lock_guard lock(mutex_);
      if (!full()) co_return;
      producers_.push_back(spot);
    }
    co_await spot->park();
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) co_return;
  }
}

std::vector<std::shared_ptr<ParkingSpot>> EventChannel::take_waiters() {
  if (full()) return {};
  return std::exchange(producers_, {});
}

void EventChannel::end() {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    wake = std::exchange(consumer_waits_, false);
  }
  if (wake) consumer_.unpark();
}

void EventChannel::lift() noexcept {
  std::vector<std::shared_ptr<ParkingSpot>> waiters;
  {
    std::lock_guard lock(mutex_);
    bounded_ = false;
    full_.store(false, std::memory_order_relaxed);
    waiters = take_waiters();
  }
  for (auto& w : waiters) w->unpark();
}

void EventChannel::abandon() noexcept {
  std::vector<std::shared_ptr<ParkingSpot>> waiters;
  {
    std::lock_guard lock(mutex_);
    abandoned_ = true;
    bytes_ = 0;
    full_.store(false, std::memory_order_relaxed);
    waiters = take_waiters();
  }
  for (auto& w : waiters) w->unpark();
  // One by one, because a deque to swap with would have to be allocated.
  for (;;) {
    std::optional<Chunk> dropped;  // goes when nothing is locked
    std::lock_guard lock(mutex_);
    if (queue_.empty()) return;
    dropped.emplace(std::move(queue_.front()));
    queue_.pop_front();
  }
}

std::optional<Chunk> EventChannel::try_next() {
  std::optional<Chunk> chunk;
  std::vector<std::shared_ptr<ParkingSpot>> waiters;
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) return chunk;
    chunk.emplace(std::move(queue_.front()));
    queue_.pop_front();
    bytes_ -= chunk->size_hint();
    if (full()) {
      // Producers come back when half the room is free: a wake-up per chunk would cost more than the chunk.
      if (queue_.size() <= capacity_ / 2 && bytes_ < max_bytes) full_.store(false, std::memory_order_relaxed);
      waiters = take_waiters();
    }
  }
  for (auto& w : waiters) w->unpark();
  return chunk;
}

bool EventChannel::ended() const {
  std::lock_guard lock(mutex_);
  return ended_ && queue_.empty();
}

asio::awaitable<void> EventChannel::wait() {
  {
    std::lock_guard lock(mutex_);
    if (ended_ || !queue_.empty()) co_return;
    consumer_waits_ = true;
  }
  co_await consumer_.park();
}

}  // namespace agentflow::detail
