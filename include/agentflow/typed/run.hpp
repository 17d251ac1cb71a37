// SPDX-License-Identifier: MIT
// RunResult, Run and Stream: what a run gives back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <iterator>
#include <optional>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/run/erased_graph.hpp>

namespace agentflow {

/// How a run ended, and with which state. Use it as a pointer to reach the state: `result->messages.back().text()`.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe to read.
/// **Lifetime** The state is a part of it. Before C++23 a loop over `app.invoke(x)->messages` reads what has gone;
/// give the result a name, or loop over `app.invoke(x).state.messages`.
template <class S>
class AGENTFLOW_VISIBLE RunResult {
 public:
  RunResult() = default;
  explicit RunResult(ErasedRun& run)
      : status_(run.status()),
        steps_(run.steps()),
        messages_before_(run.messages_before()),
        run_id_(run.run_id()),
        end_(run.end()) {
    StateBox box = run.take_state();
    if (!box) throw config_error(errc::result_taken, "the result of this run has been taken already");
    state = std::move(*static_cast<S*>(box.get()));
  }

  S state;

  const S& operator*() const& noexcept { return state; }
  S& operator*() & noexcept { return state; }
  S operator*() && { return std::move(state); }
  const S* operator->() const noexcept AGENTFLOW_LIFETIMEBOUND { return &state; }
  S* operator->() noexcept AGENTFLOW_LIFETIMEBOUND { return &state; }

  run_status status() const noexcept { return status_; }
  /// The super-steps that ran; those of subgraphs apart.
  std::uint64_t steps() const noexcept { return steps_; }
  const RunId& run_id() const noexcept { return run_id_; }
  /// The tokens of a conversation's run: the sum of what the messages after those of the input say.
  TokenUsage usage() const
    requires Conversation<S>
  {
    TokenUsage sum;
    for (std::size_t i = messages_before_; i < state.messages.size(); ++i)
      if (const auto& usage = state.messages[i].usage()) sum += *usage;
    return sum;
  }
  /// The thread the run belonged to; empty where none was given.
  const std::string& thread_id() const noexcept { return end().thread_id; }

  /// What an interrupted run waits for; go on with `af::Resume`.
  const std::vector<Interrupt>& interrupts() const noexcept { return end().interrupts; }
  /// The checkpoint the run ended at; empty for a run that is not stored.
  const std::string& checkpoint_id() const noexcept { return end().checkpoint_id; }

  /// The result as one line of JSON: status, steps, ids, and the state where it has a JSON mapping (else null).
  std::string to_json() const {
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    w.key("status");
    w.string(agentflow::to_string(status_));
    w.key("steps");
    w.unsigned_integer(steps_);
    w.key("run_id");
    w.string(run_id_.to_string());
    if (!thread_id().empty()) {
      w.key("thread_id");
      w.string(thread_id());
    }
    w.key("state");
    if (const auto write = state_ops<S>().write_json; write != nullptr)
      write(w, &state);
    else
      w.null();
    w.end_object();
    return out;
  }

 private:
  const RunEnd& end() const noexcept {
    static const RunEnd none;
    return end_ ? *end_ : none;
  }

  run_status status_ = run_status::completed;
  std::uint64_t steps_ = 0;
  std::size_t messages_before_ = 0;
  RunId run_id_;
  std::shared_ptr<const RunEnd> end_;
};

template <class S>
std::string to_string(const RunResult<S>& result) {
  return result.to_json();
}
template <class S>
std::ostream& operator<<(std::ostream& out, const RunResult<S>& result) {
  return out << result.to_json();
}

/// A run under way, or about to be: its events, its result, and the means to end it.
///
/// `start()` gives one that is running; `astream()` one that starts at the first `next()`. Destroying it cancels the
/// run; the cancelled work is joined on its own executor, and holds the graph until then.
///
/// **Thread safety** Distinct objects: safe. Shared objects: `stop()` and `cancel()` from any thread, the rest unsafe.
/// **Lifetime** May outlive the graph object and the io_context.
template <class S>
class [[nodiscard]] Run {
 public:
  explicit Run(ErasedRun run) noexcept : run_(std::move(run)) {}

  /// Waits for the next chunk; nothing at the end of the run. Chunks that are not taken hold the run back once
  /// `RunConfig::stream_capacity` of them wait.
  ///
  /// **Errors** throws what made the run fail, after the last chunk. **Cancellation** cancels the run.
  asio::awaitable<std::optional<Chunk>> next() { return run_.next(); }

  /// Waits for the end and gives the result, once. Chunks that were not taken are dropped.
  ///
  /// **Errors** throws what made the run fail; `config_error` (`errc::result_taken`) the second time. **Cancellation**
  /// cancels the run, waits for it to end, and throws `cancelled_error`.
  asio::awaitable<RunResult<S>> result() {
    co_await run_.wait();
    run_.rethrow();
    RunResult<S> r(run_);
    co_return r;
  }

  /// Asks the run to stop: nothing more is started, what runs may finish (`NodeContext::stop_requested`), and the run
  /// ends as `stopped` with all that was finished. Never waits.
  void stop() noexcept { run_.stop(); }
  /// Cancels the run at once: what it awaits is cancelled, and it ends with `cancelled_error`. Never waits.
  void cancel() { run_.cancel(); }
  bool done() const noexcept { return run_.done(); }
  const RunId& run_id() const noexcept { return run_.run_id(); }

 private:
  ErasedRun run_;
};

/// The events of a run as a plain thread reads them. The run makes progress inside `next()`, on the calling thread.
///
/// ```cpp
/// for (const af::Chunk& chunk : app.stream("Hello")) std::cout << chunk.content();
/// ```
/// Destroying one that was begun cancels its run and runs it to its end, on the calling thread; then its background
/// tasks have `CompileOptions::shutdown_timeout`. It blocks for that, also on a thread that runs an event loop, where
/// `next()` is refused.
///
/// **Errors** `nested_loop_error` on a thread that runs an event loop; then what made the run fail.
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe.
/// **Lifetime** May outlive the graph object.
template <class S>
class [[nodiscard]] Stream {
 public:
  explicit Stream(ErasedRun run) : stream_(std::move(run)) {}

  /// Runs until the next chunk, or to the end: then nothing, and ever after.
  ///
  /// **Errors** Those of the class; what made the run fail comes after its last chunk.
  /// **Complexity/blocking** Blocks the thread. Between two calls the run stands still, but for what it does on threads
  /// of others.
  std::optional<Chunk> next() { return stream_.next(); }
  /// Runs to the end and gives the result, once. Chunks that were not taken are dropped.
  ///
  /// **Errors** Those of the class; `config_error` (`errc::result_taken`) the second time.
  /// **Complexity/blocking** Blocks the thread until the run has ended.
  RunResult<S> result() {
    stream_.finish();
    stream_.run().rethrow();
    return RunResult<S>(stream_.run());
  }
  /// As `Run::stop`: the next calls of `next()` run it to its end. Never waits.
  void stop() noexcept { stream_.run().stop(); }

  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Chunk;
    using difference_type = std::ptrdiff_t;
    using pointer = const Chunk*;
    using reference = const Chunk&;
    iterator() = default;
    explicit iterator(Stream& s) : stream_(&s) { ++*this; }
    const Chunk& operator*() const noexcept { return *chunk_; }
    const Chunk* operator->() const noexcept { return &*chunk_; }
    iterator& operator++() {
      chunk_ = stream_->next();
      if (!chunk_) stream_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const iterator& o) const noexcept { return stream_ == o.stream_; }

   private:
    Stream* stream_ = nullptr;
    std::optional<Chunk> chunk_;
  };
  iterator begin() { return iterator(*this); }
  iterator end() noexcept { return iterator(); }

 private:
  ErasedStream stream_;
};

}  // namespace agentflow
