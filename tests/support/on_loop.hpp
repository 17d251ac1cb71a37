// SPDX-License-Identifier: MIT
// Runs a coroutine of a test on an event loop of its own, where a hang is a failure.
#pragma once

#include <chrono>

#include <asio/awaitable.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/testing/virtual_time.hpp>

/// Lets everything else that is ready on the loop go first.
inline asio::awaitable<void> give_way(int times = 1) {
  for (int i = 0; i < times; ++i) co_await asio::post(asio::use_awaitable);
}

/// Runs the coroutine that `make()` returns to its end, and gives its result; `make` lives as long. Other threads have
/// 20 s to come back to the loop.
template <class F>
auto on_loop(F make) {
  agentflow::testing::VirtualLoop loop;
  loop.wait_for_threads(std::chrono::seconds(20));
  return loop.run(make());
}
