// SPDX-License-Identifier: MIT
// Private: the background tasks of a graph, by event loop.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <agentflow/async/background_tasks.hpp>

namespace spdlog {
class logger;
}

namespace agentflow::detail {

/// One manager for each execution context on which the graph has started a task. A context that is destroyed takes its
/// manager with it.
class Background {
 public:
  explicit Background(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}
  /// Cancels what still runs.
  ~Background();

  void spawn(const asio::any_io_executor& ex, std::string name, asio::awaitable<void> work,
             std::optional<std::chrono::nanoseconds> limit);
  /// Whether no task was ever started. Cheap.
  bool empty() const noexcept { return empty_.load(std::memory_order_acquire); }
  std::size_t running() const;
  std::size_t running_on(const asio::any_io_executor& ex) const;
  std::vector<std::string> names() const;
  BackgroundStats stats() const;
  void cancel_all() noexcept;

  static asio::awaitable<void> wait_for_all(std::shared_ptr<Background> self);
  /// Takes no new tasks, waits `drain`, cancels, waits `join`.
  static asio::awaitable<ShutdownPart> close(std::shared_ptr<Background> self, std::chrono::nanoseconds drain);
  /// The same for the tasks on one loop, which is about to go.
  asio::awaitable<ShutdownPart> close_on(asio::any_io_executor ex, std::chrono::nanoseconds drain);

 private:
  class Service;
  struct Slot;
  std::size_t count() const noexcept;
  std::vector<std::shared_ptr<Slot>> slots() const;
  std::shared_ptr<Slot> slot_for(const asio::any_io_executor& ex);

  const std::shared_ptr<spdlog::logger> logger_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Slot>> slots_;
  bool closed_ = false;
  std::atomic<bool> empty_{true};
};

}  // namespace agentflow::detail
