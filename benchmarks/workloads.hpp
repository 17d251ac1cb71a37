// SPDX-License-Identifier: MIT
// The workloads, the states they run on, and what they share.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <agentflow/agentflow.hpp>

#include "bench.hpp"

namespace bench {

namespace af = agentflow;

/// The state of seq and chain.
struct Counter {
  int counter = 0;
};
AGENTFLOW_STATE(Counter, counter)

/// The state of par, wide and send.
struct Fan {
  af::List<int> results;
  int count = 0;
};
AGENTFLOW_STATE(Fan, (results, af::append), count)

inline asio::awaitable<Counter> add_one(Counter s) {
  ++s.counter;
  co_return s;
}
inline Counter add_one_now(Counter s) {
  ++s.counter;
  return s;
}

/// START -> n0 -> n1 -> ... -> END, each node adding one.
template <class Node>
af::StateGraph<Counter> chain_graph(int length, Node node) {
  af::StateGraph<Counter> graph;
  std::string before(af::START);
  for (int i = 0; i < length; ++i) {
    std::string name = "n" + std::to_string(i);
    graph.add_node(name, node).add_edge(before, name);
    before = std::move(name);
  }
  graph.add_edge(before, af::END);
  return graph;
}
template <class Node>
af::CompiledGraph<Counter> chain(int length, Node node) {
  return chain_graph(length, node).compile();
}

/// START -> w1..wW -> sum -> END; wi appends i, sum writes the size.
enum class branch { immediate, posting };
af::StateGraph<Fan> fan_graph(int width, branch kind);

/// Runs a coroutine to its end on an event loop; what it throws comes out here.
inline void run_on(asio::io_context& loop, asio::awaitable<void> work) {
  std::exception_ptr failure;
  asio::co_spawn(loop, std::move(work), [&failure](std::exception_ptr e) { failure = std::move(e); });
  loop.restart();
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

/// floors.cpp: the bare parts that workloads are held against.
asio::awaitable<void> bare_steps(long steps);
void bare_loop_per_run(long runs, long steps, bool post);
void bare_functions(long runs, long steps);
void bare_fan_out(long runs, long branches, bool post);
void bare_channel(long items);

void floors(Session& session);
void seq(Session& session);
void chains(Session& session);
void fans(Session& session);
void grow(Session& session);
void durable(Session& session);
void streams(Session& session);
void burst(Session& session);
void inflight(Session& session);
void two_threads(Session& session);
void compile(Session& session);
void agents(Session& session);
void models(Session& session);
void wide_state(Session& session);
void checkpoints(Session& session);

}  // namespace bench
