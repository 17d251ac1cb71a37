// SPDX-License-Identifier: MIT
// The floors: what the parts cost that a run cannot do without, measured in the same process as the workloads.
#include <chrono>
#include <deque>
#include <functional>

#include <asio/bind_executor.hpp>
#include <asio/experimental/channel.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "workloads.hpp"

namespace bench {
namespace {

using SyncNode = std::function<Counter(Counter)>;
using AsyncNode = std::function<asio::awaitable<Counter>(Counter)>;

const SyncNode sync_node = add_one_now;
const AsyncNode async_node = add_one;

asio::awaitable<Counter> add_one_after_post(Counter s) {
  co_await asio::post(asio::use_awaitable);
  ++s.counter;
  co_return s;
}
const AsyncNode posting_node = add_one_after_post;

asio::awaitable<void> steps(const AsyncNode& node, long n) {
  Counter state;
  for (long i = 0; i < n; ++i) {
    auto work = node(state);
    state = co_await std::move(work);
  }
  verify(state.counter == n, "awaited children");
}

/// Runs what it is given at once, so that a branch that never suspended costs no post.
struct AtOnce {
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  AtOnce require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
  template <class F>
  void execute(F&& f) const {
    std::forward<F>(f)();
  }
  bool operator==(const AtOnce&) const noexcept { return true; }
  bool operator!=(const AtOnce&) const noexcept { return false; }
};

/// Branches that run beside each other on one loop, and a count that tells when all are done.
void spawn_branches(asio::io_context& loop, const AsyncNode& node, long branches) {
  long left = branches;
  asio::post(loop, [&] {
    for (long i = 0; i < branches; ++i) {
      auto done = [&left](const std::exception_ptr&, const Counter&) { --left; };
      asio::co_spawn(loop, node(Counter()), asio::bind_executor(AtOnce(), done));
    }
  });
  loop.restart();
  loop.run();
  verify(left == 0, "spawned branches");
}

/// A run as small as it can be: a spawned coroutine, a node below it, and a timer.
asio::awaitable<void> wait_for(asio::steady_timer& timer) { co_await timer.async_wait(asio::use_awaitable); }
asio::awaitable<void> waiting_run(asio::io_context& loop) {
  asio::steady_timer timer(loop, std::chrono::hours(1));
  co_await wait_for(timer);
}

void suspended_bytes(Session& session) {
  if (!session.wants("floor co_spawn, awaitable and timer, suspended")) return;
  constexpr long count = 1000;
  track_live_bytes(true);
  {
    asio::io_context loop(1);
    for (long i = 0; i < count; ++i) {
      asio::co_spawn(loop, waiting_run(loop), [](const std::exception_ptr&) {});
    }
    loop.poll();
    Row row{.workload = "floor", .variant = "co_spawn, awaitable and timer, suspended", .unit = "run"};
    if (heap_is_counted()) row.bytes = static_cast<double>(live_bytes()) / count;
    session.add(std::move(row));
  }
  track_live_bytes(false);
}

}  // namespace

asio::awaitable<void> bare_steps(long n) { return steps(async_node, n); }

void bare_loop_per_run(long runs, long n, bool post) {
  for (long i = 0; i < runs; ++i) {
    asio::io_context loop(1);
    run_on(loop, steps(post ? posting_node : async_node, n));
  }
}

void bare_functions(long runs, long n) {
  for (long i = 0; i < runs; ++i) {
    const auto state = std::make_unique<Counter>();
    for (long k = 0; k < n; ++k) *state = sync_node(*state);
    verify(state->counter == n, "functions in a loop");
  }
}

void bare_fan_out(long runs, long branches, bool post) {
  asio::io_context loop(1);
  for (long i = 0; i < runs; ++i) spawn_branches(loop, post ? posting_node : async_node, branches);
}

void bare_channel(long items) {
  using Channel = asio::experimental::channel<void(std::error_code, std::string)>;
  asio::io_context loop(1);
  Channel channel(loop, 256);
  const auto produce = [](Channel& out, long n) -> asio::awaitable<void> {
    for (long i = 0; i < n; ++i) co_await out.async_send(std::error_code(), std::string("token"), asio::use_awaitable);
  };
  const auto consume = [](Channel& in, long n) -> asio::awaitable<void> {
    for (long i = 0; i < n; ++i) {
      const std::string item = co_await in.async_receive(asio::use_awaitable);
      verify(item.size() == 5, "channel");
    }
  };
  asio::co_spawn(loop, produce(channel, items), [](const std::exception_ptr&) {});
  run_on(loop, consume(channel, items));
}

void floors(Session& session) {
  const auto floor = [&](std::string variant, std::string unit, std::function<void(long)> run, double units = 1) {
    session.measure(Case{.workload = "floor",
                         .variant = std::move(variant),
                         .unit = std::move(unit),
                         .run = std::move(run),
                         .units = units});
  };
  floor("function in a loop", "call", [](long n) { bare_functions(1, n); });
  floor("awaited child", "call", [](long n) {
    asio::io_context loop(1);
    run_on(loop, bare_steps(n));
  });
  floor("awaited child that posts", "call", [](long n) { bare_loop_per_run(1, n, true); });
  floor("io_context(1) made and destroyed", "context", [](long n) {
    for (long i = 0; i < n; ++i) {
      const asio::io_context loop(1);
      keep(loop);
    }
  });
  floor("co_spawn and run on a new io_context(1)", "call", [](long n) { bare_loop_per_run(n, 0, false); });
  floor("co_spawn and run on a reused io_context(1)", "call", [](long n) {
    asio::io_context loop(1);
    for (long i = 0; i < n; ++i) run_on(loop, bare_steps(0));
  });
  floor("co_spawn per branch and count", "branch", [](long n) { bare_fan_out(n, 100, false); }, 100);
  floor("co_spawn per posting branch and count", "branch", [](long n) { bare_fan_out(n, 100, true); }, 100);
  floor("channel send and receive", "item", bare_channel);
  suspended_bytes(session);
}

}  // namespace bench
