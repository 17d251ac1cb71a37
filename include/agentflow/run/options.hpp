// SPDX-License-Identifier: MIT
// Options of a compiled graph and of one run.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/graph/chunk.hpp>
#include <agentflow/graph/options.hpp>
#include <agentflow/graph/publisher.hpp>
#include <agentflow/run/debug.hpp>

namespace spdlog {
class logger;
}

namespace agentflow {

class Checkpointer;
class Store;

/// When what a run has done is stored.
enum class durability {
  sync,   ///< Before the run goes on: what is acknowledged survives the process.
  async,  ///< While the run goes on: a killed process loses the last few steps, and they run again.
  exit,   ///< When the run ends, is interrupted or fails: a killed process loses the run.
};

/// What a run does whose thread another run has, in this process or another.
enum class on_busy {
  reject,        ///< Fails with `storage_error` (`errc::thread_busy`).
  queue,         ///< Waits for its turn; the runs of one graph object take turns in the order of their start.
  cancel_older,  ///< Cancels the runs of the same graph object, asks others to stop, and waits until they have.
};

/// Options of `StateGraph::compile()`: the services of the graph and defaults for its nodes. Nothing is global: two
/// graphs in one process share only what they are given.
class AGENTFLOW_API CompileOptions {
 public:
  // Defined in the library, which spares every program the compilation of what is in here.
  CompileOptions();
  CompileOptions(const CompileOptions&);
  CompileOptions(CompileOptions&&) noexcept;
  CompileOptions& operator=(const CompileOptions&);
  CompileOptions& operator=(CompileOptions&&) noexcept;
  ~CompileOptions();
  /// Where waits and timestamps come from. Default: `Clock::system()`.
  CompileOptions& clock(std::shared_ptr<Clock> c) & {
    clock_ = std::move(c);
    return *this;
  }
  CompileOptions&& clock(std::shared_ptr<Clock> c) && { return std::move(clock(std::move(c))); }
  /// Where log lines go. Default: nowhere.
  CompileOptions& logger(std::shared_ptr<spdlog::logger> l) & {
    logger_ = std::move(l);
    return *this;
  }
  CompileOptions&& logger(std::shared_ptr<spdlog::logger> l) && { return std::move(logger(std::move(l))); }
  /// Options for every node that does not set them itself: retry, timeouts, executor.
  CompileOptions& node_defaults(NodeOptions o) & {
    node_defaults_ = std::move(o);
    return *this;
  }
  CompileOptions&& node_defaults(NodeOptions o) && { return std::move(node_defaults(std::move(o))); }
  /// The most threads for `af::blocking` nodes, started as they are needed. Default: the machine's cores, at least 4.
  CompileOptions& blocking_threads(std::size_t n) & {
    blocking_threads_ = n;
    return *this;
  }
  CompileOptions&& blocking_threads(std::size_t n) && { return std::move(blocking_threads(n)); }
  /// How long `close()` and `aclose()` let runs, background tasks and the publisher go on before they are cancelled,
  /// and wait for the checkpointer and the store; for all of them together. What ends late or not at all delays them by
  /// a second at most. Default 30 s.
  ///
  /// Give one if the graph is to be closed while it serves others: then each run can be cancelled by itself. Without it
  /// a run that is part of the coroutine that awaits it (see `ainvoke`) can be cancelled only with that coroutine, and
  /// a close that runs out of time leaves it behind.
  CompileOptions& shutdown_timeout(std::chrono::nanoseconds d) & {
    shutdown_timeout_ = d;
    return *this;
  }
  CompileOptions&& shutdown_timeout(std::chrono::nanoseconds d) && { return std::move(shutdown_timeout(d)); }
  /// Where events of all runs go, whoever awaits them: of these modes, through a queue of so many. Default: nowhere.
  CompileOptions& publisher(std::shared_ptr<Publisher> p, stream_mode modes, std::size_t capacity = 1024) & {
    publisher_ = std::move(p);
    published_ = modes;
    publisher_capacity_ = capacity;
    return *this;
  }
  CompileOptions&& publisher(std::shared_ptr<Publisher> p, stream_mode modes, std::size_t capacity = 1024) && {
    return std::move(publisher(std::move(p), modes, capacity));
  }
  /// Turns debug mode on for this graph, whatever `set_debug` says.
  CompileOptions& debug(DebugOptions o) & {
    debug_ = o;
    return *this;
  }
  CompileOptions&& debug(DebugOptions o) && { return std::move(debug(o)); }

  /// Where runs with a thread id are stored, so that they survive their process: `memory_checkpointer()`, or a
  /// component such as SQLite. Default: nowhere; then runs are as fast as can be, and gone when they end.
  CompileOptions& checkpointer(std::shared_ptr<Checkpointer> c) & {
    checkpointer_ = std::move(c);
    return *this;
  }
  CompileOptions&& checkpointer(std::shared_ptr<Checkpointer> c) && { return std::move(checkpointer(std::move(c))); }
  /// What nodes reach with `NodeContext::store()`: memory for longer than a run or a thread. Default: none.
  CompileOptions& store(std::shared_ptr<Store> s) & {
    store_ = std::move(s);
    return *this;
  }
  CompileOptions&& store(std::shared_ptr<Store> s) && { return std::move(store(std::move(s))); }
  /// When what a run has done is stored. Default: `durability::sync`.
  CompileOptions& durability(agentflow::durability mode) & {
    durability_ = mode;
    return *this;
  }
  CompileOptions&& durability(agentflow::durability mode) && { return std::move(durability(mode)); }
  /// What a run does whose thread another run has. Default: `on_busy::reject`.
  CompileOptions& on_busy(agentflow::on_busy rule) & {
    on_busy_ = rule;
    return *this;
  }
  CompileOptions&& on_busy(agentflow::on_busy rule) && { return std::move(on_busy(rule)); }
  /// Nodes of this graph before which every run waits for a `Resume`; needs a checkpointer.
  CompileOptions& interrupt_before(std::vector<std::string> nodes) & {
    interrupt_before_ = std::move(nodes);
    return *this;
  }
  CompileOptions&& interrupt_before(std::vector<std::string> nodes) && {
    return std::move(interrupt_before(std::move(nodes)));
  }
  /// Nodes after which every run waits for a `Resume`, unless nothing follows.
  CompileOptions& interrupt_after(std::vector<std::string> nodes) & {
    interrupt_after_ = std::move(nodes);
    return *this;
  }
  CompileOptions&& interrupt_after(std::vector<std::string> nodes) && {
    return std::move(interrupt_after(std::move(nodes)));
  }
  /// Lets runs that were left off in another graph go on in this one, where the nodes that come next still exist.
  /// Gives new names for old ones, if they changed. Default: such a resume is a `resume_error`.
  CompileOptions& accept_graph_change(std::map<std::string, std::string> renamed) & {
    graph_change_ = std::move(renamed);
    return *this;
  }
  CompileOptions&& accept_graph_change(std::map<std::string, std::string> renamed) && {
    return std::move(accept_graph_change(std::move(renamed)));
  }

  const std::shared_ptr<Clock>& clock() const noexcept { return clock_; }
  const std::shared_ptr<spdlog::logger>& logger() const noexcept { return logger_; }
  const NodeOptions& node_defaults() const noexcept { return node_defaults_; }
  std::size_t blocking_threads() const noexcept { return blocking_threads_; }
  const std::shared_ptr<Checkpointer>& checkpointer() const noexcept { return checkpointer_; }
  const std::shared_ptr<Store>& store() const noexcept { return store_; }
  agentflow::durability durability() const noexcept { return durability_; }
  agentflow::on_busy on_busy() const noexcept { return on_busy_; }
  const std::vector<std::string>& interrupt_before() const noexcept { return interrupt_before_; }
  const std::vector<std::string>& interrupt_after() const noexcept { return interrupt_after_; }
  const std::optional<std::map<std::string, std::string>>& graph_change() const noexcept { return graph_change_; }
  std::chrono::nanoseconds shutdown_timeout() const noexcept {
    return shutdown_timeout_.value_or(std::chrono::seconds(30));
  }
  bool has_shutdown_timeout() const noexcept { return shutdown_timeout_.has_value(); }
  const std::shared_ptr<Publisher>& publisher() const noexcept { return publisher_; }
  stream_mode published() const noexcept { return published_; }
  std::size_t publisher_capacity() const noexcept { return publisher_capacity_; }
  const std::optional<DebugOptions>& debug() const noexcept { return debug_; }

 private:
  std::shared_ptr<Clock> clock_ = Clock::system();
  std::shared_ptr<spdlog::logger> logger_;
  NodeOptions node_defaults_;
  std::size_t blocking_threads_ = 0;
  std::shared_ptr<Checkpointer> checkpointer_;
  std::shared_ptr<Store> store_;
  agentflow::durability durability_ = agentflow::durability::sync;
  agentflow::on_busy on_busy_ = agentflow::on_busy::reject;
  std::vector<std::string> interrupt_before_, interrupt_after_;
  std::optional<std::map<std::string, std::string>> graph_change_;
  std::optional<DebugOptions> debug_;
  std::optional<std::chrono::nanoseconds> shutdown_timeout_;
  std::shared_ptr<Publisher> publisher_;
  stream_mode published_ = stream_mode::none;
  std::size_t publisher_capacity_ = 0;
};
static_assert(!std::is_aggregate_v<CompileOptions>);

/// Options of one run.
class AGENTFLOW_API RunConfig {
 public:
  RunConfig() = default;
  /// Names the thread (the conversation) the run belongs to: `stop(thread_id)` finds it by that. With a checkpointer
  /// the run is stored there, and goes on from what the thread has; without a thread id nothing is stored. Default:
  /// none.
  /// **Units/limits** 1 to 255 bytes without control characters.
  RunConfig& thread_id(std::string id) & {
    thread_id_ = std::move(id);
    has_thread_id_ = true;
    return *this;
  }
  RunConfig&& thread_id(std::string id) && { return std::move(thread_id(std::move(id))); }
  /// The most super-steps before `recursion_error`; ending exactly at the limit is success. Default 25.
  RunConfig& recursion_limit(std::uint64_t steps) & {
    recursion_limit_ = steps;
    return *this;
  }
  RunConfig&& recursion_limit(std::uint64_t steps) && { return std::move(recursion_limit(steps)); }
  /// The most nodes of this run, subgraphs apart, that are under way at once. Default: no limit.
  RunConfig& max_concurrency(std::size_t n) & {
    max_concurrency_ = n;
    return *this;
  }
  RunConfig&& max_concurrency(std::size_t n) && { return std::move(max_concurrency(n)); }
  /// Limits the whole run in time; past it the run fails with `timeout_error`. Default: none.
  RunConfig& timeout(std::chrono::nanoseconds d) & {
    timeout_ = d;
    return *this;
  }
  RunConfig&& timeout(std::chrono::nanoseconds d) && { return std::move(timeout(d)); }
  /// What the stream of this run delivers. Default: messages and updates for `stream` and `astream`, nothing else.
  RunConfig& stream(stream_mode modes) & {
    modes_ = modes;
    return *this;
  }
  RunConfig&& stream(stream_mode modes) && { return std::move(stream(modes)); }
  /// How many chunks wait for a slow consumer before nodes are held back. Default 256, at least 1.
  RunConfig& stream_capacity(std::size_t chunks) & {
    stream_capacity_ = chunks;
    return *this;
  }
  RunConfig&& stream_capacity(std::size_t chunks) && { return std::move(stream_capacity(chunks)); }
  /// An object of the application's own that nodes reach with `NodeContext::user<T>()`. Shared with the run.
  template <class T>
  RunConfig& context(std::shared_ptr<T> object) & {
    user_ = std::move(object);
    user_type_ = &typeid(T);
    return *this;
  }
  template <class T>
  RunConfig&& context(std::shared_ptr<T> object) && {
    return std::move(context(std::move(object)));
  }
  /// Shuffles the order in which the ready nodes of a step are started; results never depend on it. For tests.
  RunConfig& shuffle(std::uint64_t seed) & {
    set_rare().shuffle = seed;
    return *this;
  }
  RunConfig&& shuffle(std::uint64_t seed) && { return std::move(shuffle(seed)); }

  /// When what this run has done is stored. Default: as the graph says.
  RunConfig& durability(agentflow::durability mode) & {
    set_rare().durability = mode;
    return *this;
  }
  RunConfig&& durability(agentflow::durability mode) && { return std::move(durability(mode)); }
  /// What to do when another run has the thread. Default: as the graph says.
  RunConfig& on_busy(agentflow::on_busy rule) & {
    set_rare().on_busy = rule;
    return *this;
  }
  RunConfig&& on_busy(agentflow::on_busy rule) && { return std::move(on_busy(rule)); }
  /// More nodes before which, and after which, this run waits.
  RunConfig& interrupt_before(std::vector<std::string> nodes) & {
    set_rare().interrupt_before = std::move(nodes);
    return *this;
  }
  RunConfig&& interrupt_before(std::vector<std::string> nodes) && {
    return std::move(interrupt_before(std::move(nodes)));
  }
  RunConfig& interrupt_after(std::vector<std::string> nodes) & {
    set_rare().interrupt_after = std::move(nodes);
    return *this;
  }
  RunConfig&& interrupt_after(std::vector<std::string> nodes) && {
    return std::move(interrupt_after(std::move(nodes)));
  }
  /// Starts from this checkpoint of the thread instead of the newest: the run begins a branch, and what is stored
  /// stays as it is. Default: the newest.
  RunConfig& checkpoint(std::string id) & {
    Rare& rare = set_rare();
    rare.checkpoint = std::move(id);
    rare.has_checkpoint = true;
    return *this;
  }
  RunConfig&& checkpoint(std::string id) && { return std::move(checkpoint(std::move(id))); }
  /// Lets new input drop the open interrupts of the thread. Default: it is a `resume_error`.
  RunConfig& discard_interrupts(bool on = true) & {
    set_rare().discard_interrupts = on;
    return *this;
  }
  RunConfig&& discard_interrupts(bool on = true) && { return std::move(discard_interrupts(on)); }
  /// As `CompileOptions::accept_graph_change`, for this run.
  RunConfig& accept_graph_change(std::map<std::string, std::string> renamed) & {
    set_rare().graph_change = std::move(renamed);
    return *this;
  }
  RunConfig&& accept_graph_change(std::map<std::string, std::string> renamed) && {
    return std::move(accept_graph_change(std::move(renamed)));
  }
  /// A JSON object that is stored with each checkpoint of the run, for `HistoryOptions` and people. Default: none.
  RunConfig& metadata(JsonValue object) & {
    set_rare().metadata = std::move(object);
    return *this;
  }
  RunConfig&& metadata(JsonValue object) && { return std::move(metadata(std::move(object))); }

  /// Whether it leaves alone what only few runs set: all from `shuffle` on.
  bool is_usual() const noexcept { return !rare_; }
  /// Whether an id was given, be it an empty one.
  bool has_thread_id() const noexcept { return has_thread_id_; }
  bool has_checkpoint() const noexcept { return rare().has_checkpoint; }
  const std::string& thread_id() const noexcept { return thread_id_; }
  std::uint64_t recursion_limit() const noexcept { return recursion_limit_; }
  std::size_t max_concurrency() const noexcept { return max_concurrency_; }
  const std::optional<std::chrono::nanoseconds>& timeout() const noexcept { return timeout_; }
  const std::optional<stream_mode>& stream() const noexcept { return modes_; }
  std::size_t stream_capacity() const noexcept { return stream_capacity_; }
  const std::shared_ptr<void>& context() const noexcept { return user_; }
  const std::type_info* context_type() const noexcept { return user_type_; }
  const std::optional<std::uint64_t>& shuffle() const noexcept { return rare().shuffle; }
  const std::optional<agentflow::durability>& durability() const noexcept { return rare().durability; }
  const std::optional<agentflow::on_busy>& on_busy() const noexcept { return rare().on_busy; }
  const std::vector<std::string>& interrupt_before() const noexcept { return rare().interrupt_before; }
  const std::vector<std::string>& interrupt_after() const noexcept { return rare().interrupt_after; }
  const std::string& checkpoint() const noexcept { return rare().checkpoint; }
  bool discard_interrupts() const noexcept { return rare().discard_interrupts; }
  const std::optional<std::map<std::string, std::string>>& graph_change() const noexcept { return rare().graph_change; }
  const JsonValue& metadata() const noexcept { return rare().metadata; }

 private:
  /// What few runs set, so that the others stay small. Copies of the options share it; it is replaced, not changed.
  struct Rare {
    std::optional<std::uint64_t> shuffle;
    std::optional<agentflow::durability> durability;
    std::optional<agentflow::on_busy> on_busy;
    std::vector<std::string> interrupt_before, interrupt_after;
    std::string checkpoint;
    bool discard_interrupts = false;
    bool has_checkpoint = false;
    std::optional<std::map<std::string, std::string>> graph_change;
    JsonValue metadata;
  };
  static const Rare& usual() noexcept;
  const Rare& rare() const noexcept { return rare_ ? *rare_ : usual(); }
  Rare& set_rare();

  std::string thread_id_;
  std::uint64_t recursion_limit_ = 25;
  std::size_t max_concurrency_ = 0;
  std::optional<std::chrono::nanoseconds> timeout_;
  std::optional<stream_mode> modes_;
  bool has_thread_id_ = false;
  std::size_t stream_capacity_ = 256;
  std::shared_ptr<void> user_;
  const std::type_info* user_type_ = nullptr;
  std::shared_ptr<Rare> rare_;
};
static_assert(!std::is_aggregate_v<RunConfig>);

/// How a run ended when it did not fail.
enum class run_status {
  completed,    ///< Every path reached END.
  stopped,      ///< It was asked to stop; the state holds everything that was finished.
  interrupted,  ///< It waits for a human.
  drained,      ///< The graph was closed; the run ended at a step boundary.
};
AGENTFLOW_API std::string_view to_string(run_status status) noexcept;

}  // namespace agentflow
