// SPDX-License-Identifier: MIT
// The end of a graph.
#include "run/closing.hpp"

#include <algorithm>
#include <utility>

#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>
#include <spdlog/logger.h>

#include <agentflow/async/background_tasks.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/ports/checkpointer.hpp>
#include <agentflow/ports/store.hpp>

#include "async/child_group.hpp"
#include "async/inline_executor.hpp"
#include "async/serial.hpp"
#include "async/sleep_on.hpp"
#include "run/run_core.hpp"

namespace agentflow::detail {
namespace {

/// What each part has for ending after it was cancelled: all of them together a second past the deadline.
constexpr std::chrono::milliseconds join_time{250};

asio::awaitable<void> noting_failure(asio::awaitable<void> work, std::shared_ptr<std::string> failure) {
  try {
    co_await std::move(work);
  } catch (...) {
    *failure = describe(std::current_exception());
    throw;
  }
}

}  // namespace

/// Called when the work is over; destroyed without a call when its context goes.
class Closing::Done {
 public:
  explicit Done(std::shared_ptr<GraphCore> graph) noexcept : graph_(std::move(graph)) {}
  Done(Done&&) noexcept = default;
  ~Done() {
    if (graph_) graph_->closing().end(std::nullopt);
  }
  void operator()(const std::exception_ptr& e) {
    const auto graph = std::exchange(graph_, nullptr);
    if (!e) return;
    ShutdownStats stats;
    stats.runs.status = shutdown_status::failed;
    stats.runs.error = describe(e);
    graph->closing().end(stats);
  }

 private:
  std::shared_ptr<GraphCore> graph_;
};

bool Closing::finished() const {
  std::lock_guard lock(mutex_);
  return stats_.has_value();
}

asio::awaitable<ShutdownStats> Closing::close(std::shared_ptr<GraphCore> graph) {
  Closing& self = graph->closing();
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  // A close is not interrupted, neither by a cancellation that came before it, as to `with_graph`, nor by one
  // meanwhile.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  ShutdownStats stats;
  // The loop on which another closes may not be running: nobody waits for it for ever.
  Clock& clock = *graph->options().clock();
  const auto limit = after(after(clock, graph->options().shutdown_timeout()), std::chrono::seconds(2));
  for (;;) {
    const auto spot = std::make_shared<ParkingSpot>();
    bool first = false;
    {
      std::lock_guard lock(self.mutex_);
      if (self.stats_) {
        stats = *self.stats_;
        break;
      }
      if (clock.now() >= limit) {
        stats.runs.status = shutdown_status::timed_out;
        stats.deadline_exceeded = true;
        break;
      }
      self.waiters_.push_back(spot);
      first = !std::exchange(self.working_, true);
    }
    if (first) self.start(graph, ex);
    auto on_cancel = [](void* closing) { static_cast<Closing*>(closing)->hurry(); };
    const auto timer = clock.schedule(ex, limit, [weak = std::weak_ptr<ParkingSpot>(spot)] {
      if (const auto s = weak.lock()) s->unpark();
    });
    co_await spot->park(on_cancel, &self);
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return stats;
}

void Closing::start(const std::shared_ptr<GraphCore>& graph, const asio::any_io_executor& ex) {
  Done done(graph);
  asio::co_spawn(serial(ex), work(graph), asio::bind_executor(InlineExecutor(), std::move(done)));
}

void Closing::end(std::optional<ShutdownStats> stats) noexcept {
  std::vector<std::shared_ptr<ParkingSpot>> waiters;
  {
    std::lock_guard lock(mutex_);
    working_ = false;
    stats_ = std::move(stats);
    waiters.swap(waiters_);
  }
  for (const auto& spot : waiters) spot->unpark();
}

asio::awaitable<void> Closing::work(std::shared_ptr<GraphCore> graph) {
  Closing& self = graph->closing();
  const Clock& clock = *graph->options().clock();
  const auto begin = clock.now();
  const auto deadline = after(clock, graph->options().shutdown_timeout());
  self.begun_.store(true, std::memory_order_release);
  ShutdownStats stats;
  stats.runs = co_await self.close_runs(deadline);
  stats.background_tasks = co_await Background::close(graph->background(), self.left(deadline));
  if (auto* publishing = graph->publishing(); publishing != nullptr)
    stats.publisher = co_await publishing->close(self.left(deadline), join_time);
  // Last: until now there was somebody who wrote to them. Others may share them, so they are not closed.
  if (const auto& checkpointer = graph->options().checkpointer())
    stats.checkpointer = co_await self.flush("checkpointer", checkpointer->flush(), deadline);
  if (const auto& store = graph->options().store())
    stats.store = co_await self.flush("store", store->flush(), deadline);
  stats.total = clock.now() - begin;
  for (const auto* part : {&stats.runs, &stats.background_tasks, &stats.publisher, &stats.checkpointer, &stats.store})
    stats.deadline_exceeded = stats.deadline_exceeded || part->status == shutdown_status::timed_out ||
                              (part->status == shutdown_status::cancelled && !self.hurried_);
  if (const auto& logger = graph->logger(); logger && !stats.clean())
    logger->warn("the graph was closed, but not cleanly: {}", stats.to_json());
  self.end(stats);
}

std::chrono::nanoseconds Closing::left(Clock::time_point deadline) const {
  if (hurried_) return std::chrono::nanoseconds::zero();
  return std::max<std::chrono::nanoseconds>(deadline - graph_.options().clock()->now(), Clock::duration::zero());
}

asio::awaitable<ShutdownPart> Closing::flush(std::string name, asio::awaitable<void> work, Clock::time_point deadline) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  const auto failure = std::make_shared<std::string>();
  BackgroundTaskManager one(ex, BackgroundOptions().logger(graph_.logger()).join_timeout(join_time));
  one.spawn(std::move(name), noting_failure(std::move(work), failure));
  auto ending = one.aclose(left(deadline));
  ShutdownPart part = co_await std::move(ending);
  if (part.failed == 0) co_return part;
  part.status = shutdown_status::failed;
  part.error = *failure;
  co_return part;
}

asio::awaitable<ShutdownPart> Closing::close_runs(Clock::time_point deadline) {
  const Clock& clock = *graph_.options().clock();
  const auto begin = clock.now();
  std::size_t live = graph_.drain_runs();
  const bool none = live == 0;
  if (live > 0) live = co_await wait_for_runs(deadline, true);
  if (live > 0) {
    graph_.cancel_runs();
    live = co_await wait_for_runs(after(clock, join_time), false);
  }
  if (live > 0 && graph_.logger())
    graph_.logger()->error("{} runs ignore their cancellation and are left behind", live);
  ShutdownPart part = graph_.ended_runs(runs_);
  part.abandoned = live;
  part.duration = clock.now() - begin;
  part.status = live > 0             ? shutdown_status::timed_out
                : part.cancelled > 0 ? shutdown_status::cancelled
                : none               ? shutdown_status::none
                                     : shutdown_status::completed;
  co_return part;
}

asio::awaitable<std::size_t> Closing::wait_for_runs(Clock::time_point limit, bool patient) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  Clock& clock = *graph_.options().clock();
  for (;;) {
    const auto spot = std::make_shared<ParkingSpot>();
    const std::size_t live = graph_.live_runs(run_waiter_, spot);
    if (live == 0 || clock.now() >= limit || (patient && hurried_)) co_return live;
    auto wake = [weak = std::weak_ptr<ParkingSpot>(spot)] {
      if (const auto s = weak.lock()) s->unpark();
    };
    const auto timer = clock.schedule(ex, limit, std::move(wake));
    co_await spot->park();
  }
}

void Closing::run_ended(const RunCore& run) noexcept {
  if (!begun()) return;
  if (!run.error())
    ++runs_.completed;
  else if (is_cancellation(run.error()))
    ++runs_.cancelled;
  else
    ++runs_.failed;
  if (run_waiter_) run_waiter_->unpark();
}

void Closing::hurry() {
  hurried_ = true;
  graph_.background()->cancel_all();
  if (auto* publishing = graph_.publishing(); publishing != nullptr) publishing->hurry();
  graph_.wake(run_waiter_);
}

}  // namespace agentflow::detail
