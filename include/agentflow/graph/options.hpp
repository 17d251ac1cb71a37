// SPDX-License-Identifier: MIT
// Options of nodes: retries, limits in time, where they run, how their edges and commands combine.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <agentflow/async/retry_policy.hpp>
#include <agentflow/core/config.hpp>

namespace agentflow {

/// How a node's `Command` targets combine with its own edges.
enum class edges {
  replaced,  ///< The command's targets replace the static edges and routers of the node for this step (default).
  both,      ///< The command's targets are taken in addition.
};

/// What a subgraph's checkpoints are good for, in a run that is stored.
enum class subgraph_memory {
  call,    ///< Each call starts anew; one that was left off goes on where it was (default).
  thread,  ///< A call goes on from the state that the last call of the same thread left; its input is merged into it.
  none,    ///< Nothing of it is stored: a call that was left off starts again. It cannot ask with `interrupt`.
};

/// Options of one node, or defaults for all nodes of a graph (`CompileOptions::node_defaults`): what a node sets
/// itself wins.
class AGENTFLOW_API NodeOptions {
 public:
  // Defined in the library, which spares every program the compilation of what is in here.
  NodeOptions();
  NodeOptions(const NodeOptions&);
  NodeOptions(NodeOptions&&) noexcept;
  NodeOptions& operator=(const NodeOptions&);
  NodeOptions& operator=(NodeOptions&&) noexcept;
  ~NodeOptions();

  /// Tries again when the node throws; every attempt starts from the same, unchanged state. Default: no retry.
  NodeOptions& retry(RetryPolicy p) & {
    retry_ = std::move(p);
    return *this;
  }
  NodeOptions&& retry(RetryPolicy p) && { return std::move(retry(std::move(p))); }
  /// Limits each attempt in time. Past it the attempt is cancelled, joined, and fails with `timeout_error`; work that
  /// cannot be interrupted is waited for, and fails all the same. Default: none.
  NodeOptions& timeout(std::chrono::nanoseconds d) & {
    timeout_ = d;
    return *this;
  }
  NodeOptions&& timeout(std::chrono::nanoseconds d) && { return std::move(timeout(d)); }
  /// Limits the time without a sign of life: an emitted event or `NodeContext::heartbeat()`. Default: none.
  NodeOptions& idle_timeout(std::chrono::nanoseconds d) & {
    idle_timeout_ = d;
    return *this;
  }
  NodeOptions&& idle_timeout(std::chrono::nanoseconds d) && { return std::move(idle_timeout(d)); }
  /// Runs the node on another executor; the result comes back to the run. Default: the run's own.
  ///
  /// **Lifetime** The graph keeps the executor, and so do its copies and its runs: the pool or loop behind it must
  /// outlive them all.
  NodeOptions& executor(asio::any_io_executor ex) & {
    executor_ = std::move(ex);
    return *this;
  }
  NodeOptions&& executor(asio::any_io_executor ex) && { return std::move(executor(std::move(ex))); }
  /// Holds the node back until nothing else is runnable. Default: false.
  NodeOptions& defer(bool on = true) & {
    defer_ = on;
    return *this;
  }
  NodeOptions&& defer(bool on = true) && { return std::move(defer(on)); }
  /// How the targets of a `Command` combine with the node's edges. Default: `edges::replaced`.
  NodeOptions& edges(agentflow::edges rule) & {
    edges_ = rule;
    return *this;
  }
  NodeOptions&& edges(agentflow::edges rule) && { return std::move(edges(rule)); }
  /// What the checkpoints of this node's subgraph are good for. Default: `subgraph_memory::call`.
  NodeOptions& memory(subgraph_memory m) & {
    memory_ = m;
    return *this;
  }
  NodeOptions&& memory(subgraph_memory m) && { return std::move(memory(m)); }
  /// Declares where the node's `Command`s may go: checked at compile() and at run time, and shown in drawings.
  NodeOptions& destinations(std::vector<std::string> names) & {
    destinations_ = std::move(names);
    return *this;
  }
  NodeOptions&& destinations(std::vector<std::string> names) && { return std::move(destinations(std::move(names))); }
  /// Declares the fields the node writes, so that compile() finds two parallel writers of a one-writer field.
  NodeOptions& writes(std::vector<std::string> fields) & {
    writes_ = std::move(fields);
    return *this;
  }
  NodeOptions&& writes(std::vector<std::string> fields) && { return std::move(writes(std::move(fields))); }
  /// Adds a note that `to_json()` of the graph shows.
  NodeOptions& metadata(std::string key, std::string value) & {
    metadata_[std::move(key)] = std::move(value);
    return *this;
  }
  NodeOptions&& metadata(std::string key, std::string value) && {
    return std::move(metadata(std::move(key), std::move(value)));
  }

  const std::optional<RetryPolicy>& retry() const noexcept { return retry_; }
  const std::optional<std::chrono::nanoseconds>& timeout() const noexcept { return timeout_; }
  const std::optional<std::chrono::nanoseconds>& idle_timeout() const noexcept { return idle_timeout_; }
  const std::optional<asio::any_io_executor>& executor() const noexcept { return executor_; }
  bool defer() const noexcept { return defer_; }
  agentflow::edges edges() const noexcept { return edges_; }
  subgraph_memory memory() const noexcept { return memory_; }
  const std::vector<std::string>& destinations() const noexcept { return destinations_; }
  const std::vector<std::string>& writes() const noexcept { return writes_; }
  const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }

 private:
  std::optional<RetryPolicy> retry_;
  std::optional<std::chrono::nanoseconds> timeout_, idle_timeout_;
  std::optional<asio::any_io_executor> executor_;
  bool defer_ = false;
  agentflow::edges edges_ = agentflow::edges::replaced;
  subgraph_memory memory_ = subgraph_memory::call;
  std::vector<std::string> destinations_, writes_;
  std::map<std::string, std::string> metadata_;
};
static_assert(!std::is_aggregate_v<NodeOptions>);

}  // namespace agentflow
