// SPDX-License-Identifier: MIT
// What goes on behind the runs of a graph: background tasks and the publisher.
#include <agentflow/run/background.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/this_coro.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <agentflow/async/sleep.hpp>
#include <agentflow/graph/publisher.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;
using af::shutdown_status;
using Catch::Matchers::Contains;

namespace {

struct Sum {
  int n = 0;
};
AGENTFLOW_STATE(Sum, (n, af::sum))

using Graph = af::StateGraph<Sum>;

struct Audit {
  std::atomic<int> begun{0}, ended{0};
};

asio::awaitable<void> write_audit(std::shared_ptr<Audit> audit, std::chrono::nanoseconds time, bool fails = false) {
  ++audit->begun;
  co_await af::sleep(time);
  if (fails) throw std::runtime_error("the disk is full");
  ++audit->ended;
}

template <class F>
af::CompiledGraph<Sum> with_node(F&& fn, const af::CompileOptions& options) {
  Graph g;
  g.add_node("n", std::forward<F>(fn)).set_entry_point("n").add_edge("n", "END");
  return g.compile(options);
}

std::shared_ptr<spdlog::logger> logger_to(std::ostringstream& text) {
  return std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text));
}

/// Keeps what it is given; can fail, or block until it is let go.
class Recorder final : public af::Publisher {
 public:
  asio::awaitable<void> publish(af::Chunk chunk) override {
    {
      std::unique_lock lock(mutex);
      released.wait(lock, [this] { return !blocks; });
      seen.push_back(std::string(af::to_string(chunk.kind())) + " " + chunk.run_id().to_string());
    }
    if (fails) throw std::runtime_error("nobody is there");
    co_return;
  }
  asio::awaitable<void> close() override {
    closed = true;
    co_return;
  }
  void release() {
    std::lock_guard lock(mutex);
    blocks = false;
    released.notify_all();
  }
  std::mutex mutex;
  std::condition_variable released;
  std::vector<std::string> seen;
  bool blocks = false, fails = false, closed = false;
};

}  // namespace

TEST_CASE("A background task goes on behind its run, and closing the graph waits for it", "[background]") {
  af::testing::VirtualLoop loop;
  const auto audit = std::make_shared<Audit>();
  const bool async = GENERATE(true, false);
  const auto options = af::CompileOptions().clock(loop.clock());
  const auto app =
      async ? with_node(
                  [&](const Sum&, af::NodeContext& ctx) -> asio::awaitable<void> {
                    ctx.background("audit", write_audit(audit, 5s));
                    co_await give_way();
                  },
                  options)
            : with_node([&](const Sum&, af::NodeContext& ctx) { ctx.background("audit", write_audit(audit, 5s)); },
                        options);
  loop.run(app.ainvoke(Sum()));
  CHECK(loop.clock()->passed() == 0s);
  auto tasks = app.background_tasks();
  CHECK(tasks.running() == 1);
  CHECK(tasks.names() == std::vector<std::string>{"audit"});
  SECTION("aclose") {
    const auto stats = loop.run(app.aclose());
    CHECK(stats.background_tasks.status == shutdown_status::completed);
    CHECK(stats.background_tasks.completed == 1);
    CHECK(loop.clock()->passed() == 5s);
    CHECK(audit->ended == 1);
  }
  SECTION("a wait") {
    loop.run(tasks.wait_for_all());
    CHECK(audit->ended == 1);
    CHECK(tasks.stats().completed == 1);
  }
  SECTION("a cancellation") {
    loop.run(give_way(4));
    tasks.cancel_all();
    loop.run(tasks.wait_for_all());
    CHECK(audit->begun == 1);
    CHECK(audit->ended == 0);
    CHECK(tasks.stats().cancelled == 1);
  }
}

TEST_CASE("Background tasks that fail are logged, and those that last are cancelled", "[background]") {
  af::testing::VirtualLoop loop;
  std::ostringstream text;
  const auto audit = std::make_shared<Audit>();
  auto options = af::CompileOptions().clock(loop.clock()).logger(logger_to(text)).shutdown_timeout(10s);
  SECTION("a failure") {
    const auto app = with_node(
        [&](const Sum&, af::NodeContext& ctx) { ctx.background("audit", write_audit(audit, 5s, true)); }, options);
    loop.run(app.ainvoke(Sum()));
    const auto stats = loop.run(app.aclose());
    CHECK(stats.background_tasks.failed == 1);
    CHECK_FALSE(stats.clean());
    CHECK_THAT(text.str(), Contains("'audit' failed") && Contains("the disk is full"));
  }
  SECTION("one that takes too long") {
    const auto app =
        with_node([&](const Sum&, af::NodeContext& ctx) { ctx.background("audit", write_audit(audit, 1h)); }, options);
    loop.run(app.ainvoke(Sum()));
    const auto stats = loop.run(app.aclose());
    CHECK(stats.background_tasks.status == shutdown_status::cancelled);
    CHECK(stats.background_tasks.cancelled == 1);
    CHECK(stats.deadline_exceeded);
    CHECK(loop.clock()->passed() == 10s);
  }
  SECTION("with a limit of its own") {
    const auto app = with_node(
        [&](const Sum&, af::NodeContext& ctx) { ctx.background("audit", write_audit(audit, 1h), 2s); }, options);
    loop.run(app.ainvoke(Sum()));
    CHECK(loop.run(app.aclose()).background_tasks.failed == 1);
    CHECK(loop.clock()->passed() == 2s);
  }
  SECTION("the graph is destroyed unclosed") {
    {
      const auto app = with_node(
          [&](const Sum&, af::NodeContext& ctx) { ctx.background("audit", write_audit(audit, 1h)); }, options);
      loop.run(app.ainvoke(Sum()));
      loop.run(give_way(4));
    }
    CHECK_THAT(text.str(), Contains("destroyed unclosed: 1 background tasks are cancelled"));
    loop.drain();
    CHECK(loop.clock()->passed() == 0s);
    CHECK(audit.use_count() == 1);
  }
}

TEST_CASE("Blocking calls wait for the background tasks of their private loop", "[background]") {
  const auto audit = std::make_shared<Audit>();
  const auto plain =
      with_node([&](const Sum&, af::NodeContext& ctx) { ctx.background("audit", write_audit(audit, 1ms)); }, {});
  const auto async = with_node(
      [&](const Sum&, af::NodeContext& ctx) -> asio::awaitable<void> {
        ctx.background("audit", write_audit(audit, 1ms));
        co_await give_way();
      },
      {});
  plain.invoke(Sum());
  CHECK(audit->ended == 1);
  async.invoke(Sum());
  CHECK(audit->ended == 2);
  for (const auto& chunk : async.stream(Sum())) static_cast<void>(chunk);
  CHECK(audit->ended == 3);
  CHECK(plain.close().clean());
  CHECK(async.close().clean());
}

TEST_CASE("A background task that outlives its event loop goes with it", "[background]") {
  const auto audit = std::make_shared<Audit>();
  const auto app =
      with_node([&](const Sum&, af::NodeContext& ctx) { ctx.background("audit", write_audit(audit, 1h)); }, {});
  {
    af::testing::VirtualLoop loop;
    loop.run(app.ainvoke(Sum()));
    loop.run(give_way(4));
    CHECK(app.background_tasks().running() == 1);
  }
  CHECK(audit.use_count() == 1);
  CHECK(app.background_tasks().running() == 0);
  CHECK(app.close().clean());
}

TEST_CASE("A publisher sees the events of all runs, whoever awaits them", "[publisher]") {
  const auto recorder = std::make_shared<Recorder>();
  const auto app =
      with_node([](const Sum&) { return af::Update<Sum>().write<&Sum::n>(1); },
                af::CompileOptions().publisher(recorder, af::stream_mode::updates | af::stream_mode::debug));
  const auto first = app.invoke(Sum());
  const auto second = on_loop([&] { return app.ainvoke(Sum()); });
  int chunks = 0;
  for (const auto& chunk : app.stream(Sum(), af::RunConfig().stream(af::stream_mode::values)))
    chunks += chunk.kind() == af::chunk_kind::values;
  CHECK(chunks == 1);
  const auto stats = app.close();
  CHECK(recorder->closed);
  CHECK(stats.publisher.status == shutdown_status::completed);
  CHECK(stats.publisher.completed == recorder->seen.size());
  REQUIRE(recorder->seen.size() == 21);  // run, step and node: begin and end; and the update; three times
  CHECK(recorder->seen[0] == "run_start " + first.run_id().to_string());
  CHECK(recorder->seen[6] == "run_end " + first.run_id().to_string());
  CHECK(recorder->seen[7] == "run_start " + second.run_id().to_string());
}

TEST_CASE("A publisher never fails a run, nor holds it up", "[publisher]") {
  std::ostringstream text;
  const auto recorder = std::make_shared<Recorder>();
  auto options = af::CompileOptions().logger(logger_to(text)).shutdown_timeout(50ms);
  const auto node = [](const Sum&) { return af::Update<Sum>().write<&Sum::n>(1); };
  SECTION("one that fails") {
    recorder->fails = true;
    const auto app = with_node(node, options.publisher(recorder, af::stream_mode::updates));
    CHECK(app.invoke(Sum())->n == 1);
    CHECK(app.invoke(Sum())->n == 1);
    CHECK(app.close().publisher.failed == 2);
    CHECK_THAT(text.str(), Contains("the publisher failed with an event: nobody is there"));
  }
  SECTION("one that is slow: what does not fit is dropped") {
    recorder->blocks = true;
    const auto app = with_node(node, options.publisher(recorder, af::stream_mode::updates, 3));
    for (int i = 0; i < 10; ++i) CHECK(app.invoke(Sum())->n == 1);
    recorder->release();
    const auto stats = app.close();
    CHECK(stats.publisher.completed + stats.publisher.failed == 10);
    CHECK(stats.publisher.failed >= 6);
  }
  SECTION("one that blocks for ever is left behind") {
    recorder->blocks = true;
    {
      const auto app = with_node(node, options.publisher(recorder, af::stream_mode::updates));
      CHECK(app.invoke(Sum())->n == 1);
      const auto stats = app.close();
      CHECK(stats.publisher.status == shutdown_status::timed_out);
      CHECK(stats.deadline_exceeded);
    }
    CHECK_THAT(text.str(), Contains("the publisher ignores its cancellation"));
    options = {};
    recorder->release();
    while (recorder.use_count() > 1) std::this_thread::yield();  // its thread ends
  }
}

TEST_CASE("A graph destroyed unclosed cancels and joins its background tasks", "[background]") {
  asio::io_context io;
  auto guard = asio::make_work_guard(io);
  std::thread thread([&] { io.run(); });
  const auto audit = std::make_shared<Audit>();
  std::weak_ptr<Audit> alive = audit;
  {
    const auto app =
        with_node([&](const Sum&, af::NodeContext& ctx) { ctx.background("audit", write_audit(audit, 1h)); }, {});
    auto run = app.start(io.get_executor(), Sum());
    while (!run.done()) std::this_thread::yield();
    while (app.background_tasks().running() == 0 || audit->begun == 0) std::this_thread::yield();
  }
  CHECK(alive.use_count() == 1);  // its coroutine is gone
  CHECK(audit->ended == 0);
  guard.reset();
  thread.join();
}
