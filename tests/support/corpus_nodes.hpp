// SPDX-License-Identifier: MIT
// The nodes, routers and handlers that the graphs of the corpus are made of. Each is a type, so that it compiles once.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>

#include "support/corpus.hpp"

namespace corpus {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

/// What every node has: a word to say, and a witness of its own life.
class Speaker {
 public:
  explicit Speaker(std::string word) : word_(std::move(word)) {}

 protected:
  Doc said(Doc s) const {
    s.log.push_back(Word(word_));
    ++s.n;
    return s;
  }
  af::Update<Doc> update() const {
    af::Update<Doc> u;
    u.write<&Doc::log>(Word(word_));
    u.write<&Doc::n>(1);
    return u;
  }
  const std::string& word() const noexcept { return word_; }

 private:
  std::string word_;
  Alive alive_;
};

/// A plain function of the state.
struct Say : Speaker {
  using Speaker::Speaker;
  Doc operator()(Doc s) const { return said(std::move(s)); }
};
/// A plain function that gives its changes.
struct Tell : Speaker {
  using Speaker::Speaker;
  af::Update<Doc> operator()(const Doc&) const { return update(); }
};
/// A plain function that only looks.
struct Look : Speaker {
  using Speaker::Speaker;
  void operator()(const Doc&) const {}
};
/// A coroutine that sleeps on the graph's clock.
struct Nap : Speaker {
  Nap(std::string word, nanoseconds length) : Speaker(std::move(word)), length_(length) {}
  asio::awaitable<Doc> operator()(Doc s, af::NodeContext& ctx) const {
    co_await ctx.sleep(length_);
    co_return said(std::move(s));
  }
  nanoseconds length_;
};
/// A coroutine that gives way some times; none is a coroutine that never suspends.
struct Hop : Speaker {
  Hop(std::string word, int times) : Speaker(std::move(word)), times_(times) {}
  asio::awaitable<Doc> operator()(Doc s) const {
    for (int i = 0; i < times_; ++i) co_await asio::post(asio::use_awaitable);
    co_return said(std::move(s));
  }
  int times_;
};
/// The same by reference, with changes as its result.
struct Lend : Speaker {
  using Speaker::Speaker;
  asio::awaitable<af::Update<Doc>> operator()(const Doc&) const {
    co_await asio::post(asio::use_awaitable);
    co_return update();
  }
};
/// A coroutine without a result, which writes to the stream and waits for its reader.
struct Emit : Speaker {
  Emit(std::string word, int times) : Speaker(std::move(word)), times_(times) {}
  asio::awaitable<void> operator()(const Doc&, af::NodeContext& ctx) const {
    for (int i = 0; i < times_; ++i) {
      auto token = ctx.emit_token(word());
      co_await std::move(token);
      auto data = ctx.emit(af::to_json_value(word()));
      co_await std::move(data);
    }
  }
  int times_;
};
/// A plain function that writes to the stream without waiting.
struct Write : Speaker {
  Write(std::string word, int times) : Speaker(std::move(word)), times_(times) {}
  Doc operator()(Doc s, af::NodeContext& ctx) const {
    for (int i = 0; i < times_; ++i) ctx.write(af::to_json_value(word()));
    return said(std::move(s));
  }
  int times_;
};
/// Chooses where to go.
struct Go : Speaker {
  Go(std::string word, std::vector<std::string> targets) : Speaker(std::move(word)), targets_(std::move(targets)) {}
  af::Command<Doc> operator()(const Doc&) const {
    af::Command<Doc> c;
    c.update(update());
    for (const auto& t : targets_) c.go_to(t);
    return c;
  }
  std::vector<std::string> targets_;
};
/// The same after a suspension.
struct GoLater : Go {
  using Go::Go;
  asio::awaitable<af::Command<Doc>> operator()(Doc s) const {
    co_await asio::post(asio::use_awaitable);
    co_return Go::operator()(s);
  }
};

/// What a Send carries.
struct Item {
  int value = 0;
  Alive alive;
};
AGENTFLOW_STATE(Item, value)
/// Takes a Send's item; later items finish first.
struct Map : Speaker {
  using Speaker::Speaker;
  asio::awaitable<af::Update<Doc>> operator()(Item item, af::NodeContext& ctx) const {
    co_await ctx.sleep(std::chrono::seconds(10 - item.value));
    af::Update<Doc> u = update();
    u.write<&Doc::cells>(item.value * item.value);
    co_return u;
  }
};
struct MapNow : Speaker {
  using Speaker::Speaker;
  af::Update<Doc> operator()(const Item& item) const {
    af::Update<Doc> u = update();
    u.write<&Doc::cells>(item.value + 100);
    return u;
  }
};
/// Sends itself on, by a Command.
struct Scatter : Speaker {
  using Speaker::Speaker;
  af::Command<Doc> operator()(const Doc&) const {
    af::Command<Doc> c;
    c.update(update());
    for (int i = 1; i <= 2; ++i) c.send(af::Send("item", Item{i, {}}));
    return c;
  }
};

/// Fails until the given attempt, before or after a suspension.
struct Flaky : Speaker {
  Flaky(std::string word, int good_attempt, bool late) : Speaker(std::move(word)), good_(good_attempt), late_(late) {}
  asio::awaitable<Doc> operator()(Doc s, af::NodeContext& ctx) const {
    if (late_) co_await asio::post(asio::use_awaitable);
    if (ctx.attempt() < good_) throw std::runtime_error("not yet");
    co_return said(std::move(s));
  }
  int good_;
  bool late_;
};
/// Sleeps for a day, but from the given attempt on only for a second.
struct Slow : Speaker {
  Slow(std::string word, int good_attempt) : Speaker(std::move(word)), good_(good_attempt) {}
  asio::awaitable<Doc> operator()(Doc s, af::NodeContext& ctx) const {
    if (ctx.attempt() < good_)
      co_await ctx.sleep(24h);
    else
      co_await ctx.sleep(1s);
    co_return said(std::move(s));
  }
  int good_;
};
/// Takes long, with signs of life.
struct Beat : Speaker {
  Beat(std::string word, int times, nanoseconds pause) : Speaker(std::move(word)), times_(times), pause_(pause) {}
  asio::awaitable<Doc> operator()(Doc s, af::NodeContext& ctx) const {
    for (int i = 0; i < times_; ++i) {
      co_await ctx.sleep(pause_);
      ctx.heartbeat();
    }
    co_return said(std::move(s));
  }
  int times_;
  nanoseconds pause_;
};
/// Writes every field.
struct Fill : Speaker {
  Fill(std::string word, int value) : Speaker(std::move(word)), value_(value) {}
  asio::awaitable<Doc> operator()(Doc s) const {
    co_await asio::post(asio::use_awaitable);
    s.tags.insert(word());
    s.table[word()] = value_;
    s.high = std::max(s.high, value_);
    s.low = std::min(s.low, -value_);
    s.cells.push_back(value_);
    co_return said(std::move(s));
  }
  int value_;
};
/// Writes the field that takes one writer.
struct Sign : Speaker {
  using Speaker::Speaker;
  Doc operator()(Doc s) const {
    s.last = Word(word());
    return said(std::move(s));
  }
};
/// Awaits a run of another graph.
struct Within : Speaker {
  Within(std::string word, af::CompiledGraph<Doc> graph) : Speaker(std::move(word)), graph_(std::move(graph)) {}
  asio::awaitable<Doc> operator()(Doc s) const {
    auto work = graph_.ainvoke(std::move(s));
    af::RunResult<Doc> result = co_await std::move(work);
    co_return said(std::move(result.state));
  }
  af::CompiledGraph<Doc> graph_;
};

/// Goes on with `again` until the sum reaches a limit, then with `then`.
struct Until {
  int limit;
  std::string again, then;
  Alive alive = {};
  std::string operator()(const Doc& s) const { return s.n < limit ? again : then; }
};
struct UntilLater {
  int limit;
  std::string again, then;
  Alive alive = {};
  asio::awaitable<std::string> operator()(const Doc& s) const {
    co_await asio::post(asio::use_awaitable);
    co_return s.n < limit ? again : then;
  }
};
/// Sends items 1 to n to the node `item`.
struct Spread {
  int count;
  Alive alive = {};
  std::vector<af::Send> operator()(const Doc&) const {
    std::vector<af::Send> sends;
    for (int i = 1; i <= count; ++i) sends.emplace_back("item", Item{i, {}});
    return sends;
  }
};
/// Several names at once.
struct Both {
  std::vector<std::string> names;
  Alive alive = {};
  std::vector<std::string> operator()(const Doc&) const { return names; }
};
/// Gives a result in the place of a node that failed.
struct Excuse : Speaker {
  using Speaker::Speaker;
  af::Update<Doc> operator()(const Doc&, const af::error&) const { return update(); }
};

}  // namespace corpus
