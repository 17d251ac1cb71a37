// SPDX-License-Identifier: MIT
// What cancels, starts and ends work while there is no memory: nothing is lost, nothing is thrown where nobody can
// catch it.
#include <agentflow/async/background_tasks.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <agentflow/async/gather.hpp>
#include <agentflow/async/shutdown_manager.hpp>
#include <agentflow/async/sleep.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "alloc/failing_memory.hpp"
#include "support/alive.hpp"
#include "support/catch.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;

namespace {

/// Calls something when allocations fail, and says whether it threw. No assertions in it: they take memory too.
template <class F>
bool throws_without_memory(std::uint64_t k, std::uint64_t more, F&& call) {
  const FailingMemory memory(k, more, FailingMemory::Of::asio_too);
  try {
    call();
    return false;
  } catch (...) {
    return true;
  }
}

/// More allocations than any of these calls makes.
constexpr std::uint64_t enough = 12;
constexpr std::uint64_t in_a_row[] = {0, 3, 20};

asio::awaitable<void> wait_for_ever() {
  const Alive alive;
  co_await af::sleep(24h);
}

class Slow final : public af::Publisher {
 public:
  asio::awaitable<void> publish(af::Chunk) override {
    auto work = af::sleep(24h);
    co_await std::move(work);
  }
};

af::CompiledGraph<af::AgentState> publishing_graph() {
  af::StateGraph<> g;
  g.add_node("n", [](const af::AgentState&) { return "done"; }).set_entry_point("n").add_edge("n", "END");
  return g.compile(af::CompileOptions().publisher(std::make_shared<Slow>(), af::stream_mode::updates));
}

}  // namespace

TEST_CASE("a cancellation reaches what is gathered, whatever memory there is", "[alloc]") {
  for (std::uint64_t k = 1; k <= enough; ++k)
    for (const auto more : in_a_row) {
      INFO("allocation " << k << " and " << more << " more");
      const long alive = Alive::count();
      asio::io_context io(1);
      asio::cancellation_signal signal;
      std::exception_ptr failure;
      auto both = []() -> asio::awaitable<void> { co_await af::gather(wait_for_ever(), wait_for_ever()); };
      asio::co_spawn(io, both(), asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) {
                       failure = std::move(e);
                     }));
      io.poll();
      CHECK(Alive::count() == alive + 2);
      bool threw = false;
      asio::post(io, [&] {
        for (int i = 0; i < 8; ++i) asio::post(io, [] {});  // take the memory that Asio keeps to use again
        threw = throws_without_memory(k, more, [&] { signal.emit(asio::cancellation_type::terminal); });
      });
      io.restart();
      io.run_for(20s);
      CHECK_FALSE(threw);
      CHECK(Alive::count() == alive);
      CHECK(af::describe(failure).find("cancelled") != std::string::npos);
    }
}

TEST_CASE("cancel_all reaches all background tasks, whatever memory there is", "[alloc]") {
  for (std::uint64_t k = 1; k <= enough; ++k)
    for (const auto more : in_a_row) {
      INFO("allocation " << k << " and " << more << " more");
      asio::io_context io(1);
      af::BackgroundTaskManager tasks(io.get_executor());
      for (int i = 0; i < 4; ++i) tasks.spawn("waits", wait_for_ever());
      io.poll();
      CHECK_FALSE(throws_without_memory(k, more, [&] { tasks.cancel_all(); }));
      io.restart();
      io.run_for(20s);
      CHECK(tasks.stats().cancelled == 4);
    }
}

TEST_CASE("a background task that finds no memory has failed, and its event loop goes on", "[alloc]") {
  std::uint64_t failed = 0;
  for (std::uint64_t k = 1; k <= enough; ++k) {
    INFO("allocation " << k);
    asio::io_context io(1);
    af::BackgroundTaskManager tasks(io.get_executor());
    auto work = []() -> asio::awaitable<void> { co_return; };
    tasks.spawn("short", work());
    CHECK_FALSE(throws_without_memory(k, 0, [&] { io.run(); }));
    const auto stats = tasks.stats();
    CHECK(stats.completed + stats.failed == 1);
    CHECK(stats.running == 0);
    failed += stats.failed;
  }
  CHECK(failed > 0);
}

TEST_CASE("a graph that publishes may go whatever memory there is", "[alloc]") {
  for (std::uint64_t k = 1; k <= enough; ++k)
    for (const auto more : in_a_row) {
      INFO("allocation " << k << " and " << more << " more");
      std::optional app(publishing_graph());
      CHECK(app->invoke("Hello").steps() == 1);
      CHECK_FALSE(throws_without_memory(k, more, [&] { app.reset(); }));
    }
}

TEST_CASE("a shutdown is asked for and delivered, whatever memory there was", "[alloc]") {
  for (std::uint64_t k = 1; k <= enough; ++k)
    for (const auto more : in_a_row) {
      INFO("allocation " << k << " and " << more << " more");
      asio::io_context io(1);
      af::GracefulShutdownManager manager(io.get_executor(), 30s);
      int woken = 0, called = 0;
      manager.on_shutdown([&] { ++called; });
      for (int i = 0; i < 3; ++i)
        asio::co_spawn(io, manager.wait_for_shutdown(), [&](std::exception_ptr e) { woken += !e; });
      io.poll();
      throws_without_memory(k, more, [&] {
        manager.request_shutdown();
        const auto section = manager.protect_section();
      });
      manager.request_shutdown();
      {
        const auto section = manager.protect_section();
      }
      CHECK(manager.shutdown_requested());
      io.restart();
      io.poll();
      CHECK(woken == 3);
      CHECK(called == 1);
    }
}
