// SPDX-License-Identifier: MIT
// The owner of work that nobody awaits.
#include <agentflow/async/background_tasks.hpp>

#include <algorithm>
#include <exception>
#include <list>
#include <mutex>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <fmt/format.h>
#include <spdlog/logger.h>

#include <agentflow/async/sleep.hpp>
#include <agentflow/async/timeout.hpp>
#include <agentflow/core/error.hpp>

#include "async/child_group.hpp"
#include "async/inline_executor.hpp"
#include "async/parking.hpp"
#include "async/serial.hpp"

namespace agentflow {

namespace {

struct Task {
  Task(std::string n, const asio::any_io_executor& ex) : name(std::move(n)), strand(detail::serial(ex)) {}
  const std::string name;
  asio::any_io_executor strand;  // until its end: it must not outlive its context
  asio::cancellation_signal signal;
  bool starting = false;  // what is destroyed then has failed to start
};

void check_limit(const std::optional<std::chrono::nanoseconds>& limit) {
  if (limit && *limit <= std::chrono::nanoseconds::zero())
    throw config_error(errc::bad_config, "the limit in time of a background task must be positive");
}

asio::awaitable<void> limited(asio::awaitable<void> work, std::optional<std::chrono::nanoseconds> limit) {
  if (!limit) return work;
  return timeout(std::move(work), *limit);
}

}  // namespace

struct BackgroundTaskManager::State {
  State(const asio::any_io_executor& ex, BackgroundOptions o)
      : options(std::move(o)), executor(ex), lot(detail::ParkingLot::of(ex)), clock(clock_of(ex)) {}

  /// Called at the end of a task; destroyed without a call when the context is.
  class Done {
   public:
    Done(std::shared_ptr<State> state, std::shared_ptr<Task> task) : state_(std::move(state)), task_(std::move(task)) {}
    Done(Done&&) noexcept = default;
    ~Done() {
      if (state_ && !task_->starting) state_->ended(*task_, nullptr, true);
    }
    void operator()(const std::exception_ptr& e) { std::exchange(state_, nullptr)->ended(*task_, e, false); }

   private:
    std::shared_ptr<State> state_;
    std::shared_ptr<Task> task_;
  };

  void ended(Task& task, const std::exception_ptr& failure, bool abandoned) noexcept {
    std::vector<std::shared_ptr<detail::ParkingSpot>> wake;
    if (failure) log_failure(task, failure);
    {
      std::lock_guard lock(mutex);
      count(failure, abandoned);
      task.strand = {};
      std::erase_if(tasks, [&](const auto& t) { return t.get() == &task; });
      if (tasks.empty()) wake.swap(waiters);
    }
    for (const auto& spot : wake) spot->unpark();
  }

  void count(const std::exception_ptr& failure, bool abandoned) noexcept {
    if (abandoned || (failure && detail::is_cancellation(failure)))
      ++stats.cancelled;
    else if (failure && is_timeout(failure))
      ++stats.timed_out;
    else if (failure)
      ++stats.failed;
    else
      ++stats.completed;
  }
  static bool is_timeout(const std::exception_ptr& e) noexcept {
    try {
      std::rethrow_exception(e);
    } catch (const timeout_error& x) {
      return x.code() == errc::timed_out;
    } catch (...) {
      return false;
    }
  }

  void log_failure(const Task& task, const std::exception_ptr& failure) noexcept {
    if (!options.logger() || detail::is_cancellation(failure)) return;
    try {
      options.logger()->error("background task '{}' failed: {}", task.name, describe(failure));
    } catch (...) {
      // A logger that throws has nobody to tell.
    }
  }

  void cancel_all() noexcept {
    std::lock_guard lock(mutex);
    lot->while_open([this] {
      for (const auto& task : tasks)
        detail::post_surely(task->strand, [task] { task->signal.emit(asio::cancellation_type::terminal); });
    });
  }

  const BackgroundOptions options;
  asio::any_io_executor executor;
  const std::shared_ptr<detail::ParkingLot> lot;
  const std::shared_ptr<Clock> clock;
  mutable std::mutex mutex;  // locked before the lot's
  bool closed = false;
  BackgroundStats stats;
  std::list<std::shared_ptr<Task>> tasks;
  std::vector<std::shared_ptr<detail::ParkingSpot>> waiters;
};

BackgroundTaskManager::BackgroundTaskManager(const asio::any_io_executor& executor, BackgroundOptions options)
    : state_(std::make_shared<State>(executor, std::move(options))) {
  if (state_->options.max_tasks() == 0)
    throw config_error(errc::bad_config, "BackgroundOptions::max_tasks must be at least 1");
  check_limit(state_->options.task_timeout());
  check_limit(state_->options.join_timeout());
}

BackgroundTaskManager::~BackgroundTaskManager() {
  std::size_t left = 0;
  {
    std::lock_guard lock(state_->mutex);
    state_->closed = true;
    left = state_->tasks.size();
    state_->executor = {};
  }
  if (left == 0) return;
  state_->cancel_all();
  if (!state_->options.logger()) return;
  try {
    state_->options.logger()->warn("{} background tasks are cancelled, because their manager goes without aclose()",
                                   left);
  } catch (...) {
    // A logger that throws has nobody to tell.
  }
}

void BackgroundTaskManager::spawn(std::string name, asio::awaitable<void> work,
                                  std::optional<std::chrono::nanoseconds> timeout) {
  check_limit(timeout);
  const auto limit = timeout ? timeout : state_->options.task_timeout();
  std::shared_ptr<Task> task;
  asio::any_io_executor strand;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->closed)
      throw error(errc::closed, fmt::format("background task '{}' is not started: the manager is closed", name));
    if (state_->tasks.size() >= state_->options.max_tasks())
      throw error(errc::resource_exhausted,
                  fmt::format("background task '{}' is not started: {} run already; wait for some, or raise "
                              "BackgroundOptions::max_tasks",
                              name, state_->tasks.size()));
    task = std::make_shared<Task>(std::move(name), state_->executor);
    strand = task->strand;
    state_->tasks.push_back(task);
    ++state_->stats.started;
  }
  State::Done done(state_, task);
  auto erased = limited(std::move(work), limit);
  // By a post: what the task does at once is not done inside this call.
  auto launch = [state = state_, strand, task, erased = std::move(erased), done = std::move(done)]() mutable {
    task->starting = true;
    try {
      asio::co_spawn(strand, std::move(erased),
                     asio::bind_cancellation_slot(task->signal.slot(),
                                                  asio::bind_executor(detail::InlineExecutor(), std::move(done))));
      task->starting = false;
    } catch (...) {  // no memory for it
      state->ended(*task, std::current_exception(), false);
    }
  };
  asio::post(strand, std::move(launch));
}

asio::awaitable<void> BackgroundTaskManager::wait_for_all() { return wait_for_all(state_); }

asio::awaitable<void> BackgroundTaskManager::wait_for_all(std::shared_ptr<State> state) {
  for (;;) {
    const auto spot = std::make_shared<detail::ParkingSpot>();
    {
      std::lock_guard lock(state->mutex);
      if (state->tasks.empty()) co_return;
      state->waiters.push_back(spot);
    }
    auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() == asio::cancellation_type::none) {
      co_await spot->park();
      cancellation = co_await asio::this_coro::cancellation_state;
    }
    if (cancellation.cancelled() == asio::cancellation_type::none) continue;
    {
      std::lock_guard lock(state->mutex);
      std::erase(state->waiters, spot);
    }
    throw cancelled_error(errc::cancelled, "the wait for background tasks was cancelled");
  }
}

void BackgroundTaskManager::cancel_all() noexcept { state_->cancel_all(); }

std::size_t BackgroundTaskManager::running() const {
  std::lock_guard lock(state_->mutex);
  return state_->tasks.size();
}

std::vector<std::string> BackgroundTaskManager::names() const {
  std::vector<std::string> all;
  std::lock_guard lock(state_->mutex);
  for (const auto& task : state_->tasks) all.push_back(task->name);
  return all;
}

BackgroundStats BackgroundTaskManager::stats() const {
  std::lock_guard lock(state_->mutex);
  BackgroundStats s = state_->stats;
  s.running = state_->tasks.size();
  return s;
}

asio::awaitable<ShutdownPart> BackgroundTaskManager::aclose(std::chrono::nanoseconds drain) {
  return aclose(state_, drain);
}

asio::awaitable<ShutdownPart> BackgroundTaskManager::aclose(std::shared_ptr<State> state,
                                                            std::chrono::nanoseconds drain) {
  const auto begin = state->clock->now();
  BackgroundStats before;
  {
    std::lock_guard lock(state->mutex);
    state->closed = true;
    before = state->stats;
  }
  bool drained = false;
  std::exception_ptr cancelled;
  try {
    co_await timeout(wait_for_all(state), drain);
    drained = true;
  } catch (const timeout_error&) {
  } catch (const cancelled_error&) {
    cancelled = std::current_exception();
  }
  if (!drained) state->cancel_all();
  if (cancelled) std::rethrow_exception(cancelled);
  if (!drained) {
    try {
      co_await timeout(wait_for_all(state), state->options.join_timeout());
    } catch (const timeout_error&) {
    }
  }
  ShutdownPart part;
  std::lock_guard lock(state->mutex);
  part.duration = state->clock->now() - begin;
  part.completed = state->stats.completed - before.completed;
  part.failed = state->stats.failed + state->stats.timed_out - before.failed - before.timed_out;
  part.cancelled = state->stats.cancelled - before.cancelled;
  part.abandoned = state->tasks.size();
  part.status = part.abandoned > 0   ? shutdown_status::timed_out
                : part.cancelled > 0 ? shutdown_status::cancelled
                                     : shutdown_status::completed;
  for (const auto& task : state->tasks)
    if (state->options.logger())
      state->options.logger()->error("background task '{}' ignores its cancellation and is left behind", task->name);
  co_return part;
}

}  // namespace agentflow
