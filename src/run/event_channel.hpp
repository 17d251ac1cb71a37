// SPDX-License-Identifier: MIT
// Private: the bounded queue between a run and the consumer of its stream.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <agentflow/graph/context.hpp>

#include "async/parking.hpp"
#include "run/publishing.hpp"

namespace agentflow::detail {

/// Many producers (the tasks of one run), one consumer, any threads.
class EventChannel final : public EventSink {
 public:
  /// What `tap` wants goes there too; it outlives the channel, or is null.
  EventChannel(stream_mode modes, std::size_t capacity, Publishing* tap)
      : modes_(modes), capacity_(capacity), tap_(tap) {}

  bool listens(stream_mode mode) const noexcept override {
    return (has(modes_, mode) && !abandoned_.load(std::memory_order_relaxed)) || (tap_ != nullptr && tap_->wants(mode));
  }
  bool push(Chunk chunk) override;
  /// Whether a message of this id has been streamed as tokens; remembers it if `insert`.
  bool streamed(const std::string& message_id, bool insert);
  /// The same for messages that a subgraph's node delivered as a whole.
  bool delivered_inside(const std::string& message_id, bool insert);
  bool full() const noexcept override { return full_.load(std::memory_order_relaxed); }
  asio::awaitable<void> room() override;

  /// The run has ended: what is queued can still be taken.
  void end();
  /// The run was asked to end: from now on nobody waits for room.
  void lift() noexcept;
  /// The consumer has gone: nothing is queued any more, nobody waits for room.
  void abandon() noexcept;

  /// Takes the next chunk if there is one.
  std::optional<Chunk> try_next();
  bool ended() const;
  /// Waits until try_next() would find something, or the end.
  asio::awaitable<void> wait();

 private:
  // Past the bound in chunks, or in bytes of text, producers wait.
  static constexpr std::size_t max_bytes = 8u << 20;
  std::vector<std::shared_ptr<ParkingSpot>> take_waiters();

  const stream_mode modes_;
  const std::size_t capacity_;
  Publishing* const tap_;
  mutable std::mutex mutex_;
  std::deque<Chunk> queue_;
  std::set<std::string, std::less<>> streamed_, delivered_inside_;
  std::size_t bytes_ = 0;
  bool bounded_ = true;
  bool ended_ = false;
  bool consumer_waits_ = false;
  std::atomic<bool> abandoned_{false};
  std::atomic<bool> full_{false};
  ParkingSpot consumer_;
  std::vector<std::shared_ptr<ParkingSpot>> producers_;
};

}  // namespace agentflow::detail
