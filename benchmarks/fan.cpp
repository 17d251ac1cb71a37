// SPDX-License-Identifier: MIT
// par (five branches), wide(W) (many) and send(W) (as many, of one node).
#include <array>
#include <vector>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "workloads.hpp"

namespace bench {
namespace {

asio::awaitable<Fan> sum(Fan s) {
  s.count = static_cast<int>(s.results.size());
  co_return s;
}

/// Appends one number; with `Posting` after a trip through the event loop.
template <bool Posting>
auto appender(int number) {
  return [number](Fan s) -> asio::awaitable<Fan> {
    if constexpr (Posting) co_await asio::post(asio::use_awaitable);
    s.results.push_back(number);
    co_return s;
  };
}

template <bool Posting>
asio::awaitable<af::Update<Fan>> work(int number) {
  if constexpr (Posting) co_await asio::post(asio::use_awaitable);
  af::Update<Fan> update;
  update.write<&Fan::results>(number);
  co_return update;
}

template <bool Posting>
af::StateGraph<Fan> send_graph(int width) {
  af::StateGraph<Fan> graph;
  graph.add_node("work", work<Posting>).add_node("sum", sum);
  const auto router = [width](const Fan&) {
    std::vector<af::Send> sends;
    sends.reserve(static_cast<std::size_t>(width));
    for (int i = 1; i <= width; ++i) sends.emplace_back("work", i);
    return sends;
  };
  graph.add_conditional_edges("START", router, std::vector<std::string>{"work"});
  graph.add_edge("work", "sum").add_edge("sum", "END");
  return graph;
}

void invoke(const af::CompiledGraph<Fan>& app, int width, long runs) {
  for (long i = 0; i < runs; ++i) {
    const auto result = app.invoke(Fan());
    verify(result->count == width && result.steps() == 2, "a fan-out: the count");
    int expected = 0;
    for (const int number : result->results) verify(number == ++expected, "a fan-out: the order");
    verify(expected == width, "a fan-out: the results");
  }
}

void series(Session& session, const std::string& workload, const std::string& variant, bool posting, Target allowed,
            const std::function<af::StateGraph<Fan>(int)>& make) {
  std::array<std::optional<Row>, 3> rows;
  const std::array widths{10, 100, 1000};
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const int width = widths[i];
    const std::string name = workload + "(" + std::to_string(width) + ")";
    if (!session.considers(name + " " + variant)) continue;
    const auto app = make(width).compile();
    rows[i] = session.measure(Case{.workload = name,
                                   .variant = variant,
                                   .run = [&app, width](long n) { invoke(app, width, n); },
                                   .floor = [width, posting](long n) { bare_fan_out(n, width, posting); },
                                   .count_instructions = width != 100});
  }
  session.add_slope(Row{.workload = workload,
                        .variant = variant,
                        .unit = "branch",
                        .target = {.ns = 400, .mallocs = 6},
                        .allowed = allowed},
                    rows[0], 10, rows[2], 1000);
}

}  // namespace

af::StateGraph<Fan> fan_graph(int width, branch kind) {
  af::StateGraph<Fan> graph;
  for (int i = 1; i <= width; ++i) {
    const std::string name = "w" + std::to_string(i);
    if (kind == branch::posting)
      graph.add_node(name, appender<true>(i));
    else
      graph.add_node(name, appender<false>(i));
    graph.add_edge("START", name).add_edge(name, "sum");
  }
  graph.add_node("sum", sum).add_edge("sum", "END");
  return graph;
}

void fans(Session& session) {
  const auto par = [&](branch kind, std::string variant, Target target, Target allowed) {
    const auto app = fan_graph(5, kind).compile();
    session.measure(Case{.workload = "par",
                         .variant = std::move(variant),
                         .run = [&](long n) { invoke(app, 5, n); },
                         .target = target,
                         .allowed = allowed,
                         .floor = [kind](long n) { bare_loop_per_run(n, 6, kind == branch::posting); },
                         .count_instructions = true});
  };
  par(branch::immediate, "immediate", {.ns = 2500, .ir = 25'000, .mallocs = 40}, {});
  par(branch::posting, "posting", {.ns = 4000}, {.ir = 44'700, .mallocs = 88});
  const Target posting{.ir = 9'850, .mallocs = 12.6};
  series(session, "wide", "immediate", false, {.ir = 2'640},
         [](int width) { return fan_graph(width, branch::immediate); });
  series(session, "wide", "posting", true, posting, [](int width) { return fan_graph(width, branch::posting); });
  series(session, "send", "immediate", false, {.ir = 3'290}, send_graph<false>);
  series(session, "send", "posting", true, posting, send_graph<true>);
}

}  // namespace bench
