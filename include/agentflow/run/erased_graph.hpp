// SPDX-License-Identifier: MIT
// A compiled graph and its runs without the state's type: what the typed shells are made of.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include <agentflow/async/shutdown_stats.hpp>
#include <agentflow/core/call_site.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/graph/chunk.hpp>
#include <agentflow/graph/graph_spec.hpp>
#include <agentflow/graph/interrupt.hpp>
#include <agentflow/run/background.hpp>
#include <agentflow/run/options.hpp>
#include <agentflow/run/run_input.hpp>
#include <agentflow/run/thread_state.hpp>

namespace agentflow {

namespace detail {
class GraphCore;
class RunCore;
}  // namespace detail

/// What the run of a thread gives besides its state; of a run that is not stored the thread's id alone.
class RunEnd {
 public:
  std::string thread_id;
  std::vector<Interrupt> interrupts;
  std::string checkpoint_id;
};

/// One run, as its owner holds it. Destroying the handle of a run that is under way cancels it.
///
/// **Thread safety** Distinct objects: safe. Shared objects: `stop` and `cancel` from any thread; the rest from one.
class AGENTFLOW_API ErasedRun {
 public:
  ErasedRun() noexcept = default;
  ErasedRun(ErasedRun&&) noexcept = default;
  ErasedRun& operator=(ErasedRun&& other) noexcept;
  ~ErasedRun();

  /// Runs to the end on the calling thread, on a private event loop if one is needed.
  void run_blocking();
  /// Starts on an executor; on a strand of its own unless the executor serialises by itself.
  void start(const asio::any_io_executor& ex);
  bool started() const noexcept;
  /// Runs to the end for a coroutine on `ex`, inside it where that is serial, for a run that nobody else holds.
  asio::awaitable<void> attend(const asio::any_io_executor& ex);
  /// Runs to the end, starting on the calling coroutine's executor if need be.
  asio::awaitable<void> wait();
  /// The next chunk; nothing at the end. Throws what made the run fail.
  asio::awaitable<std::optional<Chunk>> next();
  /// Lets go of the stream: chunks are dropped and no node waits for a consumer.
  void discard_events() noexcept;

  void stop() noexcept;
  void cancel();
  bool done() const noexcept;
  void rethrow() const;
  StateBox take_state();
  run_status status() const noexcept;
  std::uint64_t steps() const noexcept;
  /// Of a run that is done; null where it has no thread.
  std::shared_ptr<const RunEnd> end() const;
  /// How many messages the input had, if it is a conversation.
  std::size_t messages_before() const noexcept;
  const RunId& run_id() const noexcept;
  const std::string& thread_id() const noexcept;

 private:
  friend class ErasedGraph;
  friend class ErasedStream;
  explicit ErasedRun(std::shared_ptr<detail::RunCore> core) noexcept : core_(std::move(core)) {}
  std::shared_ptr<detail::RunCore> core_;
};

/// A run whose chunks are pulled by a plain thread, on a private event loop.
class AGENTFLOW_API ErasedStream {
 public:
  explicit ErasedStream(ErasedRun run);
  ErasedStream(ErasedStream&&) noexcept;
  ErasedStream& operator=(ErasedStream&&) noexcept;
  ~ErasedStream();
  std::optional<Chunk> next();
  void finish();
  ErasedRun& run() noexcept { return run_; }

 private:
  struct Loop;
  void start();
  std::unique_ptr<Loop> loop_;
  ErasedRun run_;
};

/// A compiled graph. Copies share it. What `CompiledGraph` says of its functions holds for those of the same name here.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
/// **Lifetime** Runs hold what they need of the graph; the object may go while they are under way.
class AGENTFLOW_API ErasedGraph {
 public:
  ErasedGraph(std::shared_ptr<const GraphSpec> spec, CompileOptions options, CallSite made = {});
  // A move is a copy, so that a graph that was moved from is still one.
  ErasedGraph(const ErasedGraph&) noexcept = default;
  ErasedGraph& operator=(const ErasedGraph&) noexcept = default;
  ~ErasedGraph() = default;

  /// Makes a run, which does nothing until it is started. `made` is for debug mode, in case it never is.
  ///
  /// **Errors** `graph_closed_error` once the graph is closed or being closed; `config_error` for a config that makes
  /// no sense.
  ErasedRun prepare(RunInput&& input, const RunConfig& config, stream_mode default_modes, CallSite made = {}) const;
  std::size_t stop(std::string_view thread_id) const;
  asio::awaitable<std::size_t> astop(std::string thread_id) const;

  /// What a thread has stored: see CompiledGraph. An empty checkpoint id means the newest.
  asio::awaitable<std::optional<ErasedSnapshot>> aget_state(std::string thread, std::string checkpoint) const;
  std::optional<ErasedSnapshot> get_state(std::string thread, std::string checkpoint) const;
  asio::awaitable<std::vector<ErasedSnapshot>> aget_state_history(std::string thread, HistoryOptions options) const;
  std::vector<ErasedSnapshot> get_state_history(std::string thread, HistoryOptions options) const;
  asio::awaitable<JsonValue> adiff(std::string thread, std::string from, std::string to) const;
  JsonValue diff(std::string thread, std::string from, std::string to) const;
  asio::awaitable<std::string> afork(std::string thread, std::string checkpoint, std::string to) const;
  std::string fork(std::string thread, std::string checkpoint, std::string to) const;
  const std::shared_ptr<const GraphSpec>& spec() const noexcept;

  ShutdownStats close() const;
  asio::awaitable<ShutdownStats> aclose() const;
  bool closed() const noexcept;
  BackgroundTasks background_tasks() const;

  /// Throws `nested_loop_error` on a thread that runs an event loop or a node.
  static void refuse_on_loop_thread(std::string_view call, std::string_view instead);

 private:
  std::shared_ptr<detail::GraphCore> core_;
};

}  // namespace agentflow
