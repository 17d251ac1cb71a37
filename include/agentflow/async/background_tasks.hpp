// SPDX-License-Identifier: MIT
// BackgroundTaskManager: the owner of work that nobody awaits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <agentflow/async/shutdown_stats.hpp>
#include <agentflow/core/config.hpp>

namespace spdlog {
class logger;
}

namespace agentflow {

/// Options of a `BackgroundTaskManager`.
class BackgroundOptions {
 public:
  BackgroundOptions() = default;
  /// How many tasks may be under way at once. Default 1,000.
  BackgroundOptions& max_tasks(std::size_t n) & {
    max_tasks_ = n;
    return *this;
  }
  BackgroundOptions&& max_tasks(std::size_t n) && { return std::move(max_tasks(n)); }
  /// The limit in time of tasks that are given none of their own. Default: none.
  BackgroundOptions& task_timeout(std::chrono::nanoseconds d) & {
    task_timeout_ = d;
    return *this;
  }
  BackgroundOptions&& task_timeout(std::chrono::nanoseconds d) && { return std::move(task_timeout(d)); }
  /// How long `aclose` waits for tasks that it has cancelled. Default 1 s.
  BackgroundOptions& join_timeout(std::chrono::nanoseconds d) & {
    join_timeout_ = d;
    return *this;
  }
  BackgroundOptions&& join_timeout(std::chrono::nanoseconds d) && { return std::move(join_timeout(d)); }
  /// Where failures are logged, with the name of the task. Default: nowhere.
  BackgroundOptions& logger(std::shared_ptr<spdlog::logger> l) & {
    logger_ = std::move(l);
    return *this;
  }
  BackgroundOptions&& logger(std::shared_ptr<spdlog::logger> l) && { return std::move(logger(std::move(l))); }

  std::size_t max_tasks() const noexcept { return max_tasks_; }
  const std::optional<std::chrono::nanoseconds>& task_timeout() const noexcept { return task_timeout_; }
  std::chrono::nanoseconds join_timeout() const noexcept { return join_timeout_; }
  const std::shared_ptr<spdlog::logger>& logger() const noexcept { return logger_; }

 private:
  std::size_t max_tasks_ = 1000;
  std::optional<std::chrono::nanoseconds> task_timeout_;
  std::chrono::nanoseconds join_timeout_ = std::chrono::seconds(1);
  std::shared_ptr<spdlog::logger> logger_;
};
static_assert(!std::is_aggregate_v<BackgroundOptions>);

/// What a `BackgroundTaskManager` has done so far.
class BackgroundStats {
 public:
  BackgroundStats() = default;
  std::uint64_t started = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;     ///< Threw.
  std::uint64_t timed_out = 0;  ///< Passed their limit in time.
  std::uint64_t cancelled = 0;
  std::size_t running = 0;

  bool operator==(const BackgroundStats&) const = default;
};

/// Owns tasks that nobody awaits: an audit record to write, a cache to warm, a summary to make. Bounded, named, with
/// limits in time; failures are logged, and at the end nothing is lost silently: `aclose` drains, then cancels, joins.
///
/// Each task runs on a strand of its own on the executor.
///
/// **Thread safety** Safe, apart from construction and destruction.
/// **Lifetime** Destroying it cancels what still runs, without waiting; the tasks end on the executor, and must not
/// refer to what is gone then. `aclose` first. It must not outlive the execution context.
class AGENTFLOW_API BackgroundTaskManager {
 public:
  /// **Errors** `config_error` for no tasks at all, or limits in time that are not positive.
  explicit BackgroundTaskManager(const asio::any_io_executor& executor, BackgroundOptions options = {});
  ~BackgroundTaskManager();
  BackgroundTaskManager(const BackgroundTaskManager&) = delete;
  BackgroundTaskManager& operator=(const BackgroundTaskManager&) = delete;

  /// Starts a task. A task with a limit in time is cancelled and joined past it.
  ///
  /// **Errors** `error` with `errc::resource_exhausted` if so many tasks run already, `errc::closed` after `aclose`,
  /// `config_error` for a limit that is not positive. The task is not started then.
  void spawn(std::string name, asio::awaitable<void> work, std::optional<std::chrono::nanoseconds> timeout = {});

  /// Waits until no task runs. **Cancellation** throws `cancelled_error`; the tasks go on.
  asio::awaitable<void> wait_for_all();
  /// Cancels all tasks that run; they end soon, see `wait_for_all`. Never waits, and never fails.
  void cancel_all() noexcept;

  std::size_t running() const;
  /// The names of the tasks that run, in the order in which they were started.
  std::vector<std::string> names() const;
  BackgroundStats stats() const;

  /// Takes no new tasks, waits `drain` for those that run, cancels what is left, and waits `join_timeout` for that.
  /// What has not ended by then is left behind, and logged. May be called again, and by several at once; each of them
  /// is told of what ended during its own wait, and a later call may find that what was left behind has ended.
  ///
  /// **Errors** None of the tasks': those are counted in the result, and logged.
  /// **Cancellation** cancels the tasks too, and throws `cancelled_error` without waiting for them.
  /// **Lifetime** May be awaited on any executor. The manager may be destroyed meanwhile: that cancels the tasks.
  /// **Units/limits** `drain` of nothing or less cancels at once.
  asio::awaitable<ShutdownPart> aclose(std::chrono::nanoseconds drain);

 private:
  struct State;
  static asio::awaitable<void> wait_for_all(std::shared_ptr<State> state);
  static asio::awaitable<ShutdownPart> aclose(std::shared_ptr<State> state, std::chrono::nanoseconds drain);
  std::shared_ptr<State> state_;
};

}  // namespace agentflow
