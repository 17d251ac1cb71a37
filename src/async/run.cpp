// SPDX-License-Identifier: MIT
// A coroutine on an event loop of its own.
#include <agentflow/async/run.hpp>

#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/error.hpp>

#include "async/loop_guard.hpp"
#include "async/sleep_on.hpp"

namespace agentflow::detail {
namespace {

/// An event loop on several threads. What the coroutine throws ends it alone; what any other handler throws ends the
/// loop, as it would end `io_context::run`.
class Runner {
 public:
  explicit Runner(const RunOptions& options) : options_(options), io_(static_cast<int>(options.threads())) {}

  void run(asio::awaitable<void> work) {
    const bool alone = options_.threads() == 1;
    asio::co_spawn(io_, std::move(work), [this, alone](std::exception_ptr e) {
      if (e) fail(std::move(e));
      if (alone) io_.stop();
      set(done_);
    });
    if (alone)
      run_here();
    else
      run_on_threads();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void run_here() {
    guarded([this] { io_.run(); });
    if (broken_) return;
    io_.restart();
    guarded([this] { io_.run_until(after(*Clock::system(), options_.drain())); });
  }

  /// The calling thread watches the time: one that runs handlers cannot be called away from them.
  void run_on_threads() {
    std::vector<std::thread> threads;
    guarded([&] {
      while (threads.size() < options_.threads())
        threads.emplace_back([this] {
          guarded([this] { io_.run(); });
          set(ended_);
        });
    });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_ || broken_; });
    // One of them ends when nothing is left, and then all do.
    changed_.wait_until(lock, after(*Clock::system(), options_.drain()), [this] { return ended_ || broken_; });
    lock.unlock();
    io_.stop();
    for (auto& t : threads) t.join();
  }

  template <class F>
  void guarded(F&& fn) {
    try {
      fn();
    } catch (...) {
      fail(std::current_exception());
      set(broken_);
      io_.stop();
    }
  }
  void fail(std::exception_ptr e) {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(e);
  }
  void set(bool& flag) {
    std::lock_guard lock(mutex_);
    flag = true;
    changed_.notify_all();
  }

  const RunOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr failure_;
  bool done_ = false;    // the coroutine
  bool ended_ = false;   // a thread
  bool broken_ = false;  // the loop
  asio::io_context io_;  // goes first, and with it what was abandoned
};

void check(const RunOptions& options) {
  refuse_on_loop_thread("run()", "co_await on the coroutine itself");
  if (options.threads() == 0) throw config_error(errc::bad_config, "RunOptions::threads must be at least 1");
}

}  // namespace

void run_to_end(asio::awaitable<void> work, const RunOptions& options) {
  check(options);
  Runner(options).run(std::move(work));
}

int run_as_main(asio::awaitable<void> work, const RunOptions& options) {
  check(options);
  try {
    Runner(options).run(std::move(work));
    return 0;
  } catch (...) {
    const std::string text = describe(std::current_exception());
    std::fprintf(stderr, "%s\n", text.c_str());
    return 1;
  }
}

}  // namespace agentflow::detail
