// SPDX-License-Identifier: MIT
// A program that is to be ended by signals: one graph, one run of it, a manager. What the node does is the argument.
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/this_coro.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

namespace {

// A limit is short where it is to be reached, and else far away, however busy the machine is.
std::chrono::milliseconds graph_timeout(const std::string& how) {
  return how == "steps" || how == "callback" || how == "waits for long" ? 60s : 300ms;
}
std::chrono::milliseconds program_timeout(const std::string& how) { return how == "blocks" ? 700ms : 60s; }

void say(const std::string& line) { std::cout << line << std::endl; }

void block_for_ever() {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait(lock, [] { return false; });
}

struct BlockingPublisher final : af::Publisher {
  asio::awaitable<void> publish(af::Chunk) override {
    block_for_ever();
    co_return;
  }
};

struct Count {
  int n = 0;
};
AGENTFLOW_STATE(Count, n)

asio::awaitable<Count> work(const Count& count, af::NodeContext& ctx, const std::string& how) {
  if (count.n == 0) say("ready");
  Count next = count;
  ++next.n;
  if (how == "steps" || how == "publisher" || how == "callback") {
    co_await ctx.sleep(5ms);
  } else if (how.starts_with("waits")) {
    co_await ctx.sleep(1h);
  } else if (how == "ignores") {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await ctx.sleep(1h);
  } else {
    block_for_ever();
  }
  co_return next;
}

af::CompiledGraph<Count> make_graph(const std::string& how) {
  af::StateGraph<Count> graph;
  graph.add_node("work", [how](const Count& c, af::NodeContext& ctx) { return work(c, ctx, how); });
  graph.set_entry_point("work");
  graph.add_conditional_edges("work", [](const Count& c) { return c.n < 1'000'000 ? "work" : "END"; }, {"work", "END"});
  auto options = af::CompileOptions().shutdown_timeout(graph_timeout(how));
  if (how == "publisher") options.publisher(std::make_shared<BlockingPublisher>(), af::stream_mode::updates);
  return graph.compile(options);
}

asio::awaitable<int> amain(std::string how) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  af::GracefulShutdownManager manager(executor, program_timeout(how));
  manager.on_signal([](int signal) { say("signal " + std::to_string(signal)); });
  manager.on_force([](int code) { std::_Exit(code); });
  if (how == "callback") manager.on_shutdown([] { throw std::runtime_error("this callback throws"); });
  manager.on_shutdown([] { say("asked"); });
  manager.register_signal_handlers();
  const auto app = make_graph(how);
  auto run = app.start(executor, Count(), af::RunConfig().recursion_limit(2'000'000));
  co_await manager.wait_for_shutdown();
  const auto stats = co_await manager.close_until_cancelled(app.aclose());
  say(stats.to_json());
  if (run.done() && stats.runs.cancelled == 0) {
    const auto result = co_await run.result();
    say(std::string(af::to_string(result.status())));
  }
  const int code = manager.exit_code();
  co_return code == 0 && !stats.clean() ? 75 : code;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  return af::run(amain(how), af::RunOptions().drain(10ms));
}
