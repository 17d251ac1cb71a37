// SPDX-License-Identifier: MIT
// The async toolkit without a graph: several at once, with limits in number and time, and again when something fails.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

// Stands for a request to a service.
asio::awaitable<std::string> fetch(std::string name, std::chrono::milliseconds takes) {
  co_await af::sleep(takes);
  if (name == "bad") throw std::runtime_error("404");
  co_return name + " in " + std::to_string(takes.count()) + " ms";
}

class FlakyService {
 public:
  asio::awaitable<std::string> ask() {
    co_await af::sleep(1ms);
    if (++calls_ < 3) throw std::runtime_error("overloaded");
    co_return "answered at call " + std::to_string(calls_);
  }

 private:
  int calls_ = 0;
};

asio::awaitable<int> amain() {
  int right = 0;

  // Side by side; results in the order of the arguments, each of its own type.
  auto both = co_await af::gather(fetch("slow", 20ms), fetch("fast", 5ms));
  auto& [slow, fast] = both;
  std::cout << slow << ", " << fast << "\n";

  // A list, at most two at once, and an outcome for each instead of the first failure.
  std::vector<asio::awaitable<std::string>> work;
  for (const char* name : {"a", "bad", "c", "d"}) work.push_back(fetch(name, 5ms));
  const auto outcomes = co_await af::gather(std::move(work), af::return_exceptions, af::GatherOptions().limit(2));
  for (const auto& outcome : outcomes) {
    if (outcome) std::cout << *outcome << "\n";
    if (!outcome) std::cout << "failed: " << af::describe(outcome.error()) << "\n";
    right += outcome.has_value();
  }

  // A limit in time. The work is cancelled and joined before the error is thrown.
  try {
    co_await af::timeout(fetch("never", 1h), 10ms);
  } catch (const af::timeout_error& e) {
    std::cout << e.message() << "\n";
    right += e.limit() == 10ms;
  }

  // Again, with a growing wait in between.
  FlakyService service;
  const auto policy = af::RetryPolicy().attempts(5).backoff(2ms).on_retry([](const af::RetryEvent& e) {
    std::cout << "retry " << e.attempt << "/" << e.attempts << " after: " << af::describe(e.error) << "\n";
  });
  const auto answer = co_await af::retry([&] { return service.ask(); }, policy);
  std::cout << answer << "\n";
  right += answer == "answered at call 3";

  // A semaphore, where the limit belongs to the service and not to one gather.
  af::Semaphore semaphore(2);
  int now = 0, most = 0;
  auto limited = [&]() -> asio::awaitable<void> {
    auto slot = co_await semaphore.acquire();
    most = std::max(most, ++now);
    co_await af::sleep(2ms);
    --now;
  };
  co_await af::gather(limited(), limited(), limited(), limited());
  std::cout << "at most " << most << " at once\n";
  co_return right == 5 && most == 2 ? 0 : 1;
}

int main() { return af::run(amain()); }
