// SPDX-License-Identifier: MIT
// The thread that publishes.
#include "run/publishing.hpp"

#include <condition_variable>
#include <exception>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/this_coro.hpp>
#include <spdlog/logger.h>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/error.hpp>

#include "async/parking.hpp"
#include "async/sleep_on.hpp"

namespace agentflow {

Publisher::~Publisher() = default;
asio::awaitable<void> Publisher::close() { co_return; }

}  // namespace agentflow

namespace agentflow::detail {
namespace {

/// How long the destructor of a graph that was not closed waits.
constexpr std::chrono::milliseconds patience{250};

}  // namespace

/// Shared by the graph and the thread, whichever lives longer.
struct Publishing::State {
  State(std::shared_ptr<Publisher> p, std::size_t n, std::shared_ptr<spdlog::logger> l)
      : publisher(std::move(p)), capacity(n), logger(std::move(l)) {}

  void log(const char* what, const std::exception_ptr& e) noexcept {
    if (!logger) return;
    try {
      logger->error("the publisher failed {}: {}", what, describe(e));
    } catch (...) {
      // A logger that throws has nobody to tell.
    }
  }
  /// By which time the publisher has been closed.
  void end() noexcept {
    std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
    if (closer) closer->unpark();
  }

  const std::shared_ptr<Publisher> publisher;
  const std::size_t capacity;
  const std::shared_ptr<spdlog::logger> logger;
  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::list<Chunk> queue;  // emptied without memory for it
  std::size_t published = 0, failed = 0, dropped = 0, cancelled = 0;
  std::string error;     // of closing the publisher
  bool started = false;  // the thread
  bool busy = false;     // with an event
  bool waiting = false;  // for one
  bool closing = false;
  bool ended = false;
  bool left_behind = false;
  std::shared_ptr<ParkingSpot> closer;
  ParkingSpot idle;
  asio::cancellation_signal signal;  // on the thread alone
  asio::io_context io{1};
};

Publishing::Publishing(std::shared_ptr<Publisher> publisher, stream_mode modes, std::size_t capacity,
                       std::shared_ptr<spdlog::logger> logger)
    : modes_(modes), state_(std::make_shared<State>(std::move(publisher), capacity, std::move(logger))) {}

Publishing::~Publishing() {
  hurry();
  if (!thread_.joinable()) return;
  bool ended = false;
  if (thread_.get_id() != std::this_thread::get_id()) {
    std::unique_lock lock(state_->mutex);
    const auto limit = state_->left_behind ? std::chrono::milliseconds(0) : patience;
    ended = state_->changed.wait_for(lock, limit, [this] { return state_->ended; });
  }
  if (ended)
    thread_.join();
  else
    thread_.detach();
}

void Publishing::offer(const Chunk& chunk) noexcept {
  bool wake = false;
  try {
    std::lock_guard lock(state_->mutex);
    if (state_->closing || state_->queue.size() >= state_->capacity) {
      ++state_->dropped;
      return;
    }
    state_->queue.push_back(chunk);
    start();
    wake = std::exchange(state_->waiting, false);
  } catch (...) {
    std::lock_guard lock(state_->mutex);
    ++state_->dropped;
    return;
  }
  if (wake) state_->idle.unpark();
}

void Publishing::start() {
  if (state_->started) return;
  thread_ = std::thread([state = state_] {
    auto done = [state](const std::exception_ptr&) { state->end(); };
    asio::co_spawn(state->io, pump(state), asio::bind_cancellation_slot(state->signal.slot(), std::move(done)));
    state->io.run();
  });
  state_->started = true;
}

asio::awaitable<void> Publishing::pump(std::shared_ptr<State> state) {
  for (;;) {
    co_await asio::this_coro::reset_cancellation_state();
    std::optional<Chunk> chunk;
    {
      std::lock_guard lock(state->mutex);
      if (!state->queue.empty()) {
        chunk.emplace(std::move(state->queue.front()));
        state->queue.pop_front();
      }
      if (!chunk && state->closing) break;
      state->busy = chunk.has_value();
      state->waiting = !chunk;
    }
    if (!chunk) {
      co_await state->idle.park();
      continue;
    }
    std::exception_ptr failure;
    try {
      auto work = state->publisher->publish(std::move(*chunk));
      co_await std::move(work);
    } catch (...) {
      failure = std::current_exception();
    }
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    const bool cancelled = failure && cancellation.cancelled() != asio::cancellation_type::none;
    if (failure && !cancelled) state->log("with an event", failure);
    std::lock_guard lock(state->mutex);
    state->busy = false;
    ++(cancelled ? state->cancelled : failure ? state->failed : state->published);
  }
  co_await asio::this_coro::reset_cancellation_state();
  std::exception_ptr failure;
  try {
    auto work = state->publisher->close();
    co_await std::move(work);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  state->log("to close", failure);
  std::lock_guard lock(state->mutex);
  state->error = describe(failure);
}

void Publishing::hurry() noexcept {
  std::list<Chunk> dropped;  // go when nothing is locked
  std::lock_guard lock(state_->mutex);
  state_->closing = true;
  state_->dropped += state_->queue.size();
  dropped.swap(state_->queue);
  if (!state_->started || state_->ended) return;
  post_surely(state_->io.get_executor(), [state = state_] { state->signal.emit(asio::cancellation_type::terminal); });
  if (std::exchange(state_->waiting, false)) state_->idle.unpark();
}

/// Threads live in real time, whatever the graph's clock.
asio::awaitable<bool> Publishing::ended_within(std::shared_ptr<State> state, std::chrono::nanoseconds limit) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  const auto clock = Clock::system();
  const auto until = after(*clock, limit);
  for (;;) {
    const auto spot = std::make_shared<ParkingSpot>();
    {
      std::lock_guard lock(state->mutex);
      if (state->ended) co_return true;
      state->closer = spot;
    }
    if (clock->now() >= until) co_return false;
    auto wake = [weak = std::weak_ptr<ParkingSpot>(spot)] {
      if (const auto s = weak.lock()) s->unpark();
    };
    const auto timer = clock->schedule(ex, until, std::move(wake));
    co_await spot->park();
  }
}

asio::awaitable<ShutdownPart> Publishing::close(std::chrono::nanoseconds drain, std::chrono::nanoseconds join) {
  const auto state = state_;
  const auto begin = Clock::system()->now();
  {
    std::lock_guard lock(state->mutex);
    state->closing = true;
    // Started even for nothing: the publisher wants to be closed.
    start();
    if (std::exchange(state->waiting, false)) state->idle.unpark();
  }
  const bool drained = co_await ended_within(state, drain);
  bool ended = drained;
  if (!drained) {
    hurry();
    ended = co_await ended_within(state, join);
  }
  ShutdownPart part;
  std::lock_guard lock(state->mutex);
  part.completed = state->published;
  part.failed = state->failed + state->dropped;
  part.cancelled = state->cancelled;
  part.abandoned = ended ? 0 : 1;
  state->left_behind = !ended;
  part.error = state->error;
  part.duration = Clock::system()->now() - begin;
  part.status = !ended                ? shutdown_status::timed_out
                : !part.error.empty() ? shutdown_status::failed
                : !drained            ? shutdown_status::cancelled
                                      : shutdown_status::completed;
  if (!ended && state->logger) state->logger->error("the publisher ignores its cancellation and is left behind");
  co_return part;
}

}  // namespace agentflow::detail
