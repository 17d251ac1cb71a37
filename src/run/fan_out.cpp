// SPDX-License-Identifier: MIT
// The tasks of one step beside each other: lanes that take one task after another, and the join that waits for them.
#include <algorithm>
#include <numeric>
#include <random>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/this_coro.hpp>

#include "async/inline_executor.hpp"
#include "run/engine.hpp"
#include "run/run_core.hpp"
#include "run/user_code.hpp"

namespace agentflow::detail {
namespace {

bool is_plain_function(const Task& t) noexcept { return t.spec->plain && t.spec->kind == node_kind::sync; }

}  // namespace

asio::awaitable<void> Engine::run_many() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  if (track_ != nullptr) {
    co_await leave_user_code();
    co_await settle_for_others();
    co_await enter_user_code();
  }
  begin_fan_out();
  auto on_cancel = [](void* self) {
    auto& engine = *static_cast<Engine*>(self);
    if (engine.borrowed_) engine.run_.note_cancellation();
    engine.cancel_running();
  };
  auto joined = fan_->join.park_surely(executor, on_cancel, this);
  while (Task* t = take_task()) {
    if (is_plain_function(*t))
      run_function(*t);
    else
      start_lane(executor, *t);
  }
  if (track_ != nullptr && still_running()) {
    co_await leave_user_code();
    std::exception_ptr failure;
    try {
      co_await keep_results();
    } catch (...) {
      failure = std::current_exception();  // no memory; what runs has to be joined all the same
    }
    if (failure) fan_->storage_failure = std::move(failure);
    if (fan_->storage_failure || cancelled()) cancel_running();
    co_await enter_user_code();
  }
  if (--fan_->pending > 0) {
    co_await leave_user_code();
    co_await std::move(joined);
  }
  if (cancelled()) throw cancelled_error(errc::cancelled, "the run was cancelled");
  if (fan_->storage_failure) std::rethrow_exception(std::exchange(fan_->storage_failure, nullptr));
  if (fan_->failed_task != nullptr) {
    const auto e = std::exchange(fan_->failure, nullptr);
    fail(*fan_->failed_task, e);
  }
}

void Engine::begin_fan_out() {
  if (!fan_) fan_ = std::make_unique<FanOut>();
  fan_->next = fan_->active = 0;
  fan_->pending = 1;  // held by run_many() while it launches
  fan_->failed_task = nullptr;
  fan_->failure = fan_->storage_failure = nullptr;
  fan_->join.reset();
  fan_->order.clear();
  const auto number_tasks = [this] {
    fan_->order.resize(count_);
    std::iota(fan_->order.begin(), fan_->order.end(), 0u);
  };
  if (const auto& seed = run_.config().shuffle()) {
    number_tasks();
    std::mt19937_64 random(*seed + steps_);
    std::shuffle(fan_->order.begin(), fan_->order.end(), random);
  } else if (run_.config().max_concurrency() == 0) {
    // What suspends goes first, so that it waits while the plain functions work.
    bool seen = false, mixed = false;
    for (std::size_t i = 0; i < count_ && !mixed; ++i) {
      mixed = seen && !is_plain_function(task(i));
      seen = seen || is_plain_function(task(i));
    }
    if (!mixed) return;
    number_tasks();
    std::stable_partition(fan_->order.begin(), fan_->order.end(),
                          [this](std::uint32_t i) { return !is_plain_function(task(i)); });
  }
}

Task* Engine::take_task() noexcept {
  FanOut& f = *fan_;
  const std::size_t limit = run_.config().max_concurrency();
  const auto at = [&]() -> Task& { return task(f.order.empty() ? f.next : f.order[f.next]); };
  while (f.next < count_ && at().state != Task::State::waiting) ++f.next;  // a resume had it
  if (f.next == count_ || f.storage_failure || f.failed_task != nullptr || (limit != 0 && f.active >= limit) ||
      run_.info.stop_requested.load(std::memory_order_relaxed) || cancelled())
    return nullptr;
  Task& t = at();
  ++f.next;
  ++f.active;
  t.state = Task::State::running;
  return &t;
}

void Engine::run_function(Task& t) {
  std::exception_ptr failure;
  try {
    if (watched_) publish_node(t, chunk_kind::node_start);
    const Entry entry(*this, t, Part::node);
    t.spec->node->call(t.io);
  } catch (...) {
    failure = std::current_exception();
  }
  task_done(t, std::move(failure));
}

void Engine::start_lane(const asio::any_io_executor& executor, Task& first) {
  ++fan_->pending;
  first.lane = &first.signal;
  // Holds the run, so that it is there until the lane's last word.
  auto over = [run = run_.shared_from_this(), task = &first](const std::exception_ptr& e) {
    task->engine->lane_over(*task, e);
  };
  // A launch that fails (no memory) must not leave the join waiting.
  std::exception_ptr failure;
  try {
    asio::any_io_executor watched;  // copies of executors are dear
    if (debug_) watched = under_watch(run_, executor);
    asio::co_spawn(
        debug_ ? watched : executor, run_lane(first),
        asio::bind_cancellation_slot(first.signal.slot(), asio::bind_executor(InlineExecutor(), std::move(over))));
    return;
  } catch (...) {
    failure = std::current_exception();
  }
  lane_over(first, failure);
}

asio::awaitable<void> Engine::run_lane(Task& first) {
  co_await leave_user_code();
  for (Task* t = &first; t != nullptr; t = take_task()) {
    if (is_plain_function(*t)) {
      run_function(*t);
      continue;
    }
    t->lane = &first.signal;
    std::exception_ptr failure;
    try {
      if (watched_) publish_node(*t, chunk_kind::node_start);
      await_begins(*t, Part::node);
      if (!t->spec->plain) {
        co_await run_task(*t);
      } else {
        co_await enter_user_code();
        co_await call(*t);
      }
    } catch (...) {
      failure = std::current_exception();
    }
    await_ends(*t);
    co_await asio::this_coro::reset_cancellation_state();
    co_await leave_user_code();
    task_done(*t, std::move(failure));
    if (track_ != nullptr && still_running()) co_await keep_results();
  }
}

bool Engine::still_running() const noexcept {
  return fan_->failed_task == nullptr && !fan_->storage_failure && (fan_->active > 0 || !waits_for_none());
}

asio::awaitable<void> Engine::keep_results() {
  std::exception_ptr failure;
  try {
    co_await store_results();
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure || fan_->storage_failure) co_return;
  fan_->storage_failure = std::move(failure);
  cancel_running();
}

void Engine::task_done(Task& t, std::exception_ptr failure) {
  if (failure && track_ != nullptr && leaves(t)) failure = nullptr;
  if (!failure) {
    try {
      finished(t);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  --fan_->active;
  if (!failure) return;
  t.state = Task::State::failed;
  if (fan_->failed_task != nullptr) return;
  fan_->failed_task = &t;
  fan_->failure = std::move(failure);
  cancel_running();
}

void Engine::lane_over(Task& first, const std::exception_ptr& e) {
  // What a lane fails by itself (no memory) is its task's failure.
  if (e) {
    for (std::size_t i = 0; i < count_; ++i)
      if (Task& t = task(i); t.lane == &first.signal && t.state == Task::State::running) task_done(t, e);
  }
  if (--fan_->pending == 0) fan_->join.unpark_here();
}

void Engine::cancel_running() {
  ++fan_->pending;  // so that what completes inside this loop does not resume and destroy us
  for (std::size_t i = 0; i < count_; ++i) {
    Task& t = task(i);
    if (t.state != Task::State::running || t.cancel_requested.exchange(true) || t.lane == nullptr) continue;
    t.lane->emit(asio::cancellation_type::terminal);
  }
  if (--fan_->pending == 0) fan_->join.unpark();
}

}  // namespace agentflow::detail
