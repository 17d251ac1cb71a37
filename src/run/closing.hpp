// SPDX-License-Identifier: MIT
// Private: the end of a graph, once, whoever asks for it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <agentflow/async/shutdown_stats.hpp>
#include <agentflow/core/clock.hpp>

#include "async/parking.hpp"

namespace agentflow::detail {

class GraphCore;
class RunCore;

/// Closes a graph: drains and cancels its runs, its background tasks, its publisher, each for what is left of one
/// deadline. The work is done by a coroutine on the executor of the first who asks; all who ask wait for it. Should
/// that executor go, the next of them begins anew.
class Closing {
 public:
  explicit Closing(GraphCore& graph) noexcept : graph_(graph) {}

  /// Whether the graph starts no more runs.
  bool begun() const noexcept { return begun_.load(std::memory_order_acquire); }
  bool finished() const;
  /// A cancellation meanwhile ends the patience: what runs is cancelled, and the close goes on.
  static asio::awaitable<ShutdownStats> close(std::shared_ptr<GraphCore> graph);
  /// Called under the graph's mutex when a run has ended.
  void run_ended(const RunCore& run) noexcept;

 private:
  class Done;
  static asio::awaitable<void> work(std::shared_ptr<GraphCore> graph);
  void start(const std::shared_ptr<GraphCore>& graph, const asio::any_io_executor& ex);
  void end(std::optional<ShutdownStats> stats) noexcept;
  void hurry();
  asio::awaitable<ShutdownPart> close_runs(Clock::time_point deadline);
  asio::awaitable<std::size_t> wait_for_runs(Clock::time_point limit, bool patient);
  std::chrono::nanoseconds left(Clock::time_point deadline) const;

  GraphCore& graph_;
  std::atomic<bool> begun_{false};
  std::atomic<bool> hurried_{false};
  ShutdownPart runs_;                        // guarded by the graph's mutex
  std::shared_ptr<ParkingSpot> run_waiter_;  // too
  mutable std::mutex mutex_;                 // guards what follows
  bool working_ = false;
  std::optional<ShutdownStats> stats_;
  std::vector<std::shared_ptr<ParkingSpot>> waiters_;
};

}  // namespace agentflow::detail
