// SPDX-License-Identifier: MIT
// A message queue in the process: a bounded channel between a producer and workers that run a graph for each message.
// A full queue holds the producer back.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;
using Queue = asio::experimental::channel<void(asio::error_code, std::string)>;
using App = af::CompiledGraph<af::AgentState>;

struct Log {
  std::size_t waiting = 0, most_waiting = 0;
  std::set<std::string> answers;
};

asio::awaitable<void> produce(Queue& queue, Log& log, int messages, int workers) {
  for (int i = 0; i < messages; ++i) {
    log.most_waiting = std::max(log.most_waiting, ++log.waiting);
    co_await queue.async_send(asio::error_code(), "message " + std::to_string(i),
                              asio::use_awaitable);  // waits for room
  }
  // Closing the channel would drop what is in it: an empty message tells a worker that there are no more.
  for (int i = 0; i < workers; ++i) co_await queue.async_send(asio::error_code(), "", asio::use_awaitable);
}

asio::awaitable<void> work(Queue& queue, Log& log, App app) {
  for (;;) {
    const std::string message = co_await queue.async_receive(asio::use_awaitable);
    if (message.empty()) co_return;
    --log.waiting;
    const auto result = co_await app.ainvoke(message);
    log.answers.insert(result->messages.back().text());
  }
}

asio::awaitable<std::string> handle(const af::AgentState& s) {
  co_await af::sleep(1ms);  // stands for work that waits
  co_return "done: " + s.messages.back().text();
}

asio::awaitable<int> amain() {
  af::StateGraph<> graph;
  graph.add_node("handle", handle).set_entry_point("handle").add_edge("handle", "END");
  const App app = graph.compile();

  const auto executor = co_await asio::this_coro::executor;
  Queue queue(executor, 4);
  Log log;
  co_await af::gather(produce(queue, log, 40, 3), work(queue, log, app), work(queue, log, app), work(queue, log, app));
  std::cout << log.answers.size() << " messages handled, never more than " << log.most_waiting << " waiting\n";
  // Four in the queue, one in the hands of the producer, one with each worker.
  co_return log.answers.size() == 40 && log.most_waiting <= 8 ? 0 : 1;
}

int main() { return af::run(amain()); }
