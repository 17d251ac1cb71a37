// SPDX-License-Identifier: MIT
// What an engine awaits: nodes, attempts with limits in time, subgraphs, async routers.
#include <algorithm>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "async/child_group.hpp"
#include "async/inline_executor.hpp"
#include "async/sleep_on.hpp"
#include "run/engine.hpp"
#include "run/run_core.hpp"
#include "run/user_code.hpp"

namespace agentflow::detail {
namespace {

/// A node on another executor. Asio 1.22 passes a cancellation straight through a co_spawn, on whatever thread it is
/// emitted, into a coroutine that runs elsewhere; so the node has a signal of its own, emitted on its own strand.
struct Elsewhere : std::enable_shared_from_this<Elsewhere> {
  explicit Elsewhere(const asio::any_io_executor& ex) : strand(asio::make_strand(ex)) {}

  static void cancel(void* self) {
    auto it = static_cast<Elsewhere*>(self)->shared_from_this();
    it->lot->while_open([&] {
      if (it->strand) post_surely(it->strand, [it] { it->signal.emit(asio::cancellation_type::terminal); });
    });
  }
  void finish(std::exception_ptr e) {
    if (!lot->while_open([this] { strand = {}; })) strand = {};  // nobody else looks at it then
    failure = std::move(e);
    spot.unpark();
  }

  /// Called at the end; destroyed without a call when the other context is, and its coroutines with it.
  class Done {
   public:
    explicit Done(std::shared_ptr<Elsewhere> there) : there_(std::move(there)) {}
    Done(Done&&) noexcept = default;
    ~Done() {
      if (!there_) return;
      try {
        throw error(errc::cancelled, "the executor of the node was destroyed");
      } catch (...) {
        there_->finish(std::current_exception());
      }
    }
    void operator()(std::exception_ptr e) { std::exchange(there_, nullptr)->finish(std::move(e)); }

   private:
    std::shared_ptr<Elsewhere> there_;
  };

  /// Cancels the node, if it has not ended, when whoever waits for it goes.
  struct Leaving {
    Elsewhere& there;
    ~Leaving() { cancel(&there); }
  };

  asio::any_io_executor strand;  // until the end: it must not outlive its context
  const std::shared_ptr<ParkingLot> lot = ParkingLot::of(strand);
  asio::cancellation_signal signal;
  ParkingSpot spot;
  std::exception_ptr failure;
};

/// Owns the run, so that the task is there even if whoever waits for it is not any more.
asio::awaitable<void> call_elsewhere(std::shared_ptr<RunCore> run, Task& t) {
  Watch* const watch = run->debug() != nullptr ? Watch::current() : nullptr;
  if (watch != nullptr) watch->enter(t, Part::node);
  std::exception_ptr failure;
  try {
    if (t.spec->kind == node_kind::async) {
      co_await t.spec->node->acall(t.io);
    } else {
      UserCode mark;
      t.spec->node->call(t.io);
    }
  } catch (...) {
    failure = std::current_exception();
  }
  if (watch != nullptr) watch->leave();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

void Engine::notice(asio::cancellation_state state) noexcept {
  if (state.cancelled() != asio::cancellation_type::none) run_.note_cancellation();
}

asio::awaitable<void> Engine::drive(bool borrowed) {
  borrowed_ = borrowed;
  const bool whole = parent() == nullptr && track_ == nullptr;  // nobody else begins and ends the run
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await enter_user_code();
  std::exception_ptr failure;
  try {
    if (whole) run_.started();
    if (borrowed_) notice(co_await asio::this_coro::cancellation_state);
    for (;;) {
      const Need need = advance();
      if (need == Need::nothing) break;
      std::exception_ptr thrown;
      if (need == Need::one) {
        // Awaited right here: one coroutine more around each node would cost it two allocations.
        if (watched_) publish_node(first_, chunk_kind::node_start);
        first_.state = Task::State::running;
        await_begins(first_, Part::node);
        try {
          co_await call(first_);
          finished(first_);
        } catch (...) {
          thrown = std::current_exception();
        }
        await_ends(first_);
      } else {
        co_await meet(need);
      }
      co_await enter_user_code();  // which may have left it
      if (borrowed_)
        notice(co_await asio::this_coro::cancellation_state);
      else
        co_await asio::this_coro::reset_cancellation_state();
      if (thrown && !(track_ != nullptr && leaves(first_))) fail(first_, std::move(thrown));
    }
  } catch (...) {
    failure = std::current_exception();
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  if (whole)
    run_.finish(std::move(failure));
  else if (failure)
    std::rethrow_exception(failure);
}

asio::awaitable<void> Engine::call(Task& t) {
  return t.spec->kind == node_kind::subgraph ? run_child(t) : t.spec->node->acall(t.io);
}

asio::awaitable<void> Engine::meet(Need need) {
  if (need == Need::many) return run_many();
  if (need == Need::route) return run_router();
  if (need == Need::commit) return commit_step();
  return give_way(need);
}

asio::awaitable<void> Engine::give_way(Need need) {
  co_await leave_user_code();
  if (need == Need::room)
    co_await run_.channel()->room();
  else
    co_await asio::post(asio::use_awaitable);
}

// ---- one task with limits, retries and a handler -------------------------------------------------------------------

asio::awaitable<void> Engine::run_task(Task& t) {
  auto ex = co_await asio::this_coro::executor;
  Clock& clock = *run_.info.clock;
  const auto& options = t.spec->options;
  for (;;) {
    const auto started = clock.now();
    std::exception_ptr failure;
    {
      const auto timer = arm(t, ex, started);
      co_await enter_user_code();
      try {
        co_await attempt(t);
      } catch (...) {
        failure = std::current_exception();
      }
      ++t.generation;
      co_await asio::this_coro::reset_cancellation_state();
      co_await leave_user_code();
    }
    if (track_ != nullptr && leaves(t)) co_return;
    if (failure && track_ != nullptr && journal().broken()) std::rethrow_exception(failure);
    // Its own limit cancels a task too; it counts only if nothing else did.
    if (fan_->failed_task != nullptr || cancelled() || (t.cancel_requested && !t.timed_out)) {
      if (failure) std::rethrow_exception(failure);
      co_return;
    }
    if (!t.timed_out) {
      // Work that could not be interrupted is late all the same.
      const auto now = clock.now();
      const Clock::time_point sign{Clock::duration(t.last_sign.load(std::memory_order_relaxed))};
      t.was_idle = options.idle_timeout() && now - sign > *options.idle_timeout();
      t.timed_out = t.was_idle || (options.timeout() && now - started > *options.timeout());
    }
    if (t.timed_out) {
      const auto limit = t.was_idle ? *options.idle_timeout() : *options.timeout();
      t.cancel_requested = false;
      failure = std::make_exception_ptr(timeout_error(
          fmt::format("node '{}' passed its {} of {:.3f} s", t.spec->name, t.was_idle ? "idle timeout" : "timeout",
                      std::chrono::duration<double>(limit).count()),
          limit, where(t)));
      publish_node(t, chunk_kind::node_error, "timeout");
    }
    if (!failure) co_return;
    if (!should_retry(t, failure)) {
      handle_error(t, failure);
      co_return;
    }
    std::chrono::nanoseconds delay{0};
    try {
      delay = backoff(t, failure);
    } catch (...) {
      handle_error(t, std::current_exception());
      co_return;
    }
    co_await sleep_on(clock, delay);
    ++t.attempt;
    t.timed_out = false;
    t.io.targets.clear();
    spec_.ops->clear_update(t.io.update);
  }
}

asio::awaitable<void> Engine::attempt(Task& t) {
  ErasedNode& node = *t.spec->node;
  if (t.note) t.note->begin_attempt();
  if (t.spec->kind == node_kind::blocking) {
    co_await run_blocking(t);
  } else if (t.spec->kind == node_kind::subgraph) {
    co_await run_child(t);
  } else if (t.spec->options.executor()) {
    co_await run_elsewhere(t);
  } else if (t.spec->kind == node_kind::async) {
    co_await node.acall(t.io);
  } else {
    UserCode mark;
    node.call(t.io);
  }
}

asio::awaitable<void> Engine::run_elsewhere(Task& t) {
  const auto there = std::make_shared<Elsewhere>(*t.spec->options.executor());
  auto ended = there->spot.park_surely(co_await asio::this_coro::executor, &Elsewhere::cancel, there.get());
  {
    // For this scope: the end may come, and clear the other, before co_spawn returns.
    const auto strand = under_watch(run_, there->strand);
    auto work = call_elsewhere(run_.shared_from_this(), t);
    asio::co_spawn(strand, std::move(work),
                   asio::bind_cancellation_slot(there->signal.slot(),
                                                asio::bind_executor(InlineExecutor(), Elsewhere::Done(there))));
  }
  // Not even a run whose event loop is destroyed leaves the node to itself.
  const Elsewhere::Leaving leaving{*there};
  co_await std::move(ended);
  if (there->failure) std::rethrow_exception(there->failure);
}

asio::awaitable<void> Engine::run_blocking(Task& t) {
  struct Call {
    ParkingSpot spot;
    std::exception_ptr failure;
  };
  const auto call = std::make_shared<Call>();
  // A plain function cannot be interrupted: it sees NodeContext::cancelled(), and we wait for it.
  auto on_cancel = [](void* task) { static_cast<Task*>(task)->cancel_requested = true; };
  auto ended = call->spot.park_surely(co_await asio::this_coro::executor, on_cancel, &t);
  // The job owns the run, so that the task is there even if this coroutine is not any more.
  auto job = [run = run_.shared_from_this(), task = &t, call]() mutable {
    try {
      const BlockingNode mark(*run);
      task->spec->node->call(task->io);
    } catch (...) {
      call->failure = std::current_exception();
    }
    run.reset();  // not after the wake-up: whoever awaits the run is to be its last owner, and not this thread
    call->spot.unpark();
  };
  run_.graph().pool().submit(std::move(job));
  co_await std::move(ended);
  if (call->failure) std::rethrow_exception(call->failure);
}

std::shared_ptr<Clock::Timer> Engine::arm(Task& t, const asio::any_io_executor& ex, Clock::time_point started) {
  const auto& o = t.spec->options;
  if (!o.timeout() && !o.idle_timeout()) return nullptr;
  t.last_sign.store(started.time_since_epoch().count(), std::memory_order_relaxed);
  struct Both final : Clock::Timer {
    std::unique_ptr<Clock::Timer> hard, idle;
  };
  const auto timers = std::make_shared<Both>();
  const std::weak_ptr<RunCore> run = run_.weak_from_this();
  const auto generation = t.generation;
  // What was queued when its timer went still comes. The task is there as long as the timers are, and no longer.
  auto fire = [run, armed = std::weak_ptr<Both>(timers), task = &t, generation](bool idle) {
    return [run, armed, task, generation, idle] {
      const auto alive = run.lock();
      if (alive && !armed.expired()) task->engine->on_timer(*task, generation, idle);
    };
  };
  if (o.timeout()) timers->hard = run_.info.clock->schedule(ex, after(started, *o.timeout()), fire(false));
  if (o.idle_timeout()) {
    // One timer that asks again: re-arming at every sign of life would cost more than the sign.
    struct Idle : std::enable_shared_from_this<Idle> {
      std::function<void()> fire;
      std::unique_ptr<Clock::Timer> timer;
      void start(Clock& clock, const asio::any_io_executor& ex, Clock::time_point last, std::chrono::nanoseconds limit,
                 Task* task, std::weak_ptr<RunCore> run, std::uint64_t gen) {
        timer = clock.schedule(ex, after(last, limit), [weak = weak_from_this(), &clock, ex, limit, task, run, gen] {
          const auto self = weak.lock();
          const auto alive = run.lock();
          if (!self || !alive || task->generation != gen) return;
          const Clock::time_point sign{Clock::duration(task->last_sign.load(std::memory_order_relaxed))};
          if (clock.now() - sign >= limit)
            self->fire();
          else
            self->start(clock, ex, sign, limit, task, run, gen);
        });
      }
    };
    struct Holder final : Clock::Timer {
      std::shared_ptr<Idle> idle;
    };
    auto holder = std::make_unique<Holder>();
    holder->idle = std::make_shared<Idle>();
    holder->idle->fire = fire(true);
    holder->idle->start(*run_.info.clock, ex, started, *o.idle_timeout(), &t, run, generation);
    timers->idle = std::move(holder);
  }
  return timers;
}

void Engine::on_timer(Task& t, std::uint64_t generation, bool idle) {
  if (t.generation != generation || t.state != Task::State::running || t.timed_out) return;
  t.timed_out = true;
  t.was_idle = idle;
  t.cancel_requested = true;
  t.lane->emit(asio::cancellation_type::terminal);
}

bool Engine::should_retry(Task& t, const std::exception_ptr& e) const {
  const auto& policy = t.spec->options.retry();
  if (!policy || t.attempt >= policy->attempts()) return false;
  if (is_cancellation(e)) return false;
  return !policy->predicate() || policy->predicate()(e);
}

std::chrono::nanoseconds Engine::backoff(Task& t, const std::exception_ptr& e) {
  const auto& policy = *t.spec->options.retry();
  const auto delay = policy.delay(t.attempt, static_cast<double>(run_.random() >> 11) * 0x1.0p-53);
  publish_node(t, chunk_kind::node_retry, describe(e));
  t.context.log(log_level::warn, fmt::format("attempt {} failed and is retried: {}", t.attempt, describe(e)));
  if (policy.hook()) policy.hook()(RetryEvent(t.attempt, policy.attempts(), delay, e));
  return delay;
}

void Engine::handle_error(Task& t, const std::exception_ptr& e) {
  // A wrong answer is for who gave it: no handler takes the question's place.
  if (!t.spec->handler || (t.note && !t.note->refused.empty())) std::rethrow_exception(e);
  try {
    fail(t, e);
  } catch (const error& wrapped) {
    if (wrapped.code() == errc::cancelled) throw;
    t.io.targets.clear();
    spec_.ops->clear_update(t.io.update);
    t.timed_out = false;
    const Entry entry(*this, t, Part::handler);
    t.spec->handler->call(t.io, wrapped);
  }
}

// ---- subgraphs and routers -----------------------------------------------------------------------------------------

void Engine::make_child(Task& t) {
  t.child = std::make_unique<Engine>(run_, *t.spec->node->subgraph(), path_of(t.spec->name), depth_ + 1, &t);
}

void Engine::enter_child(Task& t) {
  make_child(t);
  const Entry entry(*this, t, Part::mapping);
  t.child->begin(t.spec->node->enter(t.io));
}

void Engine::leave_child(Task& t) {
  const auto child = std::move(t.child);
  cut_ = cut_ || child->status() == run_status::stopped || child->status() == run_status::drained;
  const Entry entry(*this, t, Part::mapping);
  t.spec->node->leave(t.io, child->take_state());
}

asio::awaitable<void> Engine::run_child(Task& t) {
  return track_ != nullptr ? run_durable_child(t) : run_passing_child(t);
}

asio::awaitable<void> Engine::run_passing_child(Task& t) {
  enter_child(t);
  co_await t.child->drive(borrowed_ && t.lane == nullptr);
  leave_child(t);
}

asio::awaitable<void> Engine::run_router() {
  Task& t = from_start_ ? first_ : task(route_task_);
  const RouterSpec& r = current_router();
  Route answer;
  std::exception_ptr failure;
  await_begins(t, Part::router);
  try {
    answer = co_await r.router->acall(state_.get(), t.context);
  } catch (...) {
    failure = std::current_exception();
  }
  await_ends(t);
  if (borrowed_) notice(co_await asio::this_coro::cancellation_state);
  if (cancelled()) throw cancelled_error(errc::cancelled, "the run was cancelled");
  if (failure) routing_failed(*t.node, "its router threw " + describe(failure), failure);
  take_route(r, std::move(answer), *t.node);
  ++route_index_;
}

}  // namespace agentflow::detail
