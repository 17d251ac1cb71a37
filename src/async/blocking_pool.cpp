// SPDX-License-Identifier: MIT
// The blocking pool.
#include "async/blocking_pool.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include <agentflow/core/error.hpp>

namespace agentflow::detail {

namespace {
thread_local const void* pool_of_thread = nullptr;
thread_local bool thread_waits = false;
}  // namespace

BlockingPool::BlockingPool(std::size_t max_threads)
    : max_threads_(max_threads != 0 ? max_threads : std::max<std::size_t>(4, std::thread::hardware_concurrency())) {
  shared_->limit = max_threads_;
}

BlockingPool::~BlockingPool() {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
  }
  shared_->wake.notify_all();
  for (auto& t : threads_) {
    if (t.get_id() == std::this_thread::get_id())
      t.detach();
    else
      t.join();
  }
}

void BlockingPool::submit(UniqueFunction<void()> job) {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->jobs.push_back(std::move(job));
    if (pool_of_thread == shared_.get() && !std::exchange(thread_waits, true)) ++shared_->limit;
    if (shared_->idle < shared_->jobs.size() && threads_.size() < shared_->limit) {
      try {
        threads_.emplace_back([shared = shared_] { shared->work(); });
      } catch (const std::exception& e) {
        // Those that run already will do it.
        if (threads_.empty()) {
          shared_->jobs.pop_back();
          throw error(errc::resource_exhausted,
                      std::string("cannot start a thread for a blocking function: ") + e.what());
        }
      }
    }
  }
  shared_->wake.notify_one();
}

void BlockingPool::drop() {
  std::deque<UniqueFunction<void()>> dropped;  // goes when nothing is locked
  std::lock_guard lock(shared_->mutex);
  dropped.swap(shared_->jobs);
}

void BlockingPool::Shared::work() {
  pool_of_thread = this;
  std::unique_lock lock(mutex);
  for (;;) {
    ++idle;
    wake.wait(lock, [this] { return closing || (!jobs.empty() && running < limit); });
    --idle;
    if (jobs.empty()) return;
    ++running;
    auto job = std::move(jobs.front());
    jobs.pop_front();
    lock.unlock();
    job();
    job = {};
    lock.lock();
    --running;
    if (std::exchange(thread_waits, false)) --limit;
  }
}

}  // namespace agentflow::detail
