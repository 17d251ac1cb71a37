// SPDX-License-Identifier: MIT
// timeout, without the type of what is limited.
#include <agentflow/async/timeout.hpp>

#include <exception>
#include <memory>

#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <agentflow/async/sleep.hpp>

#include "async/child_group.hpp"
#include "async/sleep_on.hpp"

namespace agentflow::detail {
namespace {

[[noreturn]] void throw_timeout(std::chrono::nanoseconds limit, const std::exception_ptr& cause) {
  const auto seconds = std::chrono::duration<double>(limit).count();
  throw_for(timeout_error(errc::timed_out, fmt::format("not done within its limit of {:.3f} s", seconds), limit),
            cause);
}

/// A group, and whether its time was up before it ended; on the group's strand.
struct Limited {
  explicit Limited(const asio::any_io_executor& ex) : group(std::make_shared<ChildGroup>(ex)) {}
  const std::shared_ptr<ChildGroup> group;
  bool late = false;
};

}  // namespace

asio::awaitable<void> timeout_erased(asio::awaitable<void> work, std::chrono::nanoseconds limit) {
  if (limit <= std::chrono::nanoseconds::zero()) throw_timeout(limit, nullptr);
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  const auto limited = std::make_shared<Limited>(ex);
  auto fire = [weak = std::weak_ptr<Limited>(limited)] {
    if (const auto it = weak.lock(); it && it->group->cancel_now()) it->late = true;
  };
  const auto clock = clock_of(ex);
  auto timer = clock->schedule(limited->group->executor(), after(*clock, limit), std::move(fire));
  co_await limited->group->run(std::move(work), ChildGroup::Plan());
  timer.reset();
  const auto& failure = limited->group->first_error();
  if (failure && limited->group->cancelled_from_outside())
    throw cancelled_error(errc::cancelled, "cancelled within its limit in time");
  if (limited->late) throw_timeout(limit, failure);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace agentflow::detail
