// SPDX-License-Identifier: MIT
// Generator: values, ends, errors, dropping, cancellation, streams.
#include <agentflow/async/generator.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/execution.hpp>
#include <asio/io_context.hpp>
#include <asio/query.hpp>
#include <asio/require.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/async/gather.hpp>
#include <agentflow/async/run.hpp>
#include <agentflow/async/sleep.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::testing::VirtualLoop;
using namespace std::chrono_literals;

namespace {

af::Generator<int> count_to(int n) {
  const Alive alive;
  for (int i = 1; i <= n; ++i) {
    co_await af::sleep(1s);
    co_yield i;
  }
}
af::Generator<std::unique_ptr<std::string>> words() {
  co_yield std::make_unique<std::string>("one");
  co_yield std::make_unique<std::string>("two");
}
af::Generator<int> failing() {
  co_yield 1;
  co_await af::sleep(1s);
  throw std::runtime_error("the source broke");
}
af::Generator<int> doubled(af::Generator<int> source) {
  while (auto v = co_await source.next()) co_yield *v * 2;
}
af::Generator<int> busy(int n) {
  auto now = [](int i) -> asio::awaitable<int> { co_return i; };
  for (int i = 0; i < n; ++i) {
    const int v = co_await now(i);
    if (v == n - 1) co_yield v;
  }
}
af::Generator<int> nothing() { co_return; }

/// An executor that counts its copies.
class Counted {
 public:
  using Inner = asio::io_context::executor_type;
  explicit Counted(const Inner& inner) : inner_(inner) {}
  asio::execution_context& query(asio::execution::context_t) const {
    return asio::query(inner_, asio::execution::context);
  }
  asio::execution::blocking_t query(asio::execution::blocking_t) const {
    return asio::query(inner_, asio::execution::blocking);
  }
  Counted require(asio::execution::blocking_t::never_t) const {
    return Counted(asio::require(inner_, asio::execution::blocking.never));
  }
  template <class F>
  void execute(F&& f) const {
    asio::execution::execute(inner_, std::forward<F>(f));
  }
  bool operator==(const Counted& other) const noexcept { return inner_ == other.inner_; }
  bool operator!=(const Counted& other) const noexcept { return inner_ != other.inner_; }

 private:
  Inner inner_;
  Alive alive_;
};

asio::awaitable<std::vector<int>> all_of(af::Generator<int> generator) {
  std::vector<int> values;
  while (auto v = co_await generator.next()) values.push_back(*v);
  CHECK_FALSE((co_await generator.next()).has_value());
  co_return values;
}

asio::awaitable<std::string> agent(const af::AgentState&, af::NodeContext& ctx) {
  const Alive alive;
  for (const char* word : {"a", "b", "c", "d"}) {
    co_await ctx.sleep(1s);
    co_await ctx.emit_token(word);
  }
  co_return "done";
}
af::Generator<std::string> stream_answer(af::CompiledGraph<af::AgentState> app, std::string question) {
  auto stream = app.astream(question);
  while (auto chunk = co_await stream.next())
    if (chunk->content_type() == af::content_type::message) co_yield std::string(chunk->content());
}
af::CompiledGraph<af::AgentState> make_app(std::shared_ptr<af::Clock> clock) {
  af::StateGraph<> graph;
  graph.add_node("agent", agent).set_entry_point("agent").add_edge("agent", "END");
  return graph.compile(af::CompileOptions().clock(std::move(clock)));
}

}  // namespace

TEST_CASE("20 a generator gives its values as they come, then ends", "[generator]") {
  VirtualLoop loop;
  CHECK(loop.run(all_of(count_to(3))) == std::vector<int>{1, 2, 3});
  CHECK(loop.clock()->passed() == 3s);
  CHECK(loop.run(all_of(nothing())).empty());
  CHECK(loop.run(all_of(doubled(doubled(count_to(2))))) == std::vector<int>{4, 8});
  CHECK(loop.run(all_of(busy(100'000))) == std::vector<int>{99'999});
  auto take_words = []() -> asio::awaitable<std::string> {
    auto generator = words();
    std::string text;
    while (auto w = co_await generator.next()) text += **w;
    co_return text;
  };
  CHECK(loop.run(take_words()) == "onetwo");
  CHECK(loop.run(all_of(af::Generator<int>())).empty());
}

TEST_CASE("20 what a generator throws reaches its consumer, and then it is over", "[generator]") {
  VirtualLoop loop;
  auto generator = failing();
  CHECK(loop.run(generator.next()) == 1);
  CHECK_THROWS_WITH(loop.run(generator.next()), "the source broke");
  CHECK_FALSE(loop.run(generator.next()));
}

TEST_CASE("20 a generator can catch what it awaits, and knows its executor", "[generator]") {
  VirtualLoop loop;
  auto make = [](VirtualLoop& l) -> af::Generator<std::string> {
    const auto ex = co_await asio::this_coro::executor;
    const auto state = co_await asio::this_coro::cancellation_state;
    if (ex == l.executor() && state.cancelled() == asio::cancellation_type::none) co_yield "here";
    std::string caught;
    try {
      auto source = failing();
      while (co_await source.next()) {
      }
    } catch (const std::exception& e) {
      caught = e.what();
    }
    co_yield caught;
  };
  auto generator = make(loop);
  CHECK(loop.run(generator.next()) == "here");
  CHECK(loop.run(generator.next()) == "the source broke");
}

TEST_CASE("20 pattern 1: a generator filters the stream of a run and yields again", "[generator]") {
  VirtualLoop loop;
  auto read = [&]() -> asio::awaitable<std::string> {
    auto answer = stream_answer(make_app(loop.clock()), "Hello");
    std::string text;
    while (auto piece = co_await answer.next()) text += *piece;
    co_return text;
  };
  CHECK(loop.run(read()) ==
        "abcd"
        "done");
}

TEST_CASE("20 dropping a generator cancels the run it reads from", "[generator]") {
  VirtualLoop loop;
  const long alive = Alive::count();
  auto read = [&]() -> asio::awaitable<std::string> {
    auto answer = stream_answer(make_app(loop.clock()), "Hello");
    auto first = co_await answer.next();
    co_return *first;
  };
  CHECK(loop.run(read()) == "a");
  loop.drain();
  CHECK(Alive::count() == alive);
  CHECK(loop.clock()->passed() == 1s);
}

TEST_CASE("20 a generator and its consumer may be cancelled or abandoned anywhere", "[generator]") {
  auto plain = []() -> asio::awaitable<void> { co_await all_of(doubled(count_to(3))); };
  CHECK(disturb_everywhere(plain) > 4);
  auto streaming = []() -> asio::awaitable<void> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    auto answer = stream_answer(make_app(af::clock_of(ex)), "Hello");
    while (auto piece = co_await answer.next()) co_await af::sleep(1s);
  };
  CHECK(disturb_everywhere(streaming) > 10);
}

TEST_CASE("20 a generator keeps nothing of the loop that was destroyed under it", "[generator]") {
  auto stuck = []() -> af::Generator<int> {
    co_await af::sleep(24h);
    co_yield 1;
  };
  auto generator = stuck();
  auto take = [&]() -> asio::awaitable<void> { co_await generator.next(); };
  const long alive = Alive::count();
  std::optional<asio::io_context> io(std::in_place);
  asio::co_spawn(asio::any_io_executor(Counted(io->get_executor())), take(), [](std::exception_ptr) {});
  io->poll();
  CHECK(Alive::count() > alive);
  io.reset();
  CHECK(Alive::count() == alive);
  VirtualLoop loop;
  CHECK_FALSE(loop.run(generator.next()).has_value());
}

TEST_CASE("20 one coroutine at a time takes from a generator", "[generator]") {
  VirtualLoop loop;
  auto both = []() -> asio::awaitable<std::string> {
    auto generator = count_to(2);
    const auto outcomes = co_await af::gather(af::return_exceptions, generator.next(), generator.next());
    co_return af::describe(std::get<1>(outcomes).error());
  };
  CHECK(loop.run(both()) == "RUN_007: another coroutine awaits next() of this generator already");
}

TEST_CASE("20 a generator may be consumed on several threads", "[generator]") {
  auto sum = []() -> asio::awaitable<long> {
    long total = 0;
    auto generator = doubled(busy(1000));
    while (auto v = co_await generator.next()) total += *v;
    co_return total;
  };
  auto many = [&]() -> asio::awaitable<std::vector<long>> {
    std::vector<asio::awaitable<long>> all;
    for (int i = 0; i < 20; ++i) all.push_back(sum());
    auto results = co_await af::gather(std::move(all));
    co_return results;
  };
  CHECK(af::run(many(), af::RunOptions().threads(4)) == std::vector<long>(20, 1998));
}
