// SPDX-License-Identifier: MIT
// Debug mode's eye on a run.
#include "run/watch.hpp"

#include <typeinfo>

#include <fmt/format.h>

#include "run/run_core.hpp"

namespace agentflow::detail {
namespace {

thread_local Watch* current_watch = nullptr;

std::string_view words(Part part) noexcept {
  switch (part) {
    case Part::node: return "the node";
    case Part::router: return "its router";
    case Part::reducers: return "merging what it changed";
    case Part::mapping: return "its mapping";
    case Part::handler: return "its error handler";
  }
  return "the node";
}

}  // namespace

Watch::Watch(RunCore& run)
    : run_(run.weak_from_this()),
      key_(&run),
      clock_(run.info.clock),
      limit_(run.debug()->slow_step()),
      since_(clock_->now()) {}

Watch* Watch::current() noexcept { return current_watch; }

void Watch::enter(Task& task, Part part) {
  cut();
  labels_.push_back({&task, part});
}

void Watch::leave() noexcept {
  cut();
  labels_.pop_back();
}

void Watch::cut() noexcept {
  const auto now = clock_->now();
  const auto held = now - since_;
  since_ = now;
  if (held < limit_) return;
  try {
    report(held);
  } catch (...) {
    // The warning is lost, not the run.
  }
  since_ = clock_->now();
}

void Watch::report(std::chrono::nanoseconds held) const {
  // At its very end there is nothing of the run left to name, and what is timed is the library's.
  const auto run = run_.lock();
  if (!run || run->info.logger == nullptr) return;
  const double seconds = std::chrono::duration<double>(held).count();
  const double limit = std::chrono::duration<double>(limit_).count();
  if (labels_.empty()) {
    run->info.logger->log(
        log_level::warn,
        fmt::format("between its nodes the run held the event loop for {:.3f} s (slow_step {:.3f} s)", seconds, limit));
    return;
  }
  const Label& label = labels_.back();
  label.task->context.log(
      log_level::warn,
      fmt::format("{} held the event loop for {:.3f} s (slow_step {:.3f} s): everything else on it waited; let it "
                  "await, or move it with af::blocking",
                  words(label.part), seconds, limit));
}

Watch::Handler::Handler(Watch& watch) noexcept
    : watch_(watch), outer_(std::exchange(current_watch, &watch)), began_(watch.clock_->now()) {
  // One that is inside another of the same line, as a handler that runs another of its strand, goes on with its piece.
  if (outer_ != &watch_) watch_.since_ = began_;
}

Watch::Handler::~Handler() {
  current_watch = outer_;
  if (outer_ == &watch_) return;
  watch_.cut();
  if (outer_ != nullptr) outer_->since_ += outer_->clock_->now() - began_;
}

// ---- what an engine tells it ---------------------------------------------------------------------------------------

Watch* Engine::enter(Task& t, Part part) {
  Watch* watch = Watch::current();  // none where a plain thread runs a graph of plain functions
  if (watch != nullptr) watch->enter(t, part);
  return watch;
}

void Engine::enter_await(Task& t, Part part) {
  Watch* const watch = enter(t, part);
  RunCore::Extras& extras = run_.extras();
  std::lock_guard lock(extras.mutex);
  extras.awaiting[&t] = watch;
}

void Engine::leave_await(Task& t) {
  Watch* watch = nullptr;
  {
    RunCore::Extras& extras = run_.extras();
    std::lock_guard lock(extras.mutex);
    watch = std::exchange(extras.awaiting[&t], nullptr);
  }
  if (watch == nullptr) return;
  if (Watch::current() != watch)
    t.context.log(log_level::warn,
                  fmt::format("{} came back on an executor that is not the run's: await what was bound to it inside a "
                              "co_spawn on that executor",
                              words(Part::node)));
  watch->leave();
}

asio::any_io_executor under_watch(RunCore& run, const asio::any_io_executor& ex) {
  if (run.debug() == nullptr) return ex;
  return WatchedExecutor(ex, std::make_shared<Watch>(run));
}

asio::any_io_executor without_watch(const asio::any_io_executor& ex) {
  return ex.target_type() == typeid(WatchedExecutor) ? ex.target<WatchedExecutor>()->inner() : ex;
}

}  // namespace agentflow::detail
