// SPDX-License-Identifier: MIT
// Private: rows of the checkpointer's tables, read and written inside a job.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <agentflow/core/error.hpp>
#include <agentflow/ports/checkpointer.hpp>

#include "sqlite/connection.hpp"
#include "sqlite/owner_locks.hpp"

namespace agentflow::detail {

inline std::int64_t to_micros(std::chrono::system_clock::time_point t) {
  return std::chrono::duration_cast<std::chrono::microseconds>(t.time_since_epoch()).count();
}
inline std::chrono::system_clock::time_point from_micros(std::int64_t t) {
  return std::chrono::system_clock::time_point(std::chrono::microseconds(t));
}

[[noreturn]] void fail_storage(errc code, std::string message, const std::string& thread);
/// Throws checkpoint_damaged; the `Checkpointer` above adds what to go on from.
[[noreturn]] void fail_damaged(std::string what, const std::string& thread);

/// A row of `threads`.
struct ThreadRow {
  std::int64_t id = 0;
  std::string name;
  std::uint64_t epoch = 0;
  std::int64_t generation = 0;  ///< Another one after each take-over, and with it another byte to lock.
  std::int64_t latest_run = 0;
  bool stop = false;

  std::int64_t lock_byte() const noexcept { return id << 20 | (generation & 0xfffff); }
};
std::optional<ThreadRow> find_thread(SqliteConnection& db, const std::string& name);
ThreadRow insert_thread(SqliteConnection& db, const std::string& name);
void update_thread(SqliteConnection& db, const ThreadRow& row);

/// A row of `spaces`: a namespace of a thread.
struct SpaceRow {
  std::int64_t id = 0;
  std::string ns;
  CheckpointRef head;
  std::uint64_t pending = 0;  ///< The sums of the writes that are pending at the head, xor'ed.

  std::int64_t place(std::uint64_t seq) const noexcept { return id << 32 | static_cast<std::int64_t>(seq); }
};
/// The largest seq of a space.
inline constexpr std::uint64_t max_seq = 0xffff'fffe;
std::optional<SpaceRow> find_space(SqliteConnection& db, const ThreadRow& thread, const std::string& ns);
SpaceRow insert_space(SqliteConnection& db, const ThreadRow& thread, const std::string& ns);
void update_space(SqliteConnection& db, const SpaceRow& row);

/// The columns of `checkpoints`, with `body, snapshot` last or empty blobs in their place.
#define AGENTFLOW_CHECKPOINT_COLUMNS                                                                           \
  "place, parent_seq, parent_sum, kind, status, step, run, created_at, fingerprint, format, epoch, body_sum, " \
  "snapshot_sum, sum, metadata, "
CheckpointRecord read_checkpoint(const SqliteStatement& row, const std::string& thread, const std::string& ns);
void insert_checkpoint(SqliteConnection& db, const SpaceRow& space, const CheckpointRecord& record);
/// The sum of a checkpoint that is stored.
std::optional<std::uint64_t> checkpoint_sum(SqliteConnection& db, const SpaceRow& space, std::uint64_t seq);

/// The columns of `runs` that `read_run` wants.
#define AGENTFLOW_RUN_COLUMNS "r.id, r.run, r.status, r.started_at, r.updated_at, r.detail, r.sum"
StoredRun read_run(const SqliteStatement& row, int column, const std::string& thread);
/// Inserts or updates the row of a run; a new one becomes the thread's latest, which is for the caller to store.
void change_run(SqliteConnection& db, ThreadRow& thread, const RunChange& change);

}  // namespace agentflow::detail
