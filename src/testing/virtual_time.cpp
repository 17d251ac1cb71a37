// SPDX-License-Identifier: MIT
// The virtual clock and its loop.
#include <agentflow/testing/virtual_time.hpp>

#include <algorithm>
#include <exception>
#include <map>
#include <mutex>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <fmt/format.h>

#include <agentflow/async/sleep.hpp>

namespace agentflow::testing {
namespace {

constexpr Clock::time_point beginning{std::chrono::hours(1)};
constexpr std::chrono::system_clock::time_point wall_beginning{std::chrono::seconds(1'000'000'000)};

struct WakeUp {
  asio::any_io_executor executor;
  detail::UniqueFunction<void()> fn;
};

void post(WakeUp w) {
  asio::post(w.executor, [fn = std::move(w.fn)]() mutable { fn(); });
}

}  // namespace

// ---- the clock -----------------------------------------------------------------------------------------------------

struct VirtualClock::Shared {
  using Key = std::pair<time_point, std::uint64_t>;  // the number keeps those of one instant in order

  /// Posts what is due, earliest first, and not under the lock: executors are foreign code. Allocates nothing of its
  /// own, so that no wake-up is lost between here and there.
  void post_due(std::unique_lock<std::mutex>& lock) {
    std::map<Key, WakeUp> due;
    while (!waiting.empty() && waiting.begin()->first.first <= now) due.insert(waiting.extract(waiting.begin()));
    lock.unlock();
    for (auto& [key, w] : due) post(std::move(w));
  }

  mutable std::mutex mutex;
  time_point now = beginning;
  std::map<Key, WakeUp> waiting;
  std::uint64_t count = 0;
};

namespace {

/// Forgets its wake-up when destroyed; one that was posted already still comes, as the interface allows.
template <class Shared>
class VirtualTimer final : public Clock::Timer {
 public:
  VirtualTimer(std::weak_ptr<Shared> shared, typename Shared::Key key) : shared_(std::move(shared)), key_(key) {}
  ~VirtualTimer() override {
    const auto shared = shared_.lock();
    if (!shared) return;
    std::unique_lock lock(shared->mutex);
    const auto forgotten = shared->waiting.extract(key_);
    lock.unlock();
  }

 private:
  std::weak_ptr<Shared> shared_;
  typename Shared::Key key_;
};

}  // namespace

VirtualClock::VirtualClock() : shared_(std::make_shared<Shared>()) {}
VirtualClock::~VirtualClock() = default;

Clock::time_point VirtualClock::now() const noexcept {
  std::lock_guard lock(shared_->mutex);
  return shared_->now;
}

std::chrono::system_clock::time_point VirtualClock::wall_now() const noexcept {
  return wall_beginning + std::chrono::duration_cast<std::chrono::system_clock::duration>(passed());
}

Clock::duration VirtualClock::passed() const noexcept { return now() - beginning; }

std::unique_ptr<Clock::Timer> VirtualClock::schedule(asio::any_io_executor executor, time_point when,
                                                     detail::UniqueFunction<void()> fn) {
  std::unique_ptr<Timer> timer;  // before the lock: it takes it when there is no memory for the rest
  std::unique_lock lock(shared_->mutex);
  const Shared::Key key(when, ++shared_->count);
  timer = std::make_unique<VirtualTimer<Shared>>(shared_, key);
  if (when > shared_->now) {
    shared_->waiting.emplace(key, WakeUp{std::move(executor), std::move(fn)});
    return timer;
  }
  lock.unlock();
  post({std::move(executor), std::move(fn)});
  return timer;
}

void VirtualClock::advance(duration by) {
  std::unique_lock lock(shared_->mutex);
  shared_->now += by;
  shared_->post_due(lock);
}

bool VirtualClock::advance_to_next() {
  std::unique_lock lock(shared_->mutex);
  if (shared_->waiting.empty()) return false;
  shared_->now = std::max(shared_->now, shared_->waiting.begin()->first.first);
  shared_->post_due(lock);
  return true;
}

std::size_t VirtualClock::pending() const noexcept {
  std::lock_guard lock(shared_->mutex);
  return shared_->waiting.size();
}

// ---- the loop ------------------------------------------------------------------------------------------------------

deadlock_error::~deadlock_error() = default;
abandoned_error::~abandoned_error() = default;

struct VirtualLoop::Impl {
  explicit Impl(std::shared_ptr<VirtualClock> c) : clock(std::move(c)) { set_clock(io, clock); }

  /// Runs one handler, or moves the clock; false when neither can be done.
  bool step() {
    if (io.poll_one() != 0) {
      ++handlers;
      return true;
    }
    if (clock->advance_to_next()) return true;
    // In slices, because another thread may ask for a wake-up, which posts nothing.
    for (const auto limit = std::chrono::steady_clock::now() + patience; std::chrono::steady_clock::now() < limit;) {
      if (io.run_one_for(std::min<std::chrono::nanoseconds>(patience, std::chrono::milliseconds(1))) != 0) {
        ++handlers;
        return true;
      }
      if (clock->advance_to_next()) return true;
    }
    return false;
  }

  void act() {
    if (action && handlers >= action_at) std::exchange(action, nullptr)();
  }

  std::shared_ptr<VirtualClock> clock;
  asio::io_context io{1};
  // Without it an idle context counts as stopped, and every wait for it would need a restart.
  asio::executor_work_guard<asio::io_context::executor_type> guard{io.get_executor()};
  std::uint64_t handlers = 0;
  std::uint64_t action_at = 0;
  std::function<void()> action;
  std::chrono::nanoseconds patience{0};
};

VirtualLoop::VirtualLoop(std::shared_ptr<VirtualClock> clock)
    : impl_(std::make_unique<Impl>(clock ? std::move(clock) : std::make_shared<VirtualClock>())) {}
VirtualLoop::~VirtualLoop() = default;

const std::shared_ptr<VirtualClock>& VirtualLoop::clock() const noexcept { return impl_->clock; }
asio::any_io_executor VirtualLoop::executor() const { return impl_->io.get_executor(); }
std::uint64_t VirtualLoop::handlers() const noexcept { return impl_->handlers; }

VirtualLoop& VirtualLoop::after(std::uint64_t handlers, std::function<void()> action) {
  impl_->action_at = handlers;
  impl_->action = std::move(action);
  return *this;
}

VirtualLoop& VirtualLoop::stop_after(std::uint64_t handlers) {
  return after(handlers, [handlers] {
    throw abandoned_error(errc::cancelled, fmt::format("the loop was told to stop after {} handlers", handlers));
  });
}

VirtualLoop& VirtualLoop::wait_for_threads(std::chrono::nanoseconds real_time) {
  impl_->patience = real_time;
  return *this;
}

void VirtualLoop::drain() {
  do impl_->act();
  while (impl_->step());
}

void VirtualLoop::drive(asio::awaitable<void> work, asio::cancellation_slot cancellation) {
  struct Outcome {
    bool done = false;
    std::exception_ptr failure;
  };
  // Shared, because after an error the coroutine may be suspended for longer than this call lasts.
  const auto outcome = std::make_shared<Outcome>();
  auto finished = [outcome](std::exception_ptr e) {
    outcome->done = true;
    outcome->failure = std::move(e);
  };
  asio::co_spawn(impl_->io, std::move(work), asio::bind_cancellation_slot(cancellation, std::move(finished)));
  impl_->act();
  while (!outcome->done) {
    if (!impl_->step())
      throw deadlock_error(
          errc::deadlock,
          fmt::format(
              "deadlock: after {} handlers, at {:.3f} s of virtual time, nothing is ready, no "
              "wake-up is asked for{}, and what is run has not finished",
              impl_->handlers, std::chrono::duration<double>(impl_->clock->passed()).count(),
              impl_->patience > std::chrono::nanoseconds::zero() ? ", no other thread posted anything in time" : ""));
    impl_->act();
  }
  if (outcome->failure) std::rethrow_exception(outcome->failure);
}

}  // namespace agentflow::testing
