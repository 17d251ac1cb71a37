// SPDX-License-Identifier: MIT
// sleep, and the clock of an execution context.
#include <agentflow/async/sleep.hpp>

#include <mutex>
#include <utility>

#include <asio/query.hpp>
#include <asio/this_coro.hpp>

#include "async/sleep_on.hpp"

namespace agentflow {
namespace {

class ClockService : public asio::execution_context::service {
 public:
  using key_type = ClockService;
  static asio::execution_context::id id;
  explicit ClockService(asio::execution_context& context) : service(context) {}
  void shutdown() override {}

  void set(std::shared_ptr<Clock> clock) {
    if (!clock) clock = Clock::system();
    std::lock_guard lock(mutex_);
    clock_.swap(clock);
  }
  std::shared_ptr<Clock> get() const {
    std::lock_guard lock(mutex_);
    return clock_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Clock> clock_ = Clock::system();
};
asio::execution_context::id ClockService::id;

}  // namespace

void set_clock(asio::execution_context& context, std::shared_ptr<Clock> clock) {
  asio::use_service<ClockService>(context).set(std::move(clock));
}

std::shared_ptr<Clock> clock_of(const asio::any_io_executor& executor) {
  return asio::use_service<ClockService>(asio::query(executor, asio::execution::context)).get();
}

asio::awaitable<void> sleep(std::chrono::nanoseconds duration) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  const auto clock = clock_of(ex);
  co_await detail::sleep_on(*clock, duration);
}

}  // namespace agentflow
