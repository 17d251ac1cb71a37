// SPDX-License-Identifier: MIT
// The asynchronous application of docs/async_patterns.md: a graph, a shutdown manager, and a close whatever happens.
#include <chrono>
#include <cstdlib>
#include <iostream>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

asio::awaitable<af::AgentState> agent_node(af::AgentState s) {
  co_return s;  // your awaitable work goes here
}

asio::awaitable<int> amain() {
  // Build the graph.
  af::StateGraph<> graph;
  graph.add_node("agent", agent_node);
  graph.set_entry_point("agent");
  graph.add_edge("agent", "END");

  // Compile it, and say how long closing it may take.
  const auto compiled = graph.compile(af::CompileOptions().shutdown_timeout(30s));

  // SIGINT and SIGTERM end the program in order.
  af::GracefulShutdownManager manager(co_await asio::this_coro::executor, 30s);
  manager.register_signal_handlers();
  manager.on_force([](int code) { std::_Exit(code); });

  // with_graph closes the graph on success, on an exception and on cancellation.
  auto work = [&manager](af::CompiledGraph<af::AgentState>& app) -> asio::awaitable<void> {
    const auto result = co_await manager.run_until_shutdown(app.ainvoke(af::Message::from_text("Hello")));
    std::cout << result << "\n";
  };
  try {
    const auto stats = co_await af::with_graph(compiled, work);
    std::cout << "Shutdown stats: " << stats << "\n";
  } catch (const af::shutdown_requested_error&) {
    std::cerr << "stopped by a signal\n";  // and closed all the same
  }
  manager.unregister_signal_handlers();
  co_return manager.exit_code();
}

int main() { return af::run(amain()); }
