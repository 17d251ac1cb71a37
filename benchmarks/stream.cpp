// SPDX-License-Identifier: MIT
// stream(N): one node writes N tokens of a message, and a coroutine reads them.
#include "workloads.hpp"

namespace bench {
namespace {

constexpr int tokens = 1'000;

asio::awaitable<void> read_all(const af::CompiledGraph<Counter>& app, long runs) {
  for (long i = 0; i < runs; ++i) {
    auto run = app.astream(Counter(), af::RunConfig().stream(af::stream_mode::messages));
    int seen = 0;
    while (true) {
      const auto chunk = co_await run.next();
      if (!chunk) break;
      ++seen;
    }
    verify(seen == tokens, "stream: the chunks");
  }
}

}  // namespace

void streams(Session& session) {
  const auto measure = [&](std::string variant, std::string message_id) {
    af::StateGraph<Counter> graph;
    graph.add_node("talk", [message_id](Counter s, af::NodeContext& context) -> asio::awaitable<Counter> {
      for (int i = 0; i < tokens; ++i) co_await context.emit_token("token", message_id);
      co_return s;
    });
    graph.set_entry_point("talk").add_edge("talk", "END");
    const auto app = graph.compile();
    session.measure(Case{.workload = "stream(" + std::to_string(tokens) + ")",
                         .variant = std::move(variant),
                         .unit = "chunk",
                         .run =
                             [&](long n) {
                               asio::io_context loop(1);
                               run_on(loop, read_all(app, n));
                             },
                         .target = {.ns = 500},
                         .floor = [](long n) { bare_channel(n * tokens); },
                         .units = tokens,
                         .count_instructions = true});
  };
  measure("with message id", "m1");
  measure("without", "");
}

}  // namespace bench
