// SPDX-License-Identifier: MIT
// Coroutines that one coroutine runs and joins.
#include "async/child_group.hpp"

#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/core/error.hpp>

#include "async/inline_executor.hpp"
#include "async/serial.hpp"

namespace agentflow::detail {

bool is_cancellation(const std::exception_ptr& e) noexcept {
  try {
    std::rethrow_exception(e);
  } catch (const cancelled_error&) {
    return true;
  } catch (const std::system_error& x) {
    return x.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

ChildGroup::ChildGroup(const asio::any_io_executor& parent) : strand_(serial(parent)), lot_(ParkingLot::of(parent)) {}

asio::awaitable<void> ChildGroup::run(asio::awaitable<void> work, Plan plan) {
  std::vector<asio::awaitable<void>> all;
  all.push_back(std::move(work));
  co_await run(std::move(all), plan);
}

asio::awaitable<void> ChildGroup::run(std::vector<asio::awaitable<void>> work, Plan plan) {
  plan_ = plan;
  errors_.resize(work.size());
  if (work.empty()) co_return;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto state = co_await asio::this_coro::cancellation_state;
  std::exception_ptr failure;
  outside_ = !plan.shielded && state.cancelled() != asio::cancellation_type::none;
  if (!outside_ || plan.start_anyway) {
    ParkingSpot::CancelFunction on_cancel = [](void* group) { static_cast<ChildGroup*>(group)->cancelled_outside(); };
    if (plan.shielded) on_cancel = [](void*) {};
    try {
      auto joined = spot_.park_surely(strand_, on_cancel, this);
      begin(std::move(work));
      if (outside_) cancel();
      co_await std::move(joined);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  if (failure) std::rethrow_exception(failure);
  mark_unstarted();
}

void ChildGroup::begin(std::vector<asio::awaitable<void>> work) {
  work_ = std::move(work);
  for (std::size_t i = 0; i < work_.size(); ++i) signals_.emplace_back();
  asio::post(strand_, [self = shared_from_this()] { self->start_more(); });
}

void ChildGroup::start_more() {
  starting_ = true;
  const std::size_t first = next_;
  while ((!cancelling_ || plan_.start_anyway) && next_ < work_.size() && (plan_.limit == 0 || running_ < plan_.limit))
    start(next_++);
  starting_ = false;
  if (cancelling_ && next_ > first) cancel();  // what has begun in spite of it; by a post, so that it has
  if (running_ > 0) return;
  finished_ = true;
  spot_.unpark();
}

void ChildGroup::start(std::size_t i) {
  ++running_;
  try {
    auto done = [self = shared_from_this(), i](std::exception_ptr e) { self->ended(i, std::move(e)); };
    asio::co_spawn(
        strand_, std::move(work_[i]),
        asio::bind_cancellation_slot(signals_[i].slot(), asio::bind_executor(InlineExecutor(), std::move(done))));
  } catch (...) {  // no memory for it
    ended(i, std::current_exception());
  }
}

void ChildGroup::ended(std::size_t i, std::exception_ptr e) {
  --running_;
  if (e) {
    errors_[i] = e;
    if (!first_) first_ = e;
    if (plan_.fail_fast && !cancelling_) cancel_now();
  }
  if (!starting_) start_more();
}

bool ChildGroup::cancel_now() {
  if (finished_) return false;
  cancelling_ = true;
  for (std::size_t i = 0; i < next_; ++i) signals_[i].emit(asio::cancellation_type::terminal);
  return true;
}

void ChildGroup::cancel() noexcept {
  lot_->while_open([this] { post_surely(strand_, [self = shared_from_this()] { self->cancel_now(); }); });
}

void ChildGroup::cancelled_outside() {
  outside_ = true;
  cancel();
}

void ChildGroup::mark_unstarted() {
  for (std::size_t i = next_; i < errors_.size(); ++i)
    errors_[i] = std::make_exception_ptr(cancelled_error(errc::cancelled, "cancelled before it was started"));
  if (!first_ && next_ < errors_.size()) first_ = errors_.back();
}

}  // namespace agentflow::detail
