// SPDX-License-Identifier: MIT
// Private: debug mode's eye on what runs on an executor, and for how long.
#pragma once

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <agentflow/core/clock.hpp>

namespace agentflow::detail {

class RunCore;
class Task;

/// What part of a task user code is.
enum class Part : unsigned char { node, router, reducers, mapping, handler };

/// Follows one line of control of a run: its driver, or a lane beside it. Its time is cut into pieces, each without a
/// suspension and with one name; a piece that is too long is reported. Used on that line's executor alone.
class Watch {
 public:
  explicit Watch(RunCore& run);

  /// What this thread is in, or null.
  static Watch* current() noexcept;
  bool belongs_to(const RunCore& run) const noexcept { return key_ == &run; }

  /// What follows is this part of the task, until leave(). They nest.
  void enter(Task& task, Part part);
  void leave() noexcept;

  /// For the length of one handler. Time of handlers inside it is not its own.
  class Handler {
   public:
    explicit Handler(Watch& watch) noexcept;
    ~Handler();
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;

   private:
    Watch& watch_;
    Watch* const outer_;
    const Clock::time_point began_;
  };

 private:
  struct Label {
    Task* task;
    Part part;
  };
  void cut() noexcept;
  void report(std::chrono::nanoseconds held) const;

  const std::weak_ptr<RunCore> run_;
  const RunCore* const key_;
  const std::shared_ptr<Clock> clock_;
  const std::chrono::nanoseconds limit_;
  std::vector<Label> labels_;
  Clock::time_point since_;
};

/// An executor that tells a watch about each handler it runs; else it is the executor it is made from.
class WatchedExecutor {
 public:
  WatchedExecutor(asio::any_io_executor inner, std::shared_ptr<Watch> watch) noexcept
      : inner_(std::move(inner)), watch_(std::move(watch)) {}

  template <class F>
  void execute(F f) const {
    inner_.execute([watch = watch_, f = std::move(f)]() mutable {
      const Watch::Handler handler(*watch);
      std::move(f)();
    });
  }
  template <class P>
    requires asio::can_query<const asio::any_io_executor&, P>::value
  decltype(auto) query(const P& property) const {
    return asio::query(inner_, property);
  }
  template <class P>
    requires asio::can_require<const asio::any_io_executor&, P>::value
  WatchedExecutor require(const P& property) const {
    return WatchedExecutor(asio::require(inner_, property), watch_);
  }
  template <class P>
    requires asio::can_prefer<const asio::any_io_executor&, P>::value
  WatchedExecutor prefer(const P& property) const {
    return WatchedExecutor(asio::prefer(inner_, property), watch_);
  }
  const asio::any_io_executor& inner() const noexcept { return inner_; }
  bool operator==(const WatchedExecutor& o) const noexcept { return inner_ == o.inner_ && watch_ == o.watch_; }
  bool operator!=(const WatchedExecutor& o) const noexcept { return !(*this == o); }

 private:
  asio::any_io_executor inner_;
  std::shared_ptr<Watch> watch_;
};

/// The executor for another line of control of a run: in debug mode with a watch of its own.
asio::any_io_executor under_watch(RunCore& run, const asio::any_io_executor& ex);
/// The executor underneath.
asio::any_io_executor without_watch(const asio::any_io_executor& ex);

}  // namespace agentflow::detail
