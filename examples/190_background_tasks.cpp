// SPDX-License-Identifier: MIT
// Work that nobody waits for, and that is not lost: bounded, named, with limits in time, drained at the end.
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

asio::awaitable<void> write_audit_record(int n) {
  co_await af::sleep(std::chrono::milliseconds(n));
  std::cout << "record " << n << " written\n";
}
asio::awaitable<void> broken() {
  throw std::runtime_error("no space left");
  co_return;
}
asio::awaitable<void> endless() { co_await af::sleep(24h); }

asio::awaitable<int> amain() {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  // With BackgroundOptions().logger(...) failures are logged, with the task's name.
  af::BackgroundTaskManager tasks(executor, af::BackgroundOptions().max_tasks(5).task_timeout(1h));
  tasks.spawn("audit 1", write_audit_record(1));
  tasks.spawn("audit 5", write_audit_record(5));
  tasks.spawn("broken", broken());
  tasks.spawn("limited", endless(), 3ms);
  tasks.spawn("endless", endless());
  int refused = 0;
  try {
    tasks.spawn("one too many", endless());
  } catch (const af::error& e) {
    std::cout << e.message() << "\n";
    refused = e.code() == af::errc::resource_exhausted;
  }

  // Drains, then cancels what is left, and joins it.
  af::ShutdownStats stats;
  stats.background_tasks = co_await tasks.aclose(50ms);
  std::cout << stats << "\n";
  const auto& done = stats.background_tasks;
  co_return refused == 1 && done.status == af::shutdown_status::cancelled&& done.completed == 2 && done.failed == 2 &&
          done.cancelled == 1
      ? 0
      : 1;
}

int main() { return af::run(amain()); }
