// SPDX-License-Identifier: MIT
// BackgroundTaskManager: bounds, limits, waiting, closing, logging.
#include <agentflow/async/background_tasks.hpp>

#include <chrono>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/this_coro.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <agentflow/async/gather.hpp>
#include <agentflow/async/run.hpp>
#include <agentflow/async/sleep.hpp>
#include <agentflow/async/timeout.hpp>
#include <agentflow/core/error.hpp>

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::testing::VirtualLoop;
using namespace std::chrono_literals;

namespace {

asio::awaitable<void> work(std::chrono::nanoseconds d) {
  const Alive alive;
  co_await af::sleep(d);
}
asio::awaitable<void> fail(std::string text) {
  co_await af::sleep(1s);
  throw std::runtime_error(text);
}
/// Does not heed its cancellation.
asio::awaitable<void> stubborn(std::chrono::nanoseconds d) {
  const Alive alive;
  co_await asio::this_coro::throw_if_cancelled(false);
  try {
    co_await af::sleep(d);
  } catch (const af::cancelled_error&) {
  }
  co_await asio::this_coro::reset_cancellation_state();
  co_await af::sleep(d);
}

struct Log {
  std::ostringstream text;
  std::shared_ptr<spdlog::logger> logger =
      std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text));
  Log() { logger->set_pattern("%l %v"); }
};

}  // namespace

TEST_CASE("background tasks run, are counted and can be waited for", "[background]") {
  VirtualLoop loop;
  Log log;
  af::BackgroundTaskManager tasks(loop.executor(), af::BackgroundOptions().logger(log.logger));
  auto all = [&]() -> asio::awaitable<void> {
    tasks.spawn("a", work(2s));
    tasks.spawn("b", fail("no disk"));
    tasks.spawn("c", work(1h), 3s);
    CHECK(tasks.names() == std::vector<std::string>{"a", "b", "c"});
    co_await tasks.wait_for_all();
  };
  loop.run(all());
  CHECK(loop.clock()->passed() == 3s);
  const auto stats = tasks.stats();
  CHECK(stats.started == 3);
  CHECK(stats.completed == 1);
  CHECK(stats.failed == 1);
  CHECK(stats.timed_out == 1);
  CHECK(stats.running == 0);
  CHECK(log.text.str() ==
        "error background task 'b' failed: no disk\n"
        "error background task 'c' failed: ASYNC_001: not done within its limit of 3.000 s\n");
}

TEST_CASE("background tasks are bounded, and refused when closed", "[background]") {
  VirtualLoop loop;
  af::BackgroundTaskManager tasks(loop.executor(), af::BackgroundOptions().max_tasks(2).task_timeout(10s));
  tasks.spawn("a", work(1h));
  tasks.spawn("b", work(1s));
  try {
    tasks.spawn("c", work(1s));
    FAIL("no error");
  } catch (const af::error& e) {
    CHECK(e.code() == af::errc::resource_exhausted);
    CHECK(e.message() ==
          "background task 'c' is not started: 2 run already; wait for some, or raise BackgroundOptions::max_tasks");
  }
  CHECK_THROWS_AS(tasks.spawn("d", work(1s), 0s), af::config_error);
  const auto part = loop.run(tasks.aclose(1h));
  CHECK(part.status == af::shutdown_status::completed);
  CHECK(part.completed == 1);
  CHECK(part.failed == 1);
  CHECK(part.duration == 10s);
  try {
    tasks.spawn("e", work(1s));
    FAIL("no error");
  } catch (const af::error& e) {
    CHECK(e.code() == af::errc::closed);
  }
  CHECK(loop.run(tasks.aclose(1h)).duration == 0s);
  CHECK_THROWS_AS(af::BackgroundTaskManager(loop.executor(), af::BackgroundOptions().max_tasks(0)), af::config_error);
}

TEST_CASE("aclose drains, then cancels, then leaves behind, and says so", "[background]") {
  VirtualLoop loop;
  Log log;
  auto tasks = std::make_unique<af::BackgroundTaskManager>(loop.executor(),
                                                           af::BackgroundOptions().join_timeout(2s).logger(log.logger));
  SECTION("what ends in time") {
    tasks->spawn("a", work(4s));
    const auto part = loop.run(tasks->aclose(5s));
    CHECK(part.status == af::shutdown_status::completed);
    CHECK(loop.clock()->passed() == 4s);
  }
  SECTION("what has to be cancelled") {
    tasks->spawn("a", work(1s));
    tasks->spawn("b", work(1h));
    tasks->spawn("c", stubborn(1700ms));
    const auto part = loop.run(tasks->aclose(1500ms));
    CHECK(part.status == af::shutdown_status::cancelled);
    CHECK(part.completed == 2);
    CHECK(part.cancelled == 1);
    CHECK(part.abandoned == 0);
    CHECK(loop.clock()->passed() == 3200ms);
  }
  SECTION("what ignores its cancellation") {
    tasks->spawn("bad", stubborn(1h));
    const auto part = loop.run(tasks->aclose(5s));
    CHECK(part.status == af::shutdown_status::timed_out);
    CHECK(part.abandoned == 1);
    CHECK(loop.clock()->passed() == 7s);
    CHECK(log.text.str() == "error background task 'bad' ignores its cancellation and is left behind\n");
  }
  SECTION("several at once share the end") {
    tasks->spawn("a", work(1h));
    const auto both = loop.run(af::gather(tasks->aclose(5s), tasks->aclose(5s)));
    CHECK(std::get<0>(both).status == af::shutdown_status::cancelled);
    CHECK(std::get<1>(both).status == af::shutdown_status::cancelled);
    CHECK(loop.clock()->passed() == 5s);
  }
}

TEST_CASE("cancel_all ends what runs, wait_for_all that is cancelled leaves it", "[background]") {
  VirtualLoop loop;
  af::BackgroundTaskManager tasks(loop.executor());
  auto all = [&]() -> asio::awaitable<void> {
    tasks.spawn("a", work(1h));
    tasks.spawn("b", work(1h));
    try {
      co_await af::timeout(tasks.wait_for_all(), 1s);
    } catch (const af::timeout_error&) {
    }
    CHECK(tasks.running() == 2);
    tasks.cancel_all();
    co_await tasks.wait_for_all();
  };
  loop.run(all());
  CHECK(tasks.stats().cancelled == 2);
  CHECK(loop.clock()->passed() == 1s);
}

TEST_CASE("a manager that goes cancels its tasks and says how many", "[background]") {
  VirtualLoop loop;
  Log log;
  const long alive = Alive::count();
  {
    af::BackgroundTaskManager tasks(loop.executor(), af::BackgroundOptions().logger(log.logger));
    tasks.spawn("a", work(1h));
    loop.run(give_way(3));
    CHECK(Alive::count() == alive + 1);
  }
  loop.drain();
  CHECK(Alive::count() == alive);
  CHECK(loop.clock()->passed() == 0s);
  CHECK(log.text.str() == "warning 1 background tasks are cancelled, because their manager goes without aclose()\n");
}

TEST_CASE("background tasks may be cancelled or abandoned anywhere", "[background]") {
  auto all = []() -> asio::awaitable<void> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    af::BackgroundTaskManager tasks(ex);
    tasks.spawn("a", work(1s));
    tasks.spawn("b", work(1h), 2s);
    tasks.spawn("c", work(1h));
    co_await tasks.aclose(3s);
  };
  CHECK(disturb_everywhere(all) > 10);
}

TEST_CASE("background tasks may be started from many threads", "[background]") {
  auto all = []() -> asio::awaitable<std::uint64_t> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    af::BackgroundTaskManager tasks(ex);
    auto spawner = [&]() -> asio::awaitable<void> {
      for (int i = 0; i < 50; ++i) {
        tasks.spawn("x", work(1us));
        co_await give_way();
      }
    };
    co_await af::gather(spawner(), spawner(), spawner());
    co_await tasks.wait_for_all();
    co_return tasks.stats().completed;
  };
  CHECK(af::run(all(), af::RunOptions().threads(4)) == 150);
}
