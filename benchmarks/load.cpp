// SPDX-License-Identifier: MIT
// Many runs at a time: burst(N), inflight(N), and two threads against one.
#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "workloads.hpp"

namespace bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

double since(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::nano>(SteadyClock::now() - start).count();
}

asio::awaitable<void> one_of_many(const af::CompiledGraph<Counter>& app, SteadyClock::time_point start,
                                  double& latency) {
  Counter input;
  const auto result = co_await app.ainvoke(input);
  latency = since(start);
  verify(result->counter == 3, "burst: the counter");
}

/// A node that waits an hour, on the graph's clock or on a timer of its own.
asio::awaitable<Counter> wait_on_clock(Counter s, af::NodeContext& context) {
  co_await context.sleep(std::chrono::hours(1));
  co_return s;
}
asio::awaitable<Counter> wait_on_timer(Counter s) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, std::chrono::hours(1));
  co_await timer.async_wait(asio::use_awaitable);
  co_return s;
}

template <class Node>
void hold(Session& session, long count, const std::string& variant, double allowed_bytes, Node node) {
  const std::string workload = "inflight(" + std::to_string(count) + ")";
  if (!session.wants(workload + " " + variant)) return;
  const auto app = chain(1, node);
  asio::io_context loop(1);
  std::vector<af::Run<Counter>> runs;
  runs.reserve(static_cast<std::size_t>(count));
  track_live_bytes(true);
  const auto resident = fresh_resident_bytes();
  const auto start = SteadyClock::now();
  for (long i = 0; i < count; ++i) runs.push_back(app.start(loop.get_executor(), Counter()));
  loop.poll();
  Row row{.workload = workload,
          .variant = variant,
          .unit = "run",
          .target = {.bytes = 2560},
          .allowed = {.bytes = allowed_bytes}};
  row.ns = since(start) / static_cast<double>(count);
  const auto resident_now = peak_resident_bytes();
  // The empty state itself is not the run's; a Counter takes the smallest block there is.
  constexpr double state = 32;
  if (heap_is_counted()) row.bytes = static_cast<double>(live_bytes()) / static_cast<double>(count) - state;
  session.add(row);
  row.variant += ", resident";
  row.ns.reset();
  row.target = row.allowed = {};
  row.bytes = static_cast<double>(resident_now - resident) / static_cast<double>(count) - state;
  session.add(std::move(row));
  for (auto& run : runs) run.cancel();
  loop.run();
  for (auto& run : runs) verify(run.done(), "inflight: every run ends");
  track_live_bytes(false);
}

/// What two threads get done together against one alone, each doing `work(i)` for its own i.
double speedup(Session& session, const std::function<void(int)>& work) {
  std::vector<double> ratios;
  for (int sample = 0; sample < (session.quick() ? 5 : 11); ++sample) {
    auto start = SteadyClock::now();
    std::thread([&] { work(0); }).join();
    const double alone = since(start);
    start = SteadyClock::now();
    std::thread first([&] { work(0); }), second([&] { work(1); });
    first.join();
    second.join();
    ratios.push_back(2 * alone / since(start));
  }
  return median(std::move(ratios));
}

}  // namespace

void burst(Session& session) {
  const long count = session.quick() ? 1'000 : 10'000;
  const std::string workload = "burst(" + std::to_string(count) + ")";
  if (!session.wants(workload)) return;
  const auto app = chain(3, add_one);
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<double> totals, p50, p99;
  const auto resident = fresh_resident_bytes();
  for (int sample = 0; sample < 5; ++sample) {
    std::vector<double> latencies(static_cast<std::size_t>(count));
    asio::io_context loop(static_cast<int>(threads));
    const auto start = SteadyClock::now();
    for (auto& latency : latencies) {
      const auto rethrow = [](const std::exception_ptr& e) {
        if (e) std::rethrow_exception(e);
      };
      asio::co_spawn(loop, one_of_many(app, start, latency), rethrow);
    }
    std::vector<std::thread> workers;
    for (unsigned t = 0; t < threads; ++t) workers.emplace_back([&loop] { loop.run(); });
    for (auto& w : workers) w.join();
    totals.push_back(since(start) / static_cast<double>(count));
    std::sort(latencies.begin(), latencies.end());
    p50.push_back(latencies[latencies.size() / 2]);
    p99.push_back(latencies[latencies.size() * 99 / 100]);
  }
  const auto report = [&](std::string variant, std::string unit, double ns) {
    Row row{.workload = workload, .variant = std::move(variant), .unit = std::move(unit)};
    row.ns = ns;
    return row;
  };
  Row total = report("throughput", "run", median(std::move(totals)));
  total.bytes = static_cast<double>(peak_resident_bytes() - resident) / static_cast<double>(count);
  session.add(std::move(total));
  session.add(report("latency from submit, median", "run", median(std::move(p50))));
  session.add(report("latency from submit, 99 %", "run", median(std::move(p99))));
}

void inflight(Session& session) {
  hold(session, 10'000, "on a timer", 2'920, wait_on_timer);
  hold(session, 10'000, "in NodeContext::sleep", 3'580, wait_on_clock);
  if (session.quick() || session.options().check) return;
  hold(session, 100'000, "on a timer", 2'920, wait_on_timer);
  hold(session, 100'000, "in NodeContext::sleep", 3'580, wait_on_clock);
}

void two_threads(Session& session) {
  const long runs = session.quick() ? 5'000 : 30'000;
  const auto report = [&](const std::string& variant, Target target, const std::function<void(int)>& work) {
    if (!session.wants("two_threads " + variant)) return;
    Row row{.workload = "two_threads", .variant = variant, .unit = "ratio", .target = target};
    row.ratio = speedup(session, work);
    session.add(std::move(row));
  };
  report("bare parts", {}, [=](int) { bare_loop_per_run(2 * runs, 3, false); });
  const std::array apps{chain(3, add_one), chain(3, add_one)};
  const auto invoke = [=](const af::CompiledGraph<Counter>& app) {
    for (long i = 0; i < runs; ++i) verify(app.invoke(Counter())->counter == 3, "two threads: the counter");
  };
  report("a graph each", {.ratio_at_least = 1.8}, [&](int i) { invoke(apps[static_cast<std::size_t>(i)]); });
  report("one graph", {.ratio_at_least = 1.8}, [&](int) { invoke(apps[0]); });
}

}  // namespace bench
