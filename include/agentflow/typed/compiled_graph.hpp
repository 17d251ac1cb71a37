// SPDX-License-Identifier: MIT
// CompiledGraph<State>: a validated graph, ready to run.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/async/outcome.hpp>
#include <agentflow/core/call_site.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/run/erased_graph.hpp>
#include <agentflow/typed/input.hpp>
#include <agentflow/typed/run.hpp>
#include <agentflow/typed/state_snapshot.hpp>

namespace agentflow {

/// A validated graph. It is immutable and cheap to copy (copies share it), and one object serves any number of runs on
/// any number of threads and event loops at once.
///
/// `ainvoke`, `astream`, `start` are for coroutines, `invoke`, `stream`, `stop` for plain threads: same arguments, same
/// results, same errors. The blocking ones fail with `nested_loop_error`, before anything is started, on a thread that
/// runs an event loop or a node.
///
/// All of them make the run in the call itself: it takes the input, reads the config, and counts as a run of the graph,
/// which a stop or a close finds, before anything is awaited. It begins when it is awaited, read, or started.
///
/// **Errors** The call throws `graph_closed_error` (`errc::graph_closed`) once the graph is closed or being closed, and
/// `config_error` for a `RunConfig` that makes no sense; no run is made then. A run that fails throws, from the wait
/// for it: `node_error` (with the node's own exception nested), `timeout_error`, `routing_error`, `state_error`,
/// `recursion_error`, `cancelled_error`. When a call returns or throws, nothing of its run is alive.
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
/// **Lifetime** Runs hold what they need of the graph; the object may go while they are under way.
template <class S>
class AGENTFLOW_VISIBLE CompiledGraph {
 public:
  using state_type = S;

  explicit CompiledGraph(ErasedGraph graph) : graph_(std::move(graph)) {}

  /// Runs the graph on the calling thread and gives the result. May be called from any number of threads at once. A
  /// graph of plain functions runs as a plain loop; otherwise on an event loop of its own, made for the call.
  ///
  /// **Errors** `nested_loop_error` before anything is started; then those of the call and of the run, above.
  /// **Complexity/blocking** Blocks the calling thread until the run has ended.
  RunResult<S> invoke(Input<S> input, const RunConfig& config = {}) const {
    ErasedGraph::refuse_on_loop_thread("invoke()", "co_await ainvoke()");
    ErasedRun run = graph_.prepare(std::move(input).take(), config, stream_mode::none);
    run.run_blocking();
    run.rethrow();
    return RunResult<S>(run);
  }

  /// Runs the graph and gives the result. The run has a strand of its own on the calling coroutine's executor; where
  /// that serialises by itself (a strand, or a loop made for one thread, `io_context(1)`) it is part of the calling
  /// coroutine.
  ///
  /// **Errors** Those of the call leave `ainvoke()`, not the `co_await`: who keeps the awaitable for later meets them
  /// when he makes it. Those of the run leave the `co_await`.
  /// **Cancellation** cancels the run, joins it, and throws `cancelled_error`. A node that is part of the calling
  /// coroutine and resets Asio's cancellation state does so for its caller too.
  asio::awaitable<RunResult<S>> ainvoke(Input<S> input, RunConfig config = {},
                                        CallSite made = CallSite::current()) const {
    return await_result(graph_.prepare(std::move(input).take(), config, stream_mode::none, made));
  }

  /// The same for those who do not want exceptions: gives the result, or what the call or the run failed with. Makes
  /// the run when it is awaited.
  asio::awaitable<Outcome<RunResult<S>>> try_ainvoke(Input<S> input, RunConfig config = {}) const {
    return outcome_of(*this, std::move(input), std::move(config));
  }

  /// Gives the run's events, to be read with a loop on the calling thread. Default modes: messages and updates.
  ///
  /// **Errors** `nested_loop_error`, and those of the call; those of the run leave `Stream::next()` and `result()`.
  Stream<S> stream(Input<S> input, const RunConfig& config = {}, CallSite made = CallSite::current()) const {
    ErasedGraph::refuse_on_loop_thread("stream()", "astream()");
    return Stream<S>(graph_.prepare(std::move(input).take(), config, default_modes, made));
  }

  /// Gives the run's events, to be awaited. The run starts with the first `next()`, on the awaiting coroutine's
  /// executor. Default modes: messages and updates.
  ///
  /// **Errors** Those of the call; those of the run leave `Run::next()` and `result()`.
  Run<S> astream(Input<S> input, const RunConfig& config = {}, CallSite made = CallSite::current()) const {
    return Run<S>(graph_.prepare(std::move(input).take(), config, default_modes, made));
  }

  /// Starts a run on an executor, on a strand of its own unless that serialises by itself, and gives its handle. No
  /// events unless `RunConfig::stream` asks for them.
  ///
  /// **Errors** Those of the call; those of the run leave `Run::next()` and `result()`.
  /// **Lifetime** The context behind the executor may go before the run has ended: the run then ends with
  /// `cancelled_error`.
  Run<S> start(const asio::any_io_executor& executor, Input<S> input, const RunConfig& config = {}) const {
    ErasedRun run = graph_.prepare(std::move(input).take(), config, stream_mode::none);
    run.start(executor);
    return Run<S>(std::move(run));
  }

  /// Asks the runs of a thread to stop, as `Run::stop` does, waits until those that have begun have ended, and gives
  /// how many these were; none is no error. `astop` awaits instead. Runs that are made meanwhile are not among them.
  ///
  /// Neither is for a node of such a run, nor is `stop` for who reads its `stream`: they would wait for themselves, and
  /// `stop` throws `nested_loop_error`.
  ///
  /// **Errors** `stop` only: `nested_loop_error`. How the runs end, their owners are told.
  /// **Cancellation** of `astop` ends the wait with `cancelled_error`; the runs stop all the same.
  /// **Complexity/blocking** `stop` blocks the thread. There is no limit in time: what runs already is waited for, and
  /// a run on an event loop that nobody runs does not end. To end sooner, cancel the run.
  std::size_t stop(std::string_view thread_id) const { return graph_.stop(thread_id); }
  asio::awaitable<std::size_t> astop(std::string thread_id) const { return graph_.astop(std::move(thread_id)); }

  /// Gives a thread as of its newest checkpoint, or of the one with this id; nothing if the thread has none.
  ///
  /// **Errors** of this and the functions below: `config_error` (`errc::not_durable`) for a graph without a
  /// checkpointer; what the checkpointer throws; `state_error` (`errc::bad_input`) when what is stored does not fit the
  /// state.
  asio::awaitable<std::optional<StateSnapshot<S>>> aget_state(std::string thread_id,
                                                              std::string checkpoint = {}) const {
    return typed(graph_.aget_state(std::move(thread_id), std::move(checkpoint)));
  }
  std::optional<StateSnapshot<S>> get_state(std::string thread_id, std::string checkpoint = {}) const {
    auto found = graph_.get_state(std::move(thread_id), std::move(checkpoint));
    return found ? std::optional<StateSnapshot<S>>(std::move(*found)) : std::nullopt;
  }
  /// Gives checkpoints of a thread, newest first, a page at a time.
  asio::awaitable<std::vector<StateSnapshot<S>>> aget_state_history(std::string thread_id,
                                                                    HistoryOptions options = {}) const {
    return typed(graph_.aget_state_history(std::move(thread_id), std::move(options)));
  }
  std::vector<StateSnapshot<S>> get_state_history(std::string thread_id, HistoryOptions options = {}) const {
    return typed(graph_.get_state_history(std::move(thread_id), std::move(options)));
  }
  /// Changes the state of a thread from outside, as a new checkpoint, and gives its id. With `as_node` it is as if that
  /// node had written the update: its edges say what comes next. Without, what comes next stays as it was. Nothing is
  /// run; a `Resume` goes on from there. Questions that were open are asked again.
  asio::awaitable<std::string> aupdate_state(std::string thread_id, typename StateModel<S>::update_type update,
                                             std::string as_node = {}, std::string checkpoint = {}) const {
    return edited(edit(std::move(thread_id), std::move(update), std::move(as_node), std::move(checkpoint)));
  }
  std::string update_state(std::string thread_id, typename StateModel<S>::update_type update, std::string as_node = {},
                           std::string checkpoint = {}) const {
    ErasedGraph::refuse_on_loop_thread("update_state()", "co_await aupdate_state()");
    ErasedRun run = edit(std::move(thread_id), std::move(update), std::move(as_node), std::move(checkpoint));
    run.run_blocking();
    run.rethrow();
    return run.end()->checkpoint_id;
  }
  /// Makes a new thread of a checkpoint of another (empty: its newest), with all that came before it and with its open
  /// questions, and gives the id of the copy. Subgraphs of the copy begin anew.
  asio::awaitable<std::string> afork(std::string thread_id, std::string checkpoint, std::string to_thread) const {
    return graph_.afork(std::move(thread_id), std::move(checkpoint), std::move(to_thread));
  }
  std::string fork(std::string thread_id, std::string checkpoint, std::string to_thread) const {
    return graph_.fork(std::move(thread_id), std::move(checkpoint), std::move(to_thread));
  }
  /// Gives what changed between two checkpoints of a thread, as the JSON of an update.
  asio::awaitable<JsonValue> adiff(std::string thread_id, std::string from, std::string to) const {
    return graph_.adiff(std::move(thread_id), std::move(from), std::move(to));
  }
  JsonValue diff(std::string thread_id, std::string from, std::string to) const {
    return graph_.diff(std::move(thread_id), std::move(from), std::move(to));
  }
  /// Closes the graph. It starts no new runs (`graph_closed_error`). Runs under way end as `drained` at their next
  /// step, background tasks and the publisher finish; what is left after `CompileOptions::shutdown_timeout` is
  /// cancelled, and joined, within a second more. What does not end by then is left behind, and the result says so.
  ///
  /// May be called again and by several at once, also through copies: there is one close, and one result. Not from a
  /// node of the graph, which would wait for itself until the time is up. `close` blocks, for plain threads.
  ///
  /// The first caller does the work, on its own executor: who else closes waits for that, takes over if its context is
  /// destroyed, and gives up, with `deadline_exceeded`, two seconds after the time is up if nobody runs it.
  ///
  /// **Errors** `close` only: `nested_loop_error`. Failures are in the result.
  /// **Cancellation** does not interrupt the close, but ends its patience: what runs is cancelled at once.
  ShutdownStats close() const { return graph_.close(); }
  asio::awaitable<ShutdownStats> aclose() const { return graph_.aclose(); }
  /// Whether it is closed, or being closed.
  bool closed() const noexcept { return graph_.closed(); }

  /// What the nodes started with `NodeContext::background`.
  BackgroundTasks background_tasks() const { return graph_.background_tasks(); }

  /// The graph as a Mermaid flowchart, as a Graphviz digraph, and as JSON.
  std::string to_mermaid() const { return graph_.spec()->to_mermaid(); }
  std::string to_dot() const { return graph_.spec()->to_dot(); }
  std::string to_json() const { return graph_.spec()->to_json(); }

  /// For the library: the graph as a part of another.
  const std::shared_ptr<const GraphSpec>& spec() const noexcept { return graph_.spec(); }

 private:
  static constexpr stream_mode default_modes = stream_mode::messages | stream_mode::updates;

  static asio::awaitable<Outcome<RunResult<S>>> outcome_of(CompiledGraph graph, Input<S> input, RunConfig config) {
    std::exception_ptr failure;
    try {
      auto work = graph.ainvoke(std::move(input), std::move(config));
      auto result = co_await std::move(work);
      co_return Outcome<RunResult<S>>(std::move(result));
    } catch (...) {
      failure = std::current_exception();
    }
    co_return Outcome<RunResult<S>>(std::move(failure));
  }
  static asio::awaitable<RunResult<S>> await_result(ErasedRun run) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    co_await run.attend(executor);
    run.rethrow();
    RunResult<S> result(run);
    co_return result;
  }

  ErasedRun edit(std::string thread_id, typename StateModel<S>::update_type update, std::string as_node,
                 std::string checkpoint) const {
    RunInput input = Input<S>(std::move(update)).take();
    input.edit_as(std::move(as_node));
    RunConfig config;
    config.thread_id(std::move(thread_id));
    if (!checkpoint.empty()) config.checkpoint(std::move(checkpoint));
    return graph_.prepare(std::move(input), config, stream_mode::none);
  }
  static asio::awaitable<std::string> edited(ErasedRun run) {
    co_await run.wait();
    run.rethrow();
    std::string id = run.end()->checkpoint_id;
    co_return id;
  }
  static asio::awaitable<std::optional<StateSnapshot<S>>> typed(asio::awaitable<std::optional<ErasedSnapshot>> work) {
    std::optional<ErasedSnapshot> found = co_await std::move(work);
    std::optional<StateSnapshot<S>> snapshot;
    if (found) snapshot.emplace(std::move(*found));
    co_return snapshot;
  }
  static std::vector<StateSnapshot<S>> typed(std::vector<ErasedSnapshot> page) {
    std::vector<StateSnapshot<S>> snapshots;
    for (auto& s : page) snapshots.emplace_back(std::move(s));
    return snapshots;
  }
  static asio::awaitable<std::vector<StateSnapshot<S>>> typed(asio::awaitable<std::vector<ErasedSnapshot>> work) {
    std::vector<ErasedSnapshot> page = co_await std::move(work);
    std::vector<StateSnapshot<S>> snapshots = typed(std::move(page));
    co_return snapshots;
  }

  ErasedGraph graph_;
};

}  // namespace agentflow
