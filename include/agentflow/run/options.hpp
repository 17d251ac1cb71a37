// SPDX-License-Identifier: MIT
// Options of a compiled graph and of one run.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/graph/chunk.hpp>
#include <agentflow/graph/options.hpp>
#include <agentflow/graph/publisher.hpp>
#include <agentflow/run/debug.hpp>

namespace spdlog {
class logger;
}

namespace agentflow {

/// Options of `StateGraph::compile()`: the services of the graph and defaults for its nodes. Nothing is global: two
/// graphs in one process share only what they are given.
class CompileOptions {
 public:
  CompileOptions() = default;
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
  /// How long `close()` and `aclose()` let runs, background tasks and the publisher go on before they are cancelled;
  /// for all of them together. What ends late or not at all delays them by a second at most. Default 30 s.
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

  const std::shared_ptr<Clock>& clock() const noexcept { return clock_; }
  const std::shared_ptr<spdlog::logger>& logger() const noexcept { return logger_; }
  const NodeOptions& node_defaults() const noexcept { return node_defaults_; }
  std::size_t blocking_threads() const noexcept { return blocking_threads_; }
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
  std::optional<DebugOptions> debug_;
  std::optional<std::chrono::nanoseconds> shutdown_timeout_;
  std::shared_ptr<Publisher> publisher_;
  stream_mode published_ = stream_mode::none;
  std::size_t publisher_capacity_ = 0;
};
static_assert(!std::is_aggregate_v<CompileOptions>);

/// Options of one run.
class RunConfig {
 public:
  RunConfig() = default;
  /// Names the thread (the conversation) the run belongs to: `stop(thread_id)` finds it by that. Default: none.
  /// **Units/limits** 1 to 255 bytes without control characters.
  RunConfig& thread_id(std::string id) & {
    thread_id_ = std::move(id);
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
    shuffle_ = seed;
    return *this;
  }
  RunConfig&& shuffle(std::uint64_t seed) && { return std::move(shuffle(seed)); }

  const std::string& thread_id() const noexcept { return thread_id_; }
  std::uint64_t recursion_limit() const noexcept { return recursion_limit_; }
  std::size_t max_concurrency() const noexcept { return max_concurrency_; }
  const std::optional<std::chrono::nanoseconds>& timeout() const noexcept { return timeout_; }
  const std::optional<stream_mode>& stream() const noexcept { return modes_; }
  std::size_t stream_capacity() const noexcept { return stream_capacity_; }
  const std::shared_ptr<void>& context() const noexcept { return user_; }
  const std::type_info* context_type() const noexcept { return user_type_; }
  const std::optional<std::uint64_t>& shuffle() const noexcept { return shuffle_; }

 private:
  std::string thread_id_;
  std::uint64_t recursion_limit_ = 25;
  std::size_t max_concurrency_ = 0;
  std::optional<std::chrono::nanoseconds> timeout_;
  std::optional<stream_mode> modes_;
  std::size_t stream_capacity_ = 256;
  std::shared_ptr<void> user_;
  const std::type_info* user_type_ = nullptr;
  std::optional<std::uint64_t> shuffle_;
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
