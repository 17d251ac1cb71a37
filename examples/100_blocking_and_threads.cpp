// SPDX-License-Identifier: MIT
// Long computations off the event loop, a node on an executor of your own, and one graph used by many threads.
#include <atomic>
#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

struct Job {
  int limit = 0;
  int primes = 0;
  int ticks = 0;
  bool elsewhere = false;
};
AGENTFLOW_STATE(Job, limit, primes, ticks, elsewhere)

// Holds its thread for a while. Such a function cannot be interrupted from outside, so it asks now and then.
Job count_primes(Job job, af::NodeContext& ctx) {
  for (int n = 2; n < job.limit; ++n) {
    if (n % 1024 == 0) ctx.throw_if_cancelled();
    bool prime = true;
    for (int d = 2; d * d <= n && prime; ++d) prime = n % d != 0;
    job.primes += prime;
  }
  return job;
}

// Runs beside it on the event loop, which is free.
asio::awaitable<Job> tick(Job job, af::NodeContext& ctx) {
  for (; job.ticks < 5; ++job.ticks) co_await ctx.sleep(1ms);
  co_return job;
}

int main() {
  asio::thread_pool workers(1);
  const auto main_thread = std::this_thread::get_id();

  af::StateGraph<Job> graph;
  graph.add_node("primes", af::blocking(count_primes));  // on the graph's own pool of threads
  graph.add_node("tick", tick);
  graph.add_node(
      "workers",
      [main_thread](Job job) {
        job.elsewhere = std::this_thread::get_id() != main_thread;
        return job;
      },
      af::NodeOptions().executor(workers.get_executor()));
  graph.set_entry_point("primes").set_entry_point("tick");
  graph.add_edge({"primes", "tick"}, "workers").add_edge("workers", "END");
  const auto app = graph.compile(af::CompileOptions().blocking_threads(2));

  // invoke() may be called from any number of plain threads at once; each call is a run of its own.
  std::vector<std::thread> threads;
  std::atomic<int> right_runs = 0;
  for (int i = 1; i <= 4; ++i) {
    threads.emplace_back([&app, &right_runs, i] {
      Job job;
      job.limit = i * 1000;
      const auto result = app.invoke(job);
      if (result->primes > 100 && result->ticks == 5 && result->elsewhere) ++right_runs;
    });
  }
  for (auto& thread : threads) thread.join();
  std::cout << right_runs << " runs are right\n";

  // On a thread that runs an event loop invoke() would hold that loop up. It refuses, and says what to use.
  bool refused = false;
  asio::io_context io;
  asio::post(io, [&] {
    try {
      app.invoke(Job());
    } catch (const af::nested_loop_error& e) {
      std::cout << e.message() << "\n";
      refused = true;
    }
  });
  io.run();
  return right_runs == 4 && refused ? 0 : 1;
}
