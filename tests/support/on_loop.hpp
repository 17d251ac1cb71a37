// SPDX-License-Identifier: MIT
// Runs a coroutine of a test on an event loop of its own, with a limit so that a hang is a failure.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "support/manual_clock.hpp"

template <class T>
struct AwaitedBy;
template <class T>
struct AwaitedBy<asio::awaitable<T>> {
  using type = T;
};

/// Lets everything else that is ready on the loop go first.
inline asio::awaitable<void> give_way(int times = 1) {
  for (int i = 0; i < times; ++i) co_await asio::post(asio::use_awaitable);
}

/// Runs the coroutine `make()` returns until it ends, and gives its result. With a clock, time goes on to the next timer
/// whenever nothing else is left to do, so that waits cost nothing; without one it is real, and 20 s are a hang.
template <class F>
auto on_loop(F make, ManualClock* clock = nullptr) {
  using T = typename AwaitedBy<std::invoke_result_t<F&>>::type;
  struct Outcome {
    std::conditional_t<std::is_void_v<T>, std::optional<bool>, std::optional<T>> value;
    std::exception_ptr failure;
    bool done = false;
  };
  const auto outcome = std::make_shared<Outcome>();
  auto body = [](F& f, std::shared_ptr<Outcome> out) -> asio::awaitable<void> {
    auto work = f();
    if constexpr (std::is_void_v<T>) {
      co_await std::move(work);
    } else {
      T value = co_await std::move(work);
      out->value.emplace(std::move(value));
    }
  };
  asio::io_context io(1);
  asio::co_spawn(io, body(make, outcome), [outcome](std::exception_ptr e) {
    outcome->failure = std::move(e);
    outcome->done = true;
  });
  if (clock == nullptr) {
    io.run_for(std::chrono::seconds(20));
  } else {
    do {
      io.restart();
      io.poll();
    } while (!outcome->done && clock->advance_to_next());
    io.restart();
    io.poll();
  }
  if (!outcome->done) throw std::logic_error("the coroutine of this test hangs");
  if (outcome->failure) std::rethrow_exception(outcome->failure);
  if constexpr (!std::is_void_v<T>) return std::move(*outcome->value);
}
