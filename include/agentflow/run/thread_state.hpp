// SPDX-License-Identifier: MIT
// What a thread has stored, without the state's type: snapshots and how to ask for them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/ids.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/graph/interrupt.hpp>
#include <agentflow/graph/state_ops.hpp>
#include <agentflow/ports/checkpoint.hpp>

namespace agentflow {

/// Which checkpoints of a thread `get_state_history` gives, newest first. For the next page give the id of the last one
/// as `before`.
class HistoryOptions {
 public:
  HistoryOptions() = default;
  /// At most so many. Default 20, at least 1.
  HistoryOptions& limit(std::size_t n) & {
    limit_ = n;
    return *this;
  }
  HistoryOptions&& limit(std::size_t n) && { return std::move(limit(n)); }
  /// Only checkpoints older than this one.
  HistoryOptions& before(std::string id) & {
    before_ = std::move(id);
    return *this;
  }
  HistoryOptions&& before(std::string id) && { return std::move(before(std::move(id))); }
  /// Only those whose metadata has this member with this value; call again for several.
  HistoryOptions& where(std::string key, JsonValue value) & {
    where_.emplace_back(std::move(key), std::move(value));
    return *this;
  }
  HistoryOptions&& where(std::string key, JsonValue value) && {
    return std::move(where(std::move(key), std::move(value)));
  }

  std::size_t limit() const noexcept { return limit_; }
  const std::string& before() const noexcept { return before_; }
  const std::vector<std::pair<std::string, JsonValue>>& where() const noexcept { return where_; }

 private:
  std::size_t limit_ = 20;
  std::string before_;
  std::vector<std::pair<std::string, JsonValue>> where_;
};
static_assert(!std::is_aggregate_v<HistoryOptions>);

/// All of a checkpoint but the state.
class CheckpointInfo {
 public:
  CheckpointInfo() = default;
  std::string id;         ///< For `RunConfig::checkpoint`.
  std::string parent_id;  ///< The checkpoint it follows; empty for the first.
  checkpoint_kind kind = checkpoint_kind::step;
  bool finished = false;          ///< Nothing is left to run.
  std::vector<std::string> next;  ///< The nodes that come next; "START" where a router of START has yet to be asked.
  std::uint64_t step = 0;         ///< The super-step of its turn; 0 for an input.
  std::vector<Interrupt> interrupts;  ///< Open ones. Those of older checkpoints were answered, or dropped.
  JsonValue metadata;                 ///< What `RunConfig::metadata` gave.
  RunId run_id;                       ///< The run that wrote it.
  std::chrono::system_clock::time_point created_at;
};
static_assert(!std::is_aggregate_v<CheckpointInfo>);

class ErasedSnapshot {
 public:
  CheckpointInfo info;
  StateBox state;
};

}  // namespace agentflow
