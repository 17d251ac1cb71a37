// SPDX-License-Identifier: MIT
// with_graph: a graph that is closed whatever happens.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/async/shutdown_stats.hpp>
#include <agentflow/typed/compiled_graph.hpp>

namespace agentflow {

namespace detail {

template <class R>
struct WithGraphResult {
  using type = std::pair<R, ShutdownStats>;
};
template <>
struct WithGraphResult<void> {
  using type = ShutdownStats;
};
template <class S, class F>
using BodyResult = typename std::invoke_result_t<F&, CompiledGraph<S>&>::value_type;

}  // namespace detail

/// Runs `body(graph)`, a coroutine, and then closes the graph: when the body has succeeded, thrown, or been cancelled.
/// Gives the `ShutdownStats`, or the pair of what the body gives and them.
///
/// It exists because C++ has no `co_await` in destructors and `catch`, where the close would have to stand.
///
/// ```cpp
/// auto use = [&](auto& app) -> asio::awaitable<void> { ... co_await app.ainvoke("Hello"); ... };
/// const af::ShutdownStats stats = co_await af::with_graph(graph.compile(), use);
/// ```
/// **Errors** what the body throws, after the close.
/// **Cancellation** cancels the body; the close drains as ever. One that comes during the close cuts that short.
/// **Lifetime** Copies the graph, which copies share, and the body. On g++ 12 name a lambda that captures by value
/// before you await with it.
template <class S, class F>
asio::awaitable<typename detail::WithGraphResult<detail::BodyResult<S, F>>::type> with_graph(CompiledGraph<S> graph,
                                                                                             F body) {
  using R = detail::BodyResult<S, F>;
  std::optional<std::conditional_t<std::is_void_v<R>, char, R>> value;
  std::exception_ptr failure;
  try {
    auto work = body(graph);
    if constexpr (std::is_void_v<R>)
      co_await std::move(work);
    else
      value.emplace(co_await std::move(work));
  } catch (...) {
    failure = std::current_exception();
  }
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  auto closing = graph.aclose();
  ShutdownStats stats = co_await std::move(closing);
  co_await asio::this_coro::throw_if_cancelled(throws);
  if (failure) std::rethrow_exception(failure);
  if constexpr (std::is_void_v<R>) {
    co_return stats;
  } else {
    typename detail::WithGraphResult<R>::type both(std::move(*value), std::move(stats));
    co_return both;
  }
}

}  // namespace agentflow
