// SPDX-License-Identifier: MIT
// The shutdown manager: what signals mean.
#include <agentflow/async/shutdown_manager.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>

#include <fmt/format.h>
#include <spdlog/logger.h>

#include <agentflow/async/sleep.hpp>

#include "async/child_group.hpp"
#include "async/serial.hpp"
#include "async/signal_registry.hpp"
#include "async/sleep_on.hpp"

namespace agentflow {

/// What the manager, its coroutines and the thread of the signals share. What belongs to the execution context (the
/// executor, the timer) goes with the manager.
struct GracefulShutdownManager::State final : detail::SignalListener, std::enable_shared_from_this<State> {
  State(const asio::any_io_executor& ex, std::chrono::nanoseconds t)
      : timeout(t), executor(detail::serial(ex)), lot(detail::ParkingLot::of(ex)), clock(clock_of(ex)) {}

  /// Something that a stage cancels, or wakes.
  struct Bound {
    shutdown_stage at;
    std::weak_ptr<detail::CancelLink> link;
    std::weak_ptr<detail::ParkingSpot> spot;
  };
  /// What a change of the stage leads to, to be done when nothing is locked. It needs no memory: a stage that has
  /// changed has its effects.
  struct Consequences {
    std::list<Bound> due;
    bool stop = false;
    std::optional<int> force;
  };

  void on_signals() override { poll(); }

  // ---- signals in --------------------------------------------------------------------------------------------------

  /// Delivers what has come, unless a section is open.
  void poll() noexcept {
    try {
      std::unique_lock lock(mutex);
      receive();
      if (sections == 0) deliver(lock);
    } catch (...) {
      report(std::current_exception());
    }
  }

  void receive() {
    while (const int s = handled.empty() ? 0 : detail::SignalLog::next(read))
      if (std::find(handled.begin(), handled.end(), s) != handled.end()) pending.push_back(s);
    if (pending.empty() || sections > 0) position.store(read);
    if (!pending.empty() && !deadline && !closed && stage.load() != shutdown_stage::forced) start_deadline();
  }

  /// From the first signal that came, delivered or not.
  void start_deadline() {
    auto fire = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->on_deadline();
    };
    const auto when = detail::after(*clock, timeout);
    if (registered)
      deadline = clock->schedule(detail::SignalRegistry::instance().executor(), when, std::move(fire));
    else
      lot->while_open([&] { deadline = clock->schedule(executor, when, std::move(fire)); });
  }

  void on_deadline() {
    std::unique_lock lock(mutex);
    if (!deadline || closed) return;
    Consequences then;
    advance(shutdown_stage::forced, then);
    lock.unlock();
    act(then);
  }

  // ---- signals out -------------------------------------------------------------------------------------------------

  void deliver(std::unique_lock<std::mutex>& lock) {
    if (pending.empty()) return;
    Consequences then;
    while (!pending.empty()) {
      const int s = pending.front();
      undelivered_calls.push_back(s);
      pending.pop_front();
      if (s != 0) {
        if (first_signal == 0) first_signal = s;
        last_signal = s;
      }
      const auto now = stage.load();
      if (now == shutdown_stage::running)
        advance(shutdown_stage::requested, then);
      else if (s != 0 && now == shutdown_stage::requested)
        advance(shutdown_stage::cancelling, then);
      else if (s != 0 && now == shutdown_stage::cancelling && !finishing)
        advance(shutdown_stage::forced, then);
    }
    position.store(read);  // after the stage: who sees that all is read sees what it led to
    post_callbacks();
    lock.unlock();
    act(then);
  }

  void advance(shutdown_stage to, Consequences& then) {
    if (stage.load() >= to) return;
    stage.store(to);
    then.stop = true;
    for (auto it = bounds.begin(); it != bounds.end();) {
      const auto here = it++;
      if (here->at <= to) then.due.splice(then.due.end(), bounds, here);
    }
    if (to != shutdown_stage::forced) return;
    forced_code = 128 + (last_signal != 0 ? last_signal : SIGTERM);
    then.force = forced_code;
  }

  void act(Consequences& then) noexcept {
    if (then.stop) stop.request_stop();
    for (const auto& bound : then.due) {
      if (const auto link = bound.link.lock()) link->cancel();
      if (const auto spot = bound.spot.lock()) spot->unpark();
    }
    if (!then.force) return;
    call([&] {
      std::unique_lock lock(mutex);
      const auto hook = force_hook;
      lock.unlock();
      if (hook) hook(*then.force);
    });
  }

  // ---- callbacks, on the executor
  // ------------------------------------------------------------------------------------

  void post_callbacks() noexcept {
    if (closed) return;
    lot->while_open([this] { detail::post_surely(executor, [self = shared_from_this()] { self->run_callbacks(); }); });
  }

  void run_callbacks() {
    std::unique_lock lock(mutex);
    for (;;) {
      if (closed) return;
      if (shutdown_called < shutdown_hooks.size() && stage.load() != shutdown_stage::running) {
        const auto hook = shutdown_hooks[shutdown_called++];
        lock.unlock();
        call(hook);
      } else if (!undelivered_calls.empty()) {
        const int s = undelivered_calls.front();
        undelivered_calls.pop_front();
        const auto hooks = signal_hooks;
        lock.unlock();
        for (const auto& hook : hooks) call([&] { hook(s); });
      } else {
        return;
      }
      lock.lock();
    }
  }

  template <class F>
  void call(const F& fn) noexcept {
    try {
      fn();
    } catch (...) {
      report(std::current_exception());
    }
  }

  void report(const std::exception_ptr& failure) const noexcept {
    try {
      std::shared_ptr<spdlog::logger> to;
      {
        std::lock_guard lock(mutex);
        to = logger;
      }
      if (to) to->error("a shutdown callback failed: {}", describe(failure));
    } catch (...) {
      // Nobody is left to tell.
    }
  }

  // ---- sections
  // ------------------------------------------------------------------------------------------------------

  void enter() {
    std::unique_lock lock(mutex);
    receive();
    if (++sections > 1) return;
    try {
      deliver(lock);  // lets go of the lock, so the section counts already
    } catch (...) {
      --sections;
      throw;
    }
  }
  void leave() noexcept {
    try {
      std::unique_lock lock(mutex);
      const bool last = --sections == 0;
      receive();
      if (last) deliver(lock);
    } catch (...) {
      report(std::current_exception());
    }
  }

  // ---- registration
  // --------------------------------------------------------------------------------------------------

  void add_signals(const std::vector<int>& signals) {
    const auto begin = detail::SignalLog::end();
    detail::SignalRegistry::instance().add(shared_from_this(), signals);
    {
      std::lock_guard lock(mutex);
      if (handled.empty()) position = read = begin;
      for (const int s : signals)
        if (std::find(handled.begin(), handled.end(), s) == handled.end()) handled.push_back(s);
      registered = true;
    }
    poll();  // what came before it was known whose it is
  }

  void remove_signals() noexcept {
    {
      std::lock_guard lock(mutex);
      deadline.reset();
      registered = false;
      if (handled.empty()) return;
    }
    // Not under the lock: it waits for the thread, which may be waiting for the lock.
    detail::SignalRegistry::instance().remove(this);
    poll();
    std::lock_guard lock(mutex);
    handled.clear();
    deadline.reset();
  }

  void close() noexcept {
    remove_signals();
    std::lock_guard lock(mutex);
    closed = true;
    deadline.reset();
    executor = {};
  }

  bool asked() noexcept {
    if (registered && position.load() != detail::SignalLog::end()) poll();
    return stage.load() != shutdown_stage::running;
  }

  /// False if the stage has come already.
  bool bind(Bound b) {
    asked();
    std::lock_guard lock(mutex);
    if (stage.load() >= b.at) return false;
    std::erase_if(bounds, [](const Bound& old) { return old.link.expired() && old.spot.expired(); });
    bounds.push_back(std::move(b));
    return true;
  }

  int first_signal_now() const noexcept {
    std::lock_guard lock(mutex);
    return first_signal;
  }

  const std::chrono::nanoseconds timeout;
  mutable std::mutex mutex;  // locked before the registry's and the lot's
  asio::any_io_executor executor;
  const std::shared_ptr<detail::ParkingLot> lot;
  const std::shared_ptr<Clock> clock;
  std::atomic<shutdown_stage> stage{shutdown_stage::running};
  std::atomic<bool> interrupted{false};
  std::atomic<bool> registered{false};
  std::uint64_t read = 0;                  // of the signals' log
  std::atomic<std::uint64_t> position{0};  // the same, once what was read has had its effect
  std::vector<int> handled;
  std::deque<int> pending;            // came, and not delivered
  std::deque<int> undelivered_calls;  // delivered, and not yet told
  std::size_t sections = 0;
  bool finishing = false;
  bool closed = false;
  int first_signal = 0;
  int last_signal = 0;
  int forced_code = 0;
  std::list<Bound> bounds;
  std::vector<std::function<void()>> shutdown_hooks;
  std::size_t shutdown_called = 0;
  std::vector<std::function<void(int)>> signal_hooks;
  std::function<void(int)> force_hook;
  std::shared_ptr<spdlog::logger> logger;
  std::unique_ptr<Clock::Timer> deadline;
  std::stop_source stop;
};

// ---- the manager
// -----------------------------------------------------------------------------------------------------

GracefulShutdownManager::GracefulShutdownManager(const asio::any_io_executor& executor,
                                                 std::chrono::nanoseconds timeout)
    : state_(std::make_shared<State>(executor, timeout)) {
  if (timeout <= std::chrono::nanoseconds::zero())
    throw config_error(errc::bad_config, "the timeout of a GracefulShutdownManager must be positive");
}
GracefulShutdownManager::~GracefulShutdownManager() { state_->close(); }

void GracefulShutdownManager::register_signal_handlers(const std::vector<int>& more) {
  std::vector<int> signals{SIGINT, SIGTERM};
  signals.insert(signals.end(), more.begin(), more.end());
  state_->add_signals(signals);
}
void GracefulShutdownManager::unregister_signal_handlers() noexcept { state_->remove_signals(); }

bool GracefulShutdownManager::shutdown_requested() const noexcept { return state_->asked(); }
shutdown_stage GracefulShutdownManager::stage() const noexcept {
  state_->asked();
  return state_->stage.load();
}
int GracefulShutdownManager::signal() const noexcept {
  state_->asked();
  return state_->first_signal_now();
}

void GracefulShutdownManager::request_shutdown() {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stage.load() != shutdown_stage::running) return;
    if (std::find(state_->pending.begin(), state_->pending.end(), 0) != state_->pending.end()) return;
    state_->pending.push_back(0);
  }
  state_->poll();
}

std::stop_token GracefulShutdownManager::stop_token() const noexcept { return state_->stop.get_token(); }

void GracefulShutdownManager::on_shutdown(std::function<void()> callback) {
  std::lock_guard lock(state_->mutex);
  state_->shutdown_hooks.push_back(std::move(callback));
  if (state_->stage.load() != shutdown_stage::running) state_->post_callbacks();
}
void GracefulShutdownManager::on_signal(std::function<void(int)> callback) {
  std::lock_guard lock(state_->mutex);
  state_->signal_hooks.push_back(std::move(callback));
}
void GracefulShutdownManager::on_force(std::function<void(int)> callback) {
  std::lock_guard lock(state_->mutex);
  state_->force_hook = std::move(callback);
}
void GracefulShutdownManager::set_logger(std::shared_ptr<spdlog::logger> logger) {
  std::lock_guard lock(state_->mutex);
  state_->logger = std::move(logger);
}

int GracefulShutdownManager::exit_code() const noexcept {
  std::lock_guard lock(state_->mutex);
  if (state_->stage.load() == shutdown_stage::forced) return state_->forced_code;
  return state_->interrupted.load() ? 75 : 0;
}

// ---- sections
// ----------------------------------------------------------------------------------------------------------

GracefulShutdownManager::ProtectedSection::ProtectedSection(std::shared_ptr<State> state) : state_(std::move(state)) {
  state_->enter();
}
GracefulShutdownManager::ProtectedSection::~ProtectedSection() {
  if (state_) state_->leave();
}

GracefulShutdownManager::Closing::Closing(std::shared_ptr<State> state) : state_(std::move(state)) { state_->enter(); }
GracefulShutdownManager::Closing::~Closing() {
  {
    // The work is done: a third signal that came meanwhile has nothing left to force.
    std::lock_guard lock(state_->mutex);
    state_->finishing = true;
  }
  state_->leave();
  state_->remove_signals();
}

// ---- waits
// -------------------------------------------------------------------------------------------------------------

asio::awaitable<void> GracefulShutdownManager::wait(std::shared_ptr<State> state) {
  const auto spot = std::make_shared<detail::ParkingSpot>();
  auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() == asio::cancellation_type::none) {
    if (!state->bind({shutdown_stage::requested, {}, spot})) co_return;
    co_await spot->park();
    if (state->asked()) co_return;
  }
  throw cancelled_error(errc::cancelled, "the wait for a shutdown was cancelled");
}

namespace {

/// Connects a group for as long as the coroutine's frame is there.
class Connection {
 public:
  Connection(std::shared_ptr<detail::CancelLink> link, detail::ChildGroup* group) : link_(std::move(link)) {
    link_->connect(group);
  }
  ~Connection() { link_->connect(nullptr); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

 private:
  std::shared_ptr<detail::CancelLink> link_;
};

[[noreturn]] void throw_shutdown(std::string text, int signal, const std::exception_ptr& cause) {
  detail::throw_for(shutdown_requested_error(std::move(text), signal), cause);
}

}  // namespace

asio::awaitable<void> GracefulShutdownManager::bound(std::shared_ptr<State> state, asio::awaitable<void> work,
                                                     shutdown_stage at, bool anyway) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  const auto group = std::make_shared<detail::ChildGroup>(ex);
  const auto link = std::make_shared<detail::CancelLink>();
  bool late = false;
  {
    const Connection connection(link, group.get());
    late = !state->bind({at, link, {}});
    if (late && !anyway)
      throw_shutdown("a shutdown was asked for: this is not started any more", state->first_signal_now(), nullptr);
    if (late) group->cancel();
    detail::ChildGroup::Plan plan;
    plan.start_anyway = anyway;  // the signal may come before the work has begun
    co_await group->run(std::move(work), plan);
  }
  const auto& failure = group->first_error();
  if (!failure) co_return;
  if (group->cancelled_from_outside()) throw cancelled_error(errc::cancelled, "cancelled before a shutdown");
  if (!late && !link->cancelled()) std::rethrow_exception(failure);
  state->interrupted = true;
  throw_shutdown("a shutdown was asked for: this was cancelled", state->first_signal_now(), failure);
}

asio::awaitable<void> GracefulShutdownManager::shielded(asio::awaitable<void> work) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  const auto group = std::make_shared<detail::ChildGroup>(ex);
  detail::ChildGroup::Plan plan;
  plan.shielded = true;
  co_await group->run(std::move(work), plan);
  if (group->first_error()) std::rethrow_exception(group->first_error());
}

void GracefulShutdownManager::report(const State& state, const std::exception_ptr& failure) { state.report(failure); }

}  // namespace agentflow
