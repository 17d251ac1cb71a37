// SPDX-License-Identifier: MIT
// What can be asked of a checkpointer: histories, threads and runs, and what may be thrown away.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/ids.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/ports/checkpoint.hpp>

namespace agentflow {

/// Asks for checkpoints of one namespace of a thread, newest first.
///
/// For the next page ask again with `before` set to the seq of the last record.
class AGENTFLOW_API HistoryQuery {
 public:
  HistoryQuery() = default;
  explicit HistoryQuery(std::string thread_name) : thread(std::move(thread_name)) {}

  std::string thread;
  std::string ns;
  std::uint64_t before = 0;  ///< Only records with a smaller seq; 0: all.
  std::size_t limit = 100;   ///< At least 1.
  bool bytes = true;         ///< False leaves out body and snapshot.
  std::optional<checkpoint_kind> kind;
  std::optional<stored_status> status;
  std::optional<RunId> run;
  std::vector<std::pair<std::string, JsonValue>> metadata;  ///< Members of the metadata that must have these values.

  /// Whether a record passes all filters; for those who write a checkpointer. Does not look at `before`.
  bool matches(const CheckpointRecord& record) const;
};
static_assert(!std::is_aggregate_v<HistoryQuery>);

/// A run, as far as it is stored.
class StoredRun {
 public:
  StoredRun() = default;
  std::string thread;
  RunId id;
  stored_status status = stored_status::running;
  std::string detail;  ///< A line for people, such as the error.
  std::chrono::system_clock::time_point started_at, updated_at;
  std::uint64_t order = 0;  ///< Grows with each run that is accepted: the cursor of `RunQuery`.
  bool owned = false;       ///< It is its thread's latest run and a live owner has the thread.
};
static_assert(!std::is_aggregate_v<StoredRun>);

/// Asks for runs, the latest first. A run that is `running` but not `owned` lost its process and can be resumed.
class RunQuery {
 public:
  RunQuery() = default;
  std::optional<std::string> thread;
  std::optional<stored_status> status;
  std::uint64_t before = 0;  ///< Only runs with a smaller `order`; 0: all.
  std::size_t limit = 100;
};
static_assert(!std::is_aggregate_v<RunQuery>);

/// A thread that has at least one checkpoint in namespace "".
class StoredThread {
 public:
  StoredThread() = default;
  std::string thread;
  CheckpointRef head;            ///< The newest checkpoint of namespace "".
  std::optional<StoredRun> run;  ///< The latest run.
  std::uint64_t epoch = 0;       ///< Of the latest claim.
  bool owned = false;            ///< A live owner has it.
  bool stop_requested = false;
};
static_assert(!std::is_aggregate_v<StoredThread>);

/// Asks for threads in the order of the bytes of their names.
class ThreadQuery {
 public:
  ThreadQuery() = default;
  std::string prefix;                   ///< Only names that begin so.
  std::string after;                    ///< Only names behind this one: the last of the page before.
  std::optional<stored_status> status;  ///< Of the latest run.
  std::size_t limit = 100;
};
static_assert(!std::is_aggregate_v<ThreadQuery>);

/// Says which checkpoints of a thread may go. What stays in any case: the newest of each namespace, what has pending
/// writes (open interrupts are such), and what one that stays needs, back to its newest snapshot. Runs that are over
/// and have no checkpoint left go too, except the latest.
class AGENTFLOW_API PrunePolicy {
 public:
  PrunePolicy() = default;
  /// Keeps the newest `count` of each namespace.
  PrunePolicy& keep_last(std::size_t count) {
    keep = count;
    return *this;
  }
  /// Keeps those written since.
  PrunePolicy& keep_since(std::chrono::system_clock::time_point time) {
    since = time;
    return *this;
  }

  std::optional<std::size_t> keep;
  std::optional<std::chrono::system_clock::time_point> since;
};
static_assert(!std::is_aggregate_v<PrunePolicy>);

/// One checkpoint of a namespace, as a decision about pruning needs it.
class PruneCandidate {
 public:
  PruneCandidate() = default;
  std::uint64_t seq = 0, parent = 0;
  std::chrono::system_clock::time_point created_at;
  bool snapshot = false, pending = false;
};
static_assert(!std::is_aggregate_v<PruneCandidate>);

/// Gives the seqs that go; for those who write a checkpointer. The candidates are all of one namespace, in any order.
AGENTFLOW_API std::vector<std::uint64_t> plan_prune(std::vector<PruneCandidate> candidates, const PrunePolicy& policy);

}  // namespace agentflow
