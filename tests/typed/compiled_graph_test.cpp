// SPDX-License-Identifier: MIT
// CompiledGraph: every way to run one, from any number of threads, and where blocking calls are refused.
#include <agentflow/typed/compiled_graph.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::RunConfig;
using Catch::Matchers::Contains;

namespace {

struct Sum {
  int n = 0;
  std::string log;
};
AGENTFLOW_STATE(Sum, (n, af::sum), (log, af::append))

using Graph = af::StateGraph<Sum>;
using App = af::CompiledGraph<Sum>;
using Update = af::Update<Sum>;

Sum add(Sum s) {
  ++s.n;
  return s;
}
asio::awaitable<Sum> add_later(Sum s) {
  co_await give_way();
  ++s.n;
  co_return s;
}

/// START -> a -> {b, c} -> d -> END; n ends 4 higher.
App diamond(bool async) {
  Graph g;
  g.add_node("a", add).add_node("b", add);
  if (async)
    g.add_node("c", add_later).add_node("d", add_later);
  else
    g.add_node("c", add).add_node("d", add);
  g.set_entry_point("a").add_edge("a", "b").add_edge("a", "c").add_edge({"b", "c"}, "d").add_edge("d", "END");
  return g.compile();
}

/// A node that lets the test go on when it runs, and waits until the test lets it go on.
class Gate {
 public:
  void reach_and_wait() {
    std::unique_lock lock(mutex_);
    ++reached_;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds(20), [this] { return open_; });
  }
  void wait_until_reached(int n = 1) {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return reached_ >= n; }));
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int reached_ = 0;
  bool open_ = false;
};

}  // namespace

TEST_CASE("Every way to run a graph gives the same result", "[compiled_graph]") {
  for (const bool async : {false, true}) {
    const auto app = diamond(async);
    Sum in;
    in.n = 10;
    CHECK(app.invoke(in)->n == 14);
    CHECK(app.stream(in).result()->n == 14);
    on_loop([&]() -> asio::awaitable<void> {
      const auto a = co_await app.ainvoke(in);
      CHECK(a->n == 14);
      auto stream = app.astream(in);
      const auto b = co_await stream.result();
      CHECK(b->n == 14);
      const auto executor = co_await asio::this_coro::executor;
      auto run = app.start(executor, in);
      const auto c = co_await run.result();
      CHECK(c->n == 14);
      CHECK(run.done());
      auto unread = app.start(executor, in);
      const auto none = co_await unread.next();  // no modes were asked for: the end comes first
      CHECK_FALSE(none.has_value());
    });
  }
}

TEST_CASE("A result says how the run went", "[compiled_graph]") {
  const auto app = diamond(false);
  auto result = app.invoke(Sum(), RunConfig().thread_id("alice"));
  CHECK(result.status() == af::run_status::completed);
  CHECK(result.steps() == 3);
  CHECK(result.thread_id() == "alice");
  CHECK_FALSE(result.run_id().is_nil());
  CHECK(result.run_id() != app.invoke(Sum()).run_id());
  CHECK((*result).n == 4);
  result->n = 5;
  CHECK(result.state.n == 5);
  std::ostringstream out;
  out << result;
  CHECK(out.str() == result.to_json());
  CHECK(to_string(result) == result.to_json());
  CHECK(result.to_json() == R"({"status":"completed","steps":3,"run_id":")" + result.run_id().to_string() +
                                R"(","thread_id":"alice","state":{"n":5,"log":""}})");
  const auto copy = result;
  CHECK(copy->n == 5);
  CHECK(app.invoke(Sum()).thread_id().empty());
}

TEST_CASE("A run config that is out of range is refused before anything starts", "[compiled_graph]") {
  bool ran = false;
  Graph g;
  g.add_node("n", [&ran](const Sum&) { ran = true; }).set_entry_point("n").add_edge("n", "END");
  const auto app = g.compile();
  const auto refused = [&](const RunConfig& config) {
    try {
      app.invoke(Sum(), config);
    } catch (const af::config_error& e) {
      CHECK(e.code() == af::errc::bad_config);
      CHECK_THROWS_AS(app.stream(Sum(), config), af::config_error);
      CHECK_THROWS_AS(app.astream(Sum(), config), af::config_error);
      CHECK_THROWS_AS(on_loop([&] { return app.ainvoke(Sum(), config); }), af::config_error);
      return true;
    }
    return false;
  };
  CHECK(refused(RunConfig().recursion_limit(0)));
  CHECK(refused(RunConfig().timeout(std::chrono::nanoseconds(0))));
  CHECK(refused(RunConfig().stream_capacity(0)));
  CHECK(refused(RunConfig().thread_id(std::string(256, 'x'))));
  CHECK(refused(RunConfig().thread_id("a\nb")));
  CHECK(refused(RunConfig().thread_id("a\xff")));
  CHECK(refused(RunConfig().thread_id("a").checkpoint("")));
  CHECK_FALSE(ran);
  CHECK_FALSE(refused(RunConfig().thread_id("")));  // nothing would be stored anyway
  CHECK_FALSE(refused(RunConfig().thread_id(std::string(255, 'x')).stream_capacity(1).recursion_limit(1)));
}

TEST_CASE("A compiled graph serves any number of threads and loops at once", "[compiled_graph]") {
  const App apps[] = {diamond(false), diamond(true)};
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const App& app = apps[(i + t) % 2];
        if (t % 2 == 0) {
          sum += app.invoke(Sum())->n;
        } else {
          asio::io_context io(1);
          for (int k = 0; k < 2; ++k)
            asio::co_spawn(io, app.ainvoke(Sum()), [&](std::exception_ptr, af::RunResult<Sum> r) { sum += r->n; });
          io.run();
        }
      }
    });
  for (auto& t : threads) t.join();
  CHECK(sum == 2 * 25 * 4 + 2 * 25 * 2 * 4);
}

TEST_CASE("Runs on a thread pool share nothing", "[compiled_graph]") {
  const auto app = diamond(true);
  std::atomic<int> sum{0};
  asio::thread_pool pool(4);
  std::vector<af::Run<Sum>> runs;
  for (int i = 0; i < 20; ++i) {
    asio::co_spawn(pool, app.ainvoke(Sum()), [&](std::exception_ptr, af::RunResult<Sum> r) { sum += r->n; });
    runs.push_back(app.start(asio::make_strand(pool), Sum()));
  }
  pool.join();
  CHECK(sum == 20 * 4);
  for (auto& run : runs) CHECK(run.done());
}

/// Whether what the calling coroutine posts to its executor waits until it gives way, though the pool has a thread
/// free.
asio::awaitable<Sum> see_who_runs(Sum s, asio::thread_pool& pool) {
  const auto executor = co_await asio::this_coro::executor;
  const auto ran = std::make_shared<std::atomic<bool>>(false);
  asio::post(executor, [ran] { *ran = true; });
  std::promise<void> another;
  asio::post(pool, [&another] { another.set_value(); });
  another.get_future().wait();
  s.n += *ran ? 1 : 0;
  co_return s;
}

TEST_CASE("A run is one strand of control, whatever executor it is given", "[compiled_graph]") {
  asio::thread_pool pool(2);
  Graph g;
  g.add_node("alone", [&pool](Sum s) { return see_who_runs(std::move(s), pool); });
  g.add_node("left", [&pool](Sum s) { return see_who_runs(std::move(s), pool); });
  g.add_node("right", [&pool](Sum s) { return see_who_runs(std::move(s), pool); });
  g.set_entry_point("alone").add_edge("alone", "left").add_edge("alone", "right");
  g.add_edge("left", "END").add_edge("right", "END");
  const auto app = g.compile();
  const auto raced = [&](const asio::any_io_executor& executor) {
    auto run = app.start(executor, Sum());
    std::promise<int> count;
    asio::co_spawn(pool, run.result(),
                   [&](std::exception_ptr e, af::RunResult<Sum> r) { count.set_value(e ? -1 : r->n); });
    return count.get_future().get();
  };
  CHECK(raced(pool.get_executor()) == 0);
  CHECK(raced(asio::make_strand(pool)) == 0);
  CHECK(raced(asio::any_io_executor(asio::make_strand(asio::any_io_executor(pool.get_executor())))) == 0);
  std::promise<int> count;
  asio::co_spawn(pool, app.ainvoke(Sum()),
                 [&](std::exception_ptr e, af::RunResult<Sum> r) { count.set_value(e ? -1 : r->n); });
  CHECK(count.get_future().get() == 0);
  pool.join();
}

TEST_CASE("A graph that was moved from is still one", "[compiled_graph]") {
  auto app = diamond(false);
  const auto moved = std::move(app);
  CHECK(moved.invoke(Sum())->n == 4);
  CHECK(app.invoke(Sum())->n == 4);
  CHECK(app.to_json() == moved.to_json());
}

TEST_CASE("A run outlives the graph object and the builder", "[compiled_graph]") {
  asio::io_context io;
  std::unique_ptr<af::Run<Sum>> run;
  {
    const auto app = diamond(true);
    run = std::make_unique<af::Run<Sum>>(app.start(io.get_executor(), Sum()));
  }
  int n = 0;
  asio::co_spawn(io, run->result(), [&](std::exception_ptr, af::RunResult<Sum> r) { n = r->n; });
  io.run();
  CHECK(n == 4);
}

TEST_CASE("stop() ends the runs of a thread with what was finished", "[compiled_graph]") {
  const auto gate = std::make_shared<Gate>();
  Graph g;
  g.add_node("wait", af::blocking([gate](const Sum&, af::NodeContext& ctx) {
               gate->reach_and_wait();
               return Update().write<&Sum::n>(ctx.stop_requested() ? 1 : 100);
             }));
  g.add_node("never", add).set_entry_point("wait").add_edge("wait", "never").add_edge("never", "END");
  const auto app = g.compile();
  CHECK(app.stop("alice") == 0);
  auto alice = std::async(std::launch::async, [&] { return app.invoke(Sum(), RunConfig().thread_id("alice")); });
  auto alice2 = std::async(std::launch::async, [&] { return app.invoke(Sum(), RunConfig().thread_id("alice")); });
  gate->wait_until_reached(2);
  auto bob = std::async(std::launch::async, [&] { return app.invoke(Sum(), RunConfig().thread_id("bob")); });
  gate->wait_until_reached(3);
  CHECK(app.stop("nobody") == 0);
  auto stopped = std::async(std::launch::async, [&] { return app.stop("alice"); });
  CHECK(stopped.wait_for(std::chrono::milliseconds(10)) == std::future_status::timeout);  // it waits for them
  gate->open();
  CHECK(stopped.get() == 2);
  for (auto* f : {&alice, &alice2}) {
    const auto result = f->get();
    CHECK(result.status() == af::run_status::stopped);
    CHECK(result->n == 1);
    CHECK(result.steps() == 1);
  }
  const auto other = bob.get();
  CHECK(other.status() == af::run_status::completed);
  CHECK(other->n == 101);
}

TEST_CASE("astop() and Run::stop() do the same from coroutines", "[compiled_graph]") {
  Graph g;
  g.add_node("n", add_later).set_entry_point("n");
  g.add_conditional_edges("n", [](const Sum&) { return "n"; }, {"n", "END"});
  const auto app = g.compile();
  on_loop([&]() -> asio::awaitable<void> {
    const auto executor = co_await asio::this_coro::executor;
    const auto config = RunConfig().thread_id("alice").recursion_limit(1000000);
    auto one = app.start(executor, Sum(), config), two = app.start(executor, Sum(), config);
    co_await give_way(20);
    const auto stopped = co_await app.astop("alice");
    CHECK(stopped == 2);
    CHECK((one.done() && two.done()));
    const auto result = co_await one.result();
    CHECK(result.status() == af::run_status::stopped);
    CHECK(result->n == static_cast<int>(result.steps()));
    CHECK(result->n > 2);
    const auto again = co_await app.astop("alice");
    CHECK(again == 0);
    auto three = app.start(executor, Sum(), config);
    three.stop();
    const auto at_once = co_await three.result();
    CHECK(at_once.status() == af::run_status::stopped);
    CHECK(at_once.steps() <= 1);
  });
}

TEST_CASE("A stop in the middle of a step keeps what was finished", "[compiled_graph]") {
  for (const bool last_step : {false, true}) {
    af::Stream<Sum>* stream = nullptr;
    Graph g;
    g.add_node("a", [&stream](const Sum&) {
      stream->stop();
      return Update().write<&Sum::log>("a");
    });
    g.add_node("b", [](const Sum&) { return Update().write<&Sum::log>("b"); });
    g.set_entry_point("a").set_entry_point("b");
    if (last_step)
      g.add_edge("a", "END").add_edge("b", "END");
    else
      g.add_node("c", add).add_edge({"a", "b"}, "c").add_edge("c", "END");
    auto running = g.compile().stream(Sum());
    stream = &running;
    const auto result = running.result();
    CHECK(result.status() == af::run_status::stopped);  // b was to run, and did not
    CHECK(result->log == "a");
  }
}

TEST_CASE("The result of a run is given once", "[stream]") {
  af::StateGraph<> g;
  g.add_node("a", [](const af::AgentState&) { return "hi"; }).set_entry_point("a").add_edge("a", "END");
  auto stream = g.compile().stream("hello");
  CHECK(stream.result()->messages.size() == 2);
  try {
    stream.result();
    FAIL("a second result");
  } catch (const af::config_error& e) {
    CHECK(e.code() == af::errc::result_taken);
  }
}

TEST_CASE("The state of a result outlives the line that made it", "[compiled_graph]") {
  af::StateGraph<> g;
  g.add_node("a", [](const af::AgentState&) { return "hi"; }).set_entry_point("a").add_edge("a", "END");
  const auto app = g.compile();
  std::string text;
  for (const af::Message& m : app.invoke("hello").state.messages) text += m.text();
  for (const af::Message& m : (*app.invoke("hello")).messages) text += m.text();
  const af::AgentState& kept = *app.invoke("hello");
  CHECK(text + kept.messages.back().text() == "hellohihellohihi");
}

TEST_CASE("The result of a conversation says what the messages of the run cost", "[compiled_graph]") {
  af::StateGraph<> g;
  const auto says = [](std::uint64_t in, std::uint64_t out) {
    return [=](const af::AgentState&) { return af::Message::assistant("x").with_usage(af::TokenUsage(in, out, 1)); };
  };
  g.add_node("a", says(10, 5)).add_node("b", says(100, 50)).add_node("c", [](const af::AgentState&) { return "free"; });
  g.set_entry_point("a").add_edge("a", "b").add_edge("b", "c").add_edge("c", "END");
  const auto app = g.compile();
  const auto asked = af::Message::user("well?").with_usage(af::TokenUsage(7, 7));
  const auto first = app.invoke(asked);
  CHECK(first.usage() == af::TokenUsage(110, 55, 2));
  CHECK(first.usage().total() == 165);
  // What the input brings along was paid for before.
  const auto second = on_loop([&] { return app.ainvoke(first.state); });
  CHECK(second->messages.size() == 7);
  CHECK(second.usage() == af::TokenUsage(110, 55, 2));
  CHECK(app.stream(asked).result().usage().total() == 165);
}
