// SPDX-License-Identifier: MIT
// What a checkpointer stores: records of bytes with a few columns, and the pending writes of a step under way.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/ids.hpp>

namespace agentflow {

/// Why a checkpoint was written.
enum class checkpoint_kind : std::uint8_t {
  input,   ///< A run was accepted; nothing has run yet.
  step,    ///< A step was finished.
  update,  ///< Somebody changed the state from outside.
  fork,    ///< The beginning of a branch, or of a copied thread.
};
AGENTFLOW_API std::string_view to_string(checkpoint_kind kind) noexcept;

/// How a run stands, as far as it is stored. `running` with a dead owner is a run that can be resumed.
enum class stored_status : std::uint8_t { running, completed, interrupted, stopped, drained, failed };
AGENTFLOW_API std::string_view to_string(stored_status status) noexcept;

/// What a pending write holds; the checkpointer stores it and does not look at it.
enum class pending_kind : std::uint8_t {
  result,     ///< What a finished task wrote.
  error,      ///< How a task failed.
  interrupt,  ///< A question to a human.
  answer,     ///< The answer to one.
  once,       ///< The result of a side effect that must not be repeated.
};
AGENTFLOW_API std::string_view to_string(pending_kind kind) noexcept;

/// Points at a checkpoint of a thread's namespace and says which one exactly. The default points at none: it is the
/// parent of a first checkpoint.
class CheckpointRef {
 public:
  CheckpointRef() = default;
  CheckpointRef(std::uint64_t number, std::uint64_t checksum) noexcept : seq(number), sum(checksum) {}
  explicit operator bool() const noexcept { return seq != 0; }
  friend bool operator==(const CheckpointRef&, const CheckpointRef&) noexcept = default;

  std::uint64_t seq = 0;  ///< From 1, without gaps, for each (thread, namespace); the newest is the highest.
  std::uint64_t sum = 0;  ///< The checksum of the record, which covers its parent's: so a ref vouches for a history.
};
static_assert(!std::is_aggregate_v<CheckpointRef>);

/// One checkpoint. Records never change once they are stored.
///
/// Its key is (thread, ns, seq). `ns` is "" for the graph that was run and a path such as "outer#0/inner#2" for the
/// graph inside a task. The parents make a tree: whoever goes on from an older record begins a branch.
///
/// **Units/limits** Thread 1 to 255 bytes and ns at most 1,024, UTF-8 without control characters; metadata at most 64
/// keys; body and snapshot at most 256 MiB each.
class AGENTFLOW_API CheckpointRecord {
 public:
  CheckpointRecord() = default;

  /// The id that users see: `ns`, seq and checksum, such as "42-9d5c00f1a2b3c4d5". Unique, also over deleted threads.
  std::string id() const;
  CheckpointRef ref() const noexcept { return CheckpointRef(seq, sum); }

  std::string ns;
  std::uint64_t seq = 0;
  CheckpointRef parent;  ///< In the same namespace.
  checkpoint_kind kind = checkpoint_kind::step;
  stored_status status = stored_status::running;  ///< Of the run, as of this record.
  std::uint64_t step = 0;
  RunId run;
  std::chrono::system_clock::time_point created_at;  ///< For people; the order is that of seq. Kept to the microsecond.
  std::uint64_t fingerprint = 0;                     ///< Of the graph that wrote it.
  std::uint32_t format = 1;                          ///< The version of what is in body and snapshot.
  std::string metadata;                              ///< A JSON object, or empty.
  std::string body;                                  ///< What changed since the parent.
  std::optional<std::string> snapshot;               ///< All there is: whoever loads needs nothing older than this.

  // Filled in by `CheckpointBatch::add`.
  std::string thread;
  std::uint64_t epoch = 0;         ///< Of the lease it was written under.
  std::uint64_t body_sum = 0;      ///< checksum64 of the body.
  std::uint64_t snapshot_sum = 0;  ///< And of the snapshot; 0 without one.
  std::uint64_t sum = 0;           ///< Of all the fields, with the sums instead of the bytes.

  /// Computes the sums.
  void seal();
  /// Whether the sums are right; without the bytes when `bytes` is false, as in a history that left them out.
  bool whole(bool bytes = true) const;

 private:
  std::uint64_t compute_sum() const;
};
static_assert(!std::is_aggregate_v<CheckpointRecord>);

/// What the id of a checkpoint says.
class CheckpointId {
 public:
  CheckpointId(std::string name, CheckpointRef target) : ns(std::move(name)), ref(target) {}
  std::string ns;
  CheckpointRef ref;
};
/// Reads what `CheckpointRecord::id` wrote, and nothing else.
AGENTFLOW_API std::optional<CheckpointId> parse_checkpoint_id(std::string_view text);

/// Something a task of the step after checkpoint (ns, seq) has come to. Kept until the step is committed.
///
/// **Units/limits** The key has 1 to 1,024 bytes, UTF-8 without control characters; the bytes are at most 256 MiB.
class AGENTFLOW_API PendingWrite {
 public:
  PendingWrite() = default;
  PendingWrite(std::string name, std::uint64_t number, std::string task, pending_kind k, std::string data)
      : ns(std::move(name)), seq(number), key(std::move(task)), kind(k), bytes(std::move(data)) {}

  std::string ns;
  std::uint64_t seq = 0;
  std::string key;  ///< Names the task and what it is about; a second write to the same key replaces the first.
  pending_kind kind = pending_kind::result;
  std::string bytes;

  std::string thread;     ///< Filled in by `CheckpointBatch::put`, as is
  std::uint64_t sum = 0;  ///< the checksum of all this.

  void seal();
  bool whole() const;

 private:
  std::uint64_t compute_sum() const;
};
static_assert(!std::is_aggregate_v<PendingWrite>);

/// What a load gives: all that is needed to rebuild the state at a checkpoint, and to go on.
class CheckpointChain {
 public:
  CheckpointChain() = default;
  /// The checkpoint that was asked for.
  const CheckpointRecord& tip() const noexcept { return records.back(); }

  std::vector<CheckpointRecord> records;  ///< From the newest snapshot, or the first record, to the tip. Never empty.
  std::vector<PendingWrite> writes;       ///< Pending at the tip, in the order of their keys.
  CheckpointRef head;                     ///< The newest of the namespace: what comes next has `head.seq + 1`.
};
static_assert(!std::is_aggregate_v<CheckpointChain>);

}  // namespace agentflow
