// SPDX-License-Identifier: MIT
// Two to eight branches, of which every subset fails, in several orders and ways: exactly what had not finished runs
// again, and the join runs once. And what a reader sees meanwhile.
#include <agentflow/typed/state_graph.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/durable.hpp"

namespace af = agentflow;
using af::NodeContext;
using af::Resume;
using af::testing::VirtualClock;
using af::testing::VirtualLoop;
using support::input;
using support::Notes;
using support::on;
using support::text;
using Graph = af::StateGraph<Notes>;
using namespace std::chrono_literals;

namespace {

constexpr auto limit = 100s;

/// Branches that take so many seconds each, and a join.
class Branches {
 public:
  Branches(std::vector<int> seconds, unsigned failing, bool hangs)
      : seconds_(std::move(seconds)), failing_(failing), hangs_(hangs), ran(seconds_.size()) {
    Graph g;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < seconds_.size(); ++i) {
      names.push_back("n" + std::to_string(i));
      auto node = [this, i](Notes s, NodeContext& ctx) { return branch(i, std::move(s), ctx); };
      g.add_node(names.back(), std::move(node), af::NodeOptions().timeout(limit)).set_entry_point(names.back());
    }
    g.add_node("z", [this](Notes s) {
      ++joined;
      s.log.push_back("z");
      return s;
    });
    g.add_edge(names, "z").add_edge("z", "END");
    app_.emplace(g.compile(af::CompileOptions().checkpointer(af::memory_checkpointer()).clock(clock_)));
  }

  /// Runs, and ends in the way that was asked for: by itself, or after so many seconds cancelled or killed.
  void run(int cancel_after = 0, int kill_after = 0) {
    VirtualLoop loop(clock_);
    auto handle = app_->start(loop.executor(), input("in"), on("t"));
    auto interfere = [&]() -> asio::awaitable<void> {
      co_await af::sleep(std::chrono::milliseconds(1000 * (cancel_after + kill_after) + 500));
      if (cancel_after > 0) handle.cancel();
      if (kill_after > 0) loop.stop_after(loop.handlers());
    };
    if (cancel_after + kill_after > 0) {
      try {
        loop.run(interfere());
      } catch (const af::testing::abandoned_error&) {
        return;
      }
    }
    CHECK_THROWS_AS(loop.run(handle.result()), af::error);
  }
  std::string resume() {
    VirtualLoop loop(clock_);
    const auto result = loop.run(app_->ainvoke(Resume(), on("t")));
    return text(*result);
  }
  /// What the first run's end at that time leaves to be run again.
  std::vector<int> expected(int end) const {
    std::vector<int> times;
    for (const int s : seconds_) times.push_back(s > end ? 2 : 1);
    return times;
  }
  std::vector<int> expected() const {
    int end = static_cast<int>(limit.count());  // of those that still run
    for (std::size_t i = 0; i < seconds_.size(); ++i)
      if (fails(i) && !hangs_) end = std::min(end, seconds_[i]);
    std::vector<int> times;
    for (std::size_t i = 0; i < seconds_.size(); ++i)
      times.push_back((fails(i) && hangs_) || seconds_[i] >= end ? 2 : 1);
    return times;
  }
  std::string whole() const {
    std::string out = "in";
    for (std::size_t i = 0; i < seconds_.size(); ++i) out += " n" + std::to_string(i);
    return out + " z =" + std::to_string(seconds_.size());
  }

 private:
  bool fails(std::size_t i) const { return (failing_ >> i & 1U) != 0; }
  asio::awaitable<Notes> branch(std::size_t i, Notes s, NodeContext& ctx) {
    const bool first = ++ran[i] == 1;
    co_await ctx.sleep(std::chrono::seconds(first && fails(i) && hangs_ ? 1000 : seconds_[i]));
    if (first && fails(i)) throw std::runtime_error("fails");
    s.log.push_back(ctx.node());
    ++s.n;
    co_return s;
  }

  std::vector<int> seconds_;
  unsigned failing_;
  bool hangs_;
  std::shared_ptr<VirtualClock> clock_ = std::make_shared<VirtualClock>();
  std::optional<af::CompiledGraph<Notes>> app_;

 public:
  std::vector<int> ran;
  int joined = 0;
};

/// Orders in which so many branches finish: as declared, backwards, and two others.
std::vector<std::vector<int>> orders(std::size_t n) {
  std::vector<int> seconds(n);
  std::iota(seconds.begin(), seconds.end(), 1);
  std::vector<std::vector<int>> all(4, seconds);
  std::reverse(all[1].begin(), all[1].end());
  std::mt19937_64 random(n);
  for (std::size_t i : {2, 3}) std::shuffle(all[i].begin(), all[i].end(), random);
  return all;
}

}  // namespace

TEST_CASE("of two to eight branches exactly those run again that had not finished", "[durable][slow]") {
  std::uint64_t trials = 0;
  const auto check = [&trials](Branches& b, const std::vector<int>& expected) {
    CHECK(b.joined == 0);
    CHECK(b.resume() == b.whole());
    CHECK(b.ran == expected);
    CHECK(b.joined == 1);
    ++trials;
  };
  for (std::size_t n = 2; n <= 8; ++n)
    for (const auto& order : orders(n)) {
      INFO("finish: " << Catch::Detail::stringify(order));
      for (unsigned failing = 1; failing < 1U << n; ++failing)
        for (const bool hangs : {false, true}) {
          INFO("failing: " << failing << (hangs ? ", by running out of time" : ""));
          Branches b(order, failing, hangs);
          b.run();
          check(b, b.expected());
        }
      for (int end = 1; end < static_cast<int>(n); ++end) {
        INFO("ended after " << end << " s");
        Branches cancelled(order, 0, false), killed(order, 0, false);
        cancelled.run(end, 0);
        check(cancelled, cancelled.expected(end));
        killed.run(0, end);
        check(killed, killed.expected(end));
      }
    }
  WARN(trials << " trials");
  CHECK(trials > 4000);
}

TEST_CASE("who looks at a thread sees whole steps", "[durable][store]") {
  support::World w;
  Graph g;
  std::vector<std::string> names;
  for (int i = 0; i < 5; ++i) {
    names.push_back("n" + std::to_string(i));
    g.add_node(names.back(), w.slow(names.back(), std::chrono::seconds(1 + i))).set_entry_point(names.back());
  }
  g.add_node("z", w.plain("z"));
  g.add_edge(names, "z");
  g.add_conditional_edges("z", [](const Notes& s) {
    std::vector<std::string> to;
    for (int i = 0; i < 5 && s.n < 200; ++i) to.push_back("n" + std::to_string(i));
    return to.empty() ? std::vector<std::string>(1, "END") : to;
  });
  const auto app = g.compile(w.options());
  int views = 0;
  w.store->gate = [&](std::uint64_t, bool) -> asio::awaitable<void> {
    auto look = app.aget_state("t");
    const auto seen = co_await std::move(look);
    if (!seen) co_return;
    ++views;
    // The input; then turn by turn five branches together, and the join.
    const int in_turn = seen->state.n % 6;
    CHECK((in_turn == 0 || in_turn == 5));
    CHECK(seen->state.log.size() == static_cast<std::size_t>(seen->state.n) + 1);
    CHECK(seen->next.size() == (seen->finished ? 0U : in_turn == 0 ? 5U : 1U));
  };
  w.run(app, input("in"), on("t").recursion_limit(1000));
  CHECK(views > 400);
}
