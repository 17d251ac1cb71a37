// SPDX-License-Identifier: MIT
// Private: the threads that blocking functions run on.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <agentflow/core/function.hpp>

namespace agentflow::detail {

/// A bounded set of plain threads, started when needed. Not Asio threads on purpose: a blocking call made on one of
/// them holds up nobody's event loop, so `invoke()` is allowed there.
class BlockingPool {
 public:
  explicit BlockingPool(std::size_t max_threads);
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;
  /// Finishes what was submitted, then joins.
  ~BlockingPool();
  /// Runs `job` on a thread of the pool. The job must not throw. Called on one of them, by a job that waits for a run
  /// with jobs of its own: as that job only waits, one more may work until it is done.
  void submit(UniqueFunction<void()> job);
  /// Forgets what was submitted and has not begun.
  void drop();
  std::size_t max_threads() const noexcept { return max_threads_; }

 private:
  // Owned by the threads too, so that the pool may even be destroyed on one of them.
  struct Shared {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<UniqueFunction<void()>> jobs;
    std::size_t idle = 0;
    std::size_t running = 0;
    std::size_t limit = 0;  // of those that run
    bool closing = false;
    void work();
  };

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::vector<std::thread> threads_;  // guarded by shared_->mutex
  const std::size_t max_threads_;
};

}  // namespace agentflow::detail
