// SPDX-License-Identifier: MIT
// The pool of an execution context, and the wait for it.
#include <agentflow/async/blocking.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include <asio/query.hpp>
#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <agentflow/core/error.hpp>

#include "async/blocking_pool.hpp"
#include "async/parking.hpp"

namespace agentflow {
namespace {

class BlockingService : public asio::execution_context::service {
 public:
  using key_type = BlockingService;
  static asio::execution_context::id id;
  explicit BlockingService(asio::execution_context& context) : service(context) {}

  void configure(BlockingOptions options) {
    std::lock_guard lock(mutex_);
    if (pool_) throw config_error(errc::bad_config, "set_blocking must come before the context's first run_blocking");
    options_ = options;
  }
  void submit(detail::UniqueFunction<void()> job) {
    std::lock_guard lock(mutex_);
    if (!pool_) pool_ = std::make_unique<detail::BlockingPool>(options_.threads());
    if (under_way_ >= pool_->max_threads() + options_.queue_limit())
      throw error(errc::resource_exhausted,
                  fmt::format("run_blocking: {} calls wait for one of {} threads already; start fewer at once (gather "
                              "with a limit, Semaphore) or raise BlockingOptions::queue_limit",
                              options_.queue_limit(), pool_->max_threads()));
    pool_->submit(std::move(job));
    ++under_way_;
  }
  void leave() noexcept {
    std::lock_guard lock(mutex_);
    --under_way_;
  }
  void shutdown() override {
    std::lock_guard lock(mutex_);
    if (pool_) pool_->drop();  // joined when the service is destroyed
  }

 private:
  std::mutex mutex_;
  BlockingOptions options_;
  std::size_t under_way_ = 0;
  std::unique_ptr<detail::BlockingPool> pool_;
};
asio::execution_context::id BlockingService::id;

BlockingService& service_of(asio::execution_context& context) { return asio::use_service<BlockingService>(context); }

/// One call: it waits, then it runs or is dropped.
class Job {
 public:
  explicit Job(detail::UniqueFunction<void()> fn) : fn_(std::move(fn)) {}
  void run() {
    if (!leave_queue(running)) return;
    fn_();
    spot.unpark();
  }
  static void cancel(void* job) {
    auto& self = *static_cast<Job*>(job);
    if (self.leave_queue(dropped)) self.spot.unpark();
  }
  bool was_dropped() const noexcept { return state_ == dropped; }

  detail::ParkingSpot spot;

 private:
  enum State { waiting, running, dropped };
  bool leave_queue(State to) noexcept {
    State from = waiting;
    return state_.compare_exchange_strong(from, to);
  }
  std::atomic<State> state_{waiting};
  detail::UniqueFunction<void()> fn_;
};

/// What a coroutine that leaves, in whatever way, gives back.
class Place {
 public:
  Place(BlockingService& service, Job& job) noexcept : service_(service), job_(job) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    Job::cancel(&job_);
    service_.leave();
  }

 private:
  BlockingService& service_;
  Job& job_;
};

}  // namespace

void set_blocking(asio::execution_context& context, BlockingOptions options) { service_of(context).configure(options); }

namespace detail {

asio::awaitable<void> run_blocking_erased(UniqueFunction<void()> fn) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  const auto state = co_await asio::this_coro::cancellation_state;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  auto& service = service_of(asio::query(ex, asio::execution::context));
  const auto job = std::make_shared<Job>(std::move(fn));
  if (state.cancelled() == asio::cancellation_type::none) {
    auto ended = job->spot.park_surely(ex, &Job::cancel, job.get());
    service.submit([job] { job->run(); });
    const Place place(service, *job);
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await std::move(ended);
  } else {
    Job::cancel(job.get());
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  if (job->was_dropped()) throw cancelled_error(errc::cancelled, "cancelled before a thread was free for it");
}

}  // namespace detail
}  // namespace agentflow
