// SPDX-License-Identifier: MIT
// What goes wrong, and what to do about it: retries, limits in time, error handlers, errors that say everything.
#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

struct Report {
  af::List<std::string> lines;
};
AGENTFLOW_STATE(Report, (lines, af::append))

af::Update<Report> line(std::string text) { return af::Update<Report>().write<&Report::lines>(std::move(text)); }

// Fails twice. A failed attempt leaves nothing behind: each one starts from the same state.
Report fetch(Report report, af::NodeContext& ctx) {
  report.lines.push_back("fetched at attempt " + std::to_string(ctx.attempt()));
  if (ctx.attempt() < 3) throw std::runtime_error("connection reset");
  return report;
}

asio::awaitable<af::Update<Report>> slow(const Report&, af::NodeContext& ctx) {
  co_await ctx.sleep(1h);
  co_return line("never");
}

// Works longer than its idle timeout, but shows that it is alive.
asio::awaitable<af::Update<Report>> steady(const Report&, af::NodeContext& ctx) {
  for (int i = 0; i < 4; ++i) {
    co_await ctx.sleep(20ms);
    ctx.heartbeat();
  }
  co_return line("steady work");
}

af::Update<Report> broken(const Report&) { throw std::invalid_argument("no such table"); }

bool is_temporary(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::logic_error&) {
    return false;  // will not get better
  } catch (...) {
    return true;
  }
}

int main() {
  const auto retry = af::RetryPolicy().attempts(3).backoff(1ms).factor(2).cap(1s).jitter(0.25).when(is_temporary);
  af::StateGraph<Report> graph;
  graph.add_node("fetch", fetch);
  graph.add_node("slow", slow, af::NodeOptions().timeout(10ms).retry(af::RetryPolicy().attempts(1)));
  graph.add_node("steady", steady, af::NodeOptions().idle_timeout(10s));
  graph.set_entry_point("fetch").add_edge("fetch", "slow").add_edge("slow", "steady").add_edge("steady", "END");
  // A handler gives the node's result in its place when it has failed for good.
  graph.on_error("slow", [](const Report&, const af::error& e) { return line("instead: " + e.message()); });

  const auto app = graph.compile(af::CompileOptions().node_defaults(af::NodeOptions().retry(retry)));
  const auto result = app.invoke(Report());
  for (const auto& text : result->lines) std::cout << text << "\n";

  // Without a handler the run throws: which node, in which step and run, and why.
  int caught = 0;
  graph.add_node("broken", broken).add_edge("START", "broken").add_edge("broken", "END");
  try {
    graph.compile(af::CompileOptions().node_defaults(af::NodeOptions().retry(retry))).invoke(Report());
  } catch (const af::node_error& e) {
    std::cout << af::describe(e) << "\n";
    caught += e.code() == af::errc::node_failed && e.context().node() == "broken" && e.context().attempt() == 1;
  }

  // A limit for a whole run.
  af::StateGraph<Report> endless;
  endless.add_node("slow", slow).set_entry_point("slow").add_edge("slow", "END");
  try {
    endless.compile().invoke(Report(), af::RunConfig().timeout(10ms));
  } catch (const af::timeout_error& e) {
    std::cout << e.message() << "\n";
    caught += e.limit() == 10ms;
  }

  const bool right = result->lines.size() == 3 && result->lines[0] == "fetched at attempt 3" &&
                     result->lines[1].starts_with("instead: ") && result->lines[2] == "steady work" && caught == 2;
  return right ? 0 : 1;
}
