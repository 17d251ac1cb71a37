// SPDX-License-Identifier: MIT
// A worker that ends in order on SIGTERM or Ctrl-C. It sends itself a signal, so that it ends here too.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

asio::awaitable<std::string> agent(const af::AgentState& s, af::NodeContext& ctx) {
  if (s.messages.back().text() == "long") {
    std::raise(SIGTERM);  // what an orchestrator or a user does while it works
    co_await ctx.sleep(1h);
  }
  co_return "done";
}

asio::awaitable<void> initialize_resources() { co_await af::sleep(1ms); }
asio::awaitable<int> close_resources() {
  co_await af::sleep(1ms);
  co_return 3;
}

asio::awaitable<int> amain() {
  af::StateGraph<> graph;
  graph.add_node("agent", agent).set_entry_point("agent").add_edge("agent", "END");
  const auto app = graph.compile();

  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  af::GracefulShutdownManager shutdown(executor, 30s);
  shutdown.on_shutdown([] { std::cout << "shutting down\n"; });
  shutdown.on_force([](int code) { std::_Exit(code); });  // the third signal, or 30 s after the first
  shutdown.register_signal_handlers();

  {
    // A signal now is kept until the end of the section.
    const auto section = shutdown.protect_section();
    co_await initialize_resources();
  }

  int finished = 0;
  try {
    while (!shutdown.shutdown_requested()) {
      std::string input = "short";
      if (finished == 2) input = "long";
      co_await shutdown.run_until_shutdown(app.ainvoke(input));
      ++finished;
    }
  } catch (const af::shutdown_requested_error& e) {
    std::cout << "signal " << e.signal() << ": " << e.message() << "\n";
  }

  // In a protected section; then the handlers that were there before are back.
  const int closed = co_await shutdown.finally(close_resources);
  std::cout << finished << " inputs done, " << closed << " resources closed, exit code " << shutdown.exit_code()
            << "\n";
  // A real worker ends with co_return shutdown.exit_code(). This one says whether it did what it should.
  co_return finished == 2 && closed == 3 && shutdown.exit_code() == 75 ? 0 : 1;
}

int main() { return af::run(amain()); }
