// SPDX-License-Identifier: MIT
// gather over a graph: many inputs, so many at once.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/async/gather.hpp>
#include <agentflow/typed/compiled_graph.hpp>

namespace agentflow {

namespace detail {

/// Makes the run when its turn comes, not before.
template <class S>
asio::awaitable<RunResult<S>> run_one(CompiledGraph<S> graph, Input<S> input, RunConfig config) {
  auto work = graph.ainvoke(std::move(input), std::move(config));
  auto result = co_await std::move(work);
  co_return result;
}

template <class S, class Inputs>
std::vector<asio::awaitable<RunResult<S>>> runs_of(const CompiledGraph<S>& graph, Inputs& inputs,
                                                   const RunConfig& config) {
  std::vector<asio::awaitable<RunResult<S>>> runs;
  for (auto&& input : inputs) {
    // A view does not own what it shows.
    if constexpr (std::ranges::enable_view<Inputs>)
      runs.push_back(run_one(graph, Input<S>(input), config));
    else
      runs.push_back(run_one(graph, Input<S>(std::move(input)), config));
  }
  return runs;
}

template <class Inputs, class S>
concept InputsOf = std::constructible_from<Input<S>, element_t<Inputs>>;

}  // namespace detail

/// Runs a graph once for each input, five at a time unless the options say otherwise (0: all at once), and gives the
/// results in the order of the inputs. The first failure cancels the runs under way, joins them, and is thrown; no more
/// are started. A run is made when its turn comes.
///
/// **Errors** what the run that failed first threw. **Cancellation** cancels and joins all.
///
/// **Example** `auto results = co_await af::gather(app, questions);`
template <class S, detail::InputsOf<S> Inputs>
asio::awaitable<std::vector<RunResult<S>>> gather(const CompiledGraph<S>& graph, Inputs inputs,
                                                  GatherOptions options = GatherOptions().limit(5),
                                                  const RunConfig& config = {}) {
  return gather(detail::runs_of(graph, inputs, config), options);
}

/// The same, but each run gives its result or what it failed with, and none ends another.
template <class S, detail::InputsOf<S> Inputs>
asio::awaitable<std::vector<Outcome<RunResult<S>>>> gather(const CompiledGraph<S>& graph, Inputs inputs,
                                                           return_exceptions_t all,
                                                           GatherOptions options = GatherOptions().limit(5),
                                                           const RunConfig& config = {}) {
  return gather(detail::runs_of(graph, inputs, config), all, options);
}

}  // namespace agentflow
