// SPDX-License-Identifier: MIT
// Private: runs one coroutine to its end on the calling thread.
#pragma once

#include <exception>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "async/loop_guard.hpp"

namespace agentflow::detail {

template <class T>
asio::awaitable<void> keep_result(asio::awaitable<T> work, std::optional<T>& result) {
  T value = co_await std::move(work);
  result.emplace(std::move(value));
}

/// Blocks until the coroutine `make` gives is done. Throws `nested_loop_error`, before anything is started, on a thread
/// that runs an event loop; `call` and `instead` are what its message names.
template <class F>
auto run_sync(std::string_view call, std::string_view instead, F make) {
  using T = typename decltype(make())::value_type;
  refuse_on_loop_thread(call, instead);
  std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> result;
  std::exception_ptr failure;
  {
    asio::io_context io(1);
    auto done = [&failure](std::exception_ptr e) { failure = std::move(e); };
    if constexpr (std::is_void_v<T>)
      asio::co_spawn(io, make(), std::move(done));
    else
      asio::co_spawn(io, keep_result(make(), result), std::move(done));
    io.run();
  }
  if (failure) std::rethrow_exception(failure);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace agentflow::detail
