// SPDX-License-Identifier: MIT
// Some sixty small graphs that between them use every feature of the engine, for tests that disturb each of them in
// turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <agentflow/core/clock.hpp>
#include <agentflow/ports/checkpointer.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/alive.hpp"

namespace corpus {

namespace af = agentflow;

/// A word that is counted while it lives; in JSON a string.
class Word {
 public:
  Word() = default;
  explicit Word(std::string text) : text_(std::move(text)) {}
  const std::string& text() const noexcept { return text_; }
  bool operator==(const Word&) const = default;

 private:
  std::string text_;
  Alive alive_;
};
inline void agentflow_write_json(af::JsonWriter& out, const Word& word) { out.string(word.text()); }
inline void agentflow_read_json(const af::JsonReader& in, Word& word) { word = Word(std::string(in.as_string())); }

/// The state of most graphs here: one field for each kind of reducer.
struct Doc {
  af::List<Word> log;
  int n = 0;
  Word last;
  std::set<std::string> tags;
  std::map<std::string, int> table;
  int high = 0;
  int low = 0;
  std::vector<int> cells;
};
AGENTFLOW_STATE(Doc, (log, af::append), (n, af::sum), last, (tags, af::set_union), (table, af::merge_map),
                (high, af::max), (low, af::min), (cells, af::append))

/// The state as JSON, without the members that have their first value.
std::string text_of(const Doc& doc);
/// The messages' roles and texts, without ids and times.
std::string text_of(const af::AgentState& state);

/// How a run ended, whatever its state.
class Outcome {
 public:
  Outcome() = default;
  template <class S>
  explicit Outcome(const af::RunResult<S>& result)
      : state(text_of(result.state)), status(result.status()), steps(result.steps()) {}

  std::string state;
  af::run_status status = af::run_status::completed;
  std::uint64_t steps = 0;
};

/// A run under way, whatever its state. Destroying it destroys the handle.
class Handle {
 public:
  virtual ~Handle() = default;
  virtual void cancel() = 0;
  virtual void stop() = 0;
  virtual asio::awaitable<Outcome> result() = 0;
  /// Reads the events to the end.
  virtual asio::awaitable<void> read() = 0;
};

/// A compiled graph with its input and options, whatever its state. The awaitables refer to the program.
class Program {
 public:
  virtual ~Program() = default;
  virtual Outcome invoke() const = 0;
  virtual asio::awaitable<Outcome> ainvoke() const = 0;
  /// Goes on with the stored run.
  virtual asio::awaitable<Outcome> resume() const = 0;
  /// Reads the events of all modes to the end.
  virtual asio::awaitable<Outcome> stream() const = 0;
  /// Reads so many of them and drops the handle; gives how many there were.
  virtual asio::awaitable<std::size_t> read(std::size_t chunks) const = 0;
  /// The same as `stream` by the blocking twin.
  virtual Outcome stream_blocking() const = 0;
  virtual std::unique_ptr<Handle> start(const asio::any_io_executor& executor) const = 0;
  /// A stream of all modes, not yet begun.
  virtual std::unique_ptr<Handle> astream() const = 0;
};

/// One graph, and what it comes to when nobody disturbs it.
class Case {
 public:
  using Store = std::shared_ptr<af::Checkpointer>;
  using Maker = std::function<std::unique_ptr<Program>(const std::shared_ptr<af::Clock>&, const Store&)>;
  Case(std::string n, std::string e, Maker m) : name(std::move(n)), expected(std::move(e)), maker(std::move(m)) {}

  /// Compiles it; with a store, its runs are those of one thread there.
  std::unique_ptr<Program> make(const std::shared_ptr<af::Clock>& clock, const Store& store = nullptr) const {
    return maker(clock, store);
  }

  std::string name;
  std::string expected;
  Maker maker;
  /// Some of its work is done by other threads: wait for them, and do not count on the order of handlers.
  bool threads = false;
  /// Its threads belong to the test, not to the graph: a loop must not be destroyed while they may still post to it.
  bool foreign = false;
  /// It has limits in time: it needs a clock that only tests, or the machine, move.
  bool timed = false;
};

/// All of them. Names are unique.
const std::vector<Case>& cases();

/// The modes of `Program::stream`, and how many chunks it lets wait.
af::RunConfig streaming(af::RunConfig config);

template <class S>
class ProgramOf final : public Program {
 public:
  /// Each run gets an input of its own: copies of a list share what any of them appends, and what is alive is counted.
  ProgramOf(af::CompiledGraph<S> graph, S (*input)(), af::RunConfig config)
      : graph_(std::move(graph)), input_(input), config_(std::move(config)) {}

  Outcome invoke() const override { return Outcome(graph_.invoke(input_(), config_)); }
  asio::awaitable<Outcome> ainvoke() const override {
    auto work = graph_.ainvoke(input_(), config_);
    af::RunResult<S> result = co_await std::move(work);
    Outcome outcome(result);
    co_return outcome;
  }
  asio::awaitable<Outcome> resume() const override {
    auto work = graph_.ainvoke(af::Resume(), config_);
    af::RunResult<S> result = co_await std::move(work);
    Outcome outcome(result);
    co_return outcome;
  }
  asio::awaitable<Outcome> stream() const override {
    auto run = graph_.astream(input_(), streaming(config_));
    for (;;) {
      auto next = run.next();
      std::optional<af::Chunk> chunk = co_await std::move(next);
      if (!chunk) break;
    }
    auto end = run.result();
    af::RunResult<S> result = co_await std::move(end);
    Outcome outcome(result);
    co_return outcome;
  }
  asio::awaitable<std::size_t> read(std::size_t chunks) const override {
    auto run = graph_.astream(input_(), streaming(config_));
    std::size_t taken = 0;
    for (; taken < chunks; ++taken) {
      auto next = run.next();
      std::optional<af::Chunk> chunk = co_await std::move(next);
      if (!chunk) break;
    }
    co_return taken;
  }
  Outcome stream_blocking() const override {
    auto events = graph_.stream(input_(), streaming(config_));
    while (events.next()) {
    }
    return Outcome(events.result());
  }
  std::unique_ptr<Handle> start(const asio::any_io_executor& executor) const override {
    return std::make_unique<HandleOf>(graph_.start(executor, input_(), config_));
  }
  std::unique_ptr<Handle> astream() const override {
    return std::make_unique<HandleOf>(graph_.astream(input_(), streaming(config_)));
  }

 private:
  class HandleOf final : public Handle {
   public:
    explicit HandleOf(af::Run<S> run) : run_(std::move(run)) {}
    void cancel() override { run_.cancel(); }
    void stop() override { run_.stop(); }
    asio::awaitable<Outcome> result() override {
      auto end = run_.result();
      af::RunResult<S> result = co_await std::move(end);
      Outcome outcome(result);
      co_return outcome;
    }
    asio::awaitable<void> read() override {
      for (;;) {
        auto next = run_.next();
        std::optional<af::Chunk> chunk = co_await std::move(next);
        if (!chunk) co_return;
      }
    }

   private:
    af::Run<S> run_;
  };

  af::CompiledGraph<S> graph_;
  S (*input_)();
  af::RunConfig config_;
};

}  // namespace corpus
