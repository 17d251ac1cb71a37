// SPDX-License-Identifier: MIT
// Private: the queue and the thread between the runs of a graph and its publisher.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>

#include <asio/awaitable.hpp>

#include <agentflow/async/shutdown_stats.hpp>
#include <agentflow/graph/publisher.hpp>

namespace spdlog {
class logger;
}

namespace agentflow::detail {

/// Joins the thread, unless the publisher blocks it for ever: then it is left behind.
class Publishing {
 public:
  Publishing(std::shared_ptr<Publisher> publisher, stream_mode modes, std::size_t capacity,
             std::shared_ptr<spdlog::logger> logger);
  /// Waits for a short time only.
  ~Publishing();
  Publishing(const Publishing&) = delete;
  Publishing& operator=(const Publishing&) = delete;

  bool wants(stream_mode mode) const noexcept { return has(modes_, mode); }
  /// Never waits. The event is dropped if the queue is full.
  void offer(const Chunk& chunk) noexcept;

  /// Waits for what is queued, `drain` at most, then cancels; closes the publisher; waits `join` for that.
  asio::awaitable<ShutdownPart> close(std::chrono::nanoseconds drain, std::chrono::nanoseconds join);
  /// Drops what is queued, and cancels the event that is being published.
  void hurry() noexcept;

 private:
  struct State;
  void start();
  static asio::awaitable<void> pump(std::shared_ptr<State> state);
  static asio::awaitable<bool> ended_within(std::shared_ptr<State> state, std::chrono::nanoseconds limit);

  const stream_mode modes_;
  const std::shared_ptr<State> state_;
  std::thread thread_;  // guarded by the state's mutex
};

}  // namespace agentflow::detail
