// SPDX-License-Identifier: MIT
// seq and its kin (three nodes in a row), and chain(K) (K of them).
#include <array>

#include "workloads.hpp"

namespace bench {
namespace {

void check(const af::RunResult<Counter>& result, int length) {
  verify(result->counter == length, "a chain: the counter");
  verify(result.steps() == static_cast<std::uint64_t>(length), "a chain: the steps");
}

void invoke(const af::CompiledGraph<Counter>& app, int length, long runs) {
  const af::RunConfig config = af::RunConfig().recursion_limit(static_cast<std::uint64_t>(length));
  for (long i = 0; i < runs; ++i) check(app.invoke(Counter(), config), length);
}

asio::awaitable<void> ainvoke(const af::CompiledGraph<Counter>& app, long runs) {
  for (long i = 0; i < runs; ++i) {
    Counter input;
    const auto result = co_await app.ainvoke(input);
    check(result, 3);
  }
}

asio::awaitable<void> astream(const af::CompiledGraph<Counter>& app, long runs) {
  for (long i = 0; i < runs; ++i) {
    auto run = app.astream(Counter(), af::RunConfig().stream(af::stream_mode::updates));
    int updates = 0;
    while (true) {
      const auto chunk = co_await run.next();
      if (!chunk) break;
      ++updates;
    }
    const auto result = co_await run.result();
    verify(updates == 3, "seq_stream: the updates");
    check(result, 3);
  }
}

}  // namespace

void seq(Session& session) {
  const auto async_app = chain(3, add_one);
  const auto sync_app = chain(3, add_one_now);

  session.measure(Case{.workload = "seq",
                       .run = [&](long n) { invoke(async_app, 3, n); },
                       .target = {.ns = 1000, .ir = 12'000, .mallocs = 16},
                       .floor = [](long n) { bare_loop_per_run(n, 3, false); },
                       .count_instructions = true});
  session.measure(Case{.workload = "seq_sync",
                       .run = [&](long n) { invoke(sync_app, 3, n); },
                       .target = {.ns = 400, .ir = 4'000, .mallocs = 6},
                       .floor = [](long n) { bare_functions(n, 3); },
                       .count_instructions = true});
  const auto in_loop = [&](const af::CompiledGraph<Counter>& app, std::string variant) {
    session.measure(Case{.workload = "seq_ainvoke",
                         .variant = std::move(variant),
                         .run =
                             [&app](long n) {
                               asio::io_context loop(1);
                               run_on(loop, ainvoke(app, n));
                             },
                         .target = {.ns = 500, .ir = 6'000, .mallocs = 6},
                         .floor =
                             [](long n) {
                               const auto runs = [](long count) -> asio::awaitable<void> {
                                 for (long i = 0; i < count; ++i) co_await bare_steps(3);
                               };
                               asio::io_context loop(1);
                               run_on(loop, runs(n));
                             },
                         .count_instructions = true});
  };
  in_loop(async_app, "awaitable");
  in_loop(sync_app, "sync");
  session.measure(Case{.workload = "seq_stream",
                       .run =
                           [&](long n) {
                             asio::io_context loop(1);
                             run_on(loop, astream(async_app, n));
                           },
                       .count_instructions = true});
}

void chains(Session& session) {
  const auto series = [&](const char* variant, auto node, double target_ns, double allowed_ir, auto floor) {
    std::array<std::optional<Row>, 3> rows;
    const std::array lengths{10, 100, 1000};
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      const int length = lengths[i];
      const std::string name = "chain(" + std::to_string(length) + ")";
      if (!session.considers(name + " " + variant)) continue;
      const auto app = chain(length, node);
      rows[i] = session.measure(Case{.workload = name,
                                     .variant = variant,
                                     .run = [&app, length](long n) { invoke(app, length, n); },
                                     .floor = [floor, length](long n) { floor(n, length); },
                                     .count_instructions = length != 100});
    }
    session.add_slope(Row{.workload = "chain",
                          .variant = variant,
                          .unit = "step",
                          .target = {.ns = target_ns, .mallocs = 0},
                          .allowed = {.ir = allowed_ir}},
                      rows[0], 10, rows[2], 1000);
  };
  series("sync", add_one_now, 100, 435, [](long n, int length) { bare_functions(n, length); });
  series("awaitable", add_one, 150, 1'000, [](long n, int length) { bare_loop_per_run(n, length, false); });
}

}  // namespace bench
