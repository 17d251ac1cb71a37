// SPDX-License-Identifier: MIT
// gather: order, failures, outcomes, limits, cancellation, threads.
#include <agentflow/async/gather.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <agentflow/async/run.hpp>
#include <agentflow/async/sleep.hpp>
#include <agentflow/core/error.hpp>

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::testing::VirtualLoop;
using namespace std::chrono_literals;

namespace {

/// Neither copied nor made from nothing.
class Parcel {
 public:
  explicit Parcel(std::string text) : text_(std::make_unique<std::string>(std::move(text))) {}
  const std::string& text() const { return *text_; }

 private:
  std::unique_ptr<std::string> text_;
};

asio::awaitable<std::string> say(std::string text, std::chrono::nanoseconds after) {
  const Alive alive;
  co_await af::sleep(after);
  co_return text;
}
asio::awaitable<Parcel> send(std::string text) {
  co_await give_way();
  co_return Parcel(text);
}
asio::awaitable<std::string> fail(std::string text, std::chrono::nanoseconds after) {
  const Alive alive;
  co_await af::sleep(after);
  throw std::runtime_error(text);
}
asio::awaitable<int> fail_at_once() {
  throw std::runtime_error("at once");
  co_return 0;
}
asio::awaitable<void> nothing() { co_return; }

/// Counts how many are under way.
class Meter {
 public:
  asio::awaitable<int> work(int i) {
    most_ = std::max(most_, ++now_);
    co_await af::sleep(std::chrono::milliseconds(10 - i % 3));
    --now_;
    ++done_;
    co_return i;
  }
  int most() const { return most_; }
  int done() const { return done_; }

 private:
  int now_ = 0, most_ = 0, done_ = 0;
};

/// Takes some time to clean up when it is cancelled.
asio::awaitable<void> slow_to_end(bool& ended) {
  const Alive alive;
  try {
    co_await af::sleep(1h);
  } catch (const af::cancelled_error&) {
  }
  co_await asio::this_coro::reset_cancellation_state();
  co_await af::sleep(5s);
  ended = true;
}

}  // namespace

TEST_CASE("5 gather runs several at once and gives a tuple in input order", "[gather]") {
  VirtualLoop loop;
  const auto results = loop.run(af::gather(say("a", 3s), nothing(), say("c", 1s), send("d")));
  CHECK(std::get<0>(results) == "a");
  CHECK(std::get<2>(results) == "c");
  CHECK(std::get<3>(results).text() == "d");
  CHECK(loop.clock()->passed() == 3s);
}

TEST_CASE("5 gather may be awaited with temporaries, as users write it", "[gather]") {
  VirtualLoop loop;
  auto user = []() -> asio::awaitable<std::string> {
    auto results = co_await af::gather(say(std::string(100, 'x'), 1s), say(std::string(100, 'y'), 2s));
    auto& [x, y] = results;
    co_return x + y;
  };
  CHECK(loop.run(user()) == std::string(100, 'x') + std::string(100, 'y'));
}

TEST_CASE("18 gather over a list gives a vector in input order", "[gather]") {
  VirtualLoop loop;
  std::vector<asio::awaitable<std::string>> work;
  for (int i = 0; i < 5; ++i) work.push_back(say(std::to_string(i), std::chrono::seconds(5 - i)));
  CHECK(loop.run(af::gather(std::move(work))) == std::vector<std::string>{"0", "1", "2", "3", "4"});
  CHECK(loop.run(af::gather(std::vector<asio::awaitable<std::string>>())).empty());
  std::vector<asio::awaitable<void>> none;
  none.push_back(nothing());
  loop.run(af::gather(std::move(none)));
}

TEST_CASE("18 return_exceptions gives each its outcome, in input order", "[gather]") {
  VirtualLoop loop;
  std::vector<asio::awaitable<std::string>> work;
  work.push_back(say("a", 3s));
  work.push_back(fail("b", 1s));
  work.push_back(say("c", 2s));
  const auto outcomes = loop.run(af::gather(std::move(work), af::return_exceptions));
  REQUIRE(outcomes.size() == 3);
  CHECK(*outcomes[0] == "a");
  CHECK_FALSE(outcomes[1].has_value());
  CHECK_THROWS_WITH(outcomes[1].value(), "b");
  CHECK_THROWS_WITH(*outcomes[1], "b");
  CHECK_THROWS_WITH(outcomes[1]->size(), "b");
  CHECK(outcomes[2].value() == "c");
  CHECK(loop.clock()->passed() == 3s);

  const auto mixed = loop.run(af::gather(af::return_exceptions, send("x"), fail_at_once(), nothing()));
  CHECK(std::get<0>(mixed)->text() == "x");
  CHECK(af::describe(std::get<1>(mixed).error()) == "at once");
  CHECK(std::get<2>(mixed).has_value());
}

TEST_CASE("18 the first failure cancels the others, joins them, and is what is thrown", "[gather]") {
  VirtualLoop loop;
  bool ended = false;
  const long alive = Alive::count();
  CHECK_THROWS_WITH(loop.run(af::gather(say("a", 1h), slow_to_end(ended), fail("the cause", 1s), fail("later", 2h))),
                    "the cause");
  CHECK(ended);
  CHECK(Alive::count() == alive);
  CHECK(loop.clock()->passed() == 6s);
  // One that fails before the others have begun, and one that fails because it was cancelled.
  CHECK_THROWS_WITH(loop.run(af::gather(fail_at_once(), say("b", 1h))), "at once");
}

TEST_CASE("24 a limit bounds how many are under way, and all are done", "[gather]") {
  VirtualLoop loop;
  Meter meter;
  std::vector<asio::awaitable<int>> work;
  for (int i = 0; i < 50; ++i) work.push_back(meter.work(i));
  const auto results = loop.run(af::gather(std::move(work), af::GatherOptions().limit(5)));
  CHECK(meter.most() == 5);
  CHECK(meter.done() == 50);
  for (int i = 0; i < 50; ++i) CHECK(results[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("25 with a limit, a failure is thrown and what had not begun never begins", "[gather]") {
  VirtualLoop loop;
  Meter meter;
  std::vector<asio::awaitable<int>> work;
  work.push_back(meter.work(1));
  work.push_back(fail_at_once());
  for (int i = 0; i < 8; ++i) work.push_back(meter.work(i));
  CHECK_THROWS_WITH(loop.run(af::gather(std::move(work), af::GatherOptions().limit(1))), "at once");
  CHECK(meter.done() == 1);

  std::vector<asio::awaitable<int>> again;
  again.push_back(fail_at_once());
  for (int i = 0; i < 8; ++i) again.push_back(meter.work(i));
  const auto outcomes = loop.run(af::gather(std::move(again), af::return_exceptions, af::GatherOptions().limit(2)));
  CHECK_FALSE(outcomes[0]);
  CHECK(std::count_if(outcomes.begin(), outcomes.end(), [](const auto& o) { return o.has_value(); }) == 8);
}

TEST_CASE("gather may be cancelled or abandoned anywhere", "[gather]") {
  auto all = []() -> asio::awaitable<void> {
    bool ended = false;
    std::vector<asio::awaitable<std::string>> list;
    for (int i = 0; i < 3; ++i) list.push_back(say("x", std::chrono::seconds(i)));
    co_await af::gather(say("a", 2s), slow_to_end(ended), af::gather(std::move(list), af::GatherOptions().limit(2)));
  };
  CHECK(disturb_everywhere(all) > 10);
}

TEST_CASE("gather that is cancelled from outside says so, whatever its parts throw", "[gather]") {
  VirtualLoop loop;
  asio::cancellation_signal signal;
  auto stubborn = []() -> asio::awaitable<int> {
    try {
      co_await af::sleep(1h);
    } catch (const af::cancelled_error&) {
    }
    throw std::runtime_error("could not clean up");
  };
  loop.after(5, [&] { signal.emit(asio::cancellation_type::terminal); });
  CHECK_THROWS_AS(loop.run(af::gather(stubborn(), say("a", 1h)), signal.slot()), af::cancelled_error);
}

TEST_CASE("gather in a coroutine that is cancelled already begins nothing", "[gather]") {
  VirtualLoop loop;
  asio::cancellation_signal signal;
  bool begun = false;
  auto begin = [&]() -> asio::awaitable<void> {
    begun = true;
    co_return;
  };
  auto late = [&]() -> asio::awaitable<void> {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await give_way(2);
    co_await af::gather(begin());
  };
  loop.after(1, [&] { signal.emit(asio::cancellation_type::terminal); });
  CHECK_THROWS_AS(loop.run(late(), signal.slot()), af::cancelled_error);
  CHECK_FALSE(begun);
}

TEST_CASE("gather is safe on several threads, and what it runs takes turns", "[gather]") {
  struct Counter {
    int value = 0;  // not atomic on purpose
    std::atomic<int> inside{0}, overlaps{0};
    asio::awaitable<int> count(int times) {
      for (int i = 0; i < times; ++i) {
        if (++inside > 1) ++overlaps;
        ++value;
        --inside;
        co_await asio::post(asio::use_awaitable);
      }
      co_return times;
    }
  };
  auto once = []() -> asio::awaitable<int> {
    Counter counter;
    std::vector<asio::awaitable<int>> work;
    for (int i = 0; i < 8; ++i) work.push_back(counter.count(50));
    co_await af::gather(std::move(work));
    co_return counter.value + 1'000'000 * counter.overlaps;
  };
  auto many = [&]() -> asio::awaitable<std::vector<int>> {
    std::vector<asio::awaitable<int>> work;
    for (int i = 0; i < 20; ++i) work.push_back(once());
    auto results = co_await af::gather(std::move(work));
    co_return results;
  };
  CHECK(af::run(many(), af::RunOptions().threads(4)) == std::vector<int>(20, 400));

  auto failing = []() -> asio::awaitable<std::string> {
    std::string text;
    for (int i = 0; i < 100; ++i) {
      try {
        co_await af::gather(say("a", 1h), fail("cause", 0s), fail("other", 1h));
      } catch (const std::runtime_error& e) {
        text += e.what()[0];
      }
    }
    co_return text;
  };
  CHECK(af::run(failing(), af::RunOptions().threads(4)) == std::string(100, 'c'));
}
