// SPDX-License-Identifier: MIT
// Rows of the checkpointer's tables.
#include "sqlite/tables.hpp"

#include <fmt/format.h>

#include <agentflow/core/checksum.hpp>
#include <agentflow/core/error.hpp>

namespace agentflow::detail {
namespace {

std::uint64_t hash_of(const std::string& name) { return checksum64(name); }
std::uint64_t hash_of(std::int64_t thread, const std::string& ns) {
  return checksum64(ns, static_cast<std::uint64_t>(thread));
}

std::uint64_t sum_of(const ThreadRow& r) {
  return checksum64(fmt::format("{} {} {} {} {} {}", r.id, r.epoch, r.generation, r.latest_run, r.stop, r.name));
}

std::uint64_t sum_of(const StoredRun& r) {
  return checksum64(fmt::format("{} {} {} {} {} {}", r.order, r.id.to_string(), static_cast<int>(r.status),
                                to_micros(r.started_at), to_micros(r.updated_at), r.detail),
                    checksum64(r.thread));
}

}  // namespace

void fail_storage(errc code, std::string message, const std::string& thread) {
  ErrorContext context;
  context.thread_id(thread);
  throw storage_error(code, std::move(message), std::move(context));
}

void fail_damaged(std::string what, const std::string& thread) {
  ErrorContext context;
  context.thread_id(thread);
  throw checkpoint_damaged_error(std::move(what), "", std::move(context));
}

// ---- Threads -------------------------------------------------------------------------------------------------------

std::optional<ThreadRow> find_thread(SqliteConnection& db, const std::string& name) {
  auto q = db.query("SELECT id, name, epoch, generation, latest_run, stop, sum, hash FROM threads WHERE name = ?");
  if (!q.text(name).step()) {
    auto other = db.query("SELECT 1 FROM threads WHERE hash = ?");
    if (other.number(hash_of(name)).step()) fail_damaged("the row of the thread cannot be found by its name", name);
    return std::nullopt;
  }
  ThreadRow row;
  row.id = q.integer_at(0);
  row.name = q.text_at(1);
  row.epoch = q.number_at(2);
  row.generation = q.integer_at(3);
  row.latest_run = q.integer_at(4);
  row.stop = q.integer_at(5) != 0;
  if (row.name != name || q.number_at(6) != sum_of(row) || q.number_at(7) != hash_of(name))
    fail_damaged("the row of the thread does not have the checksum it was stored with", name);
  return row;
}

ThreadRow insert_thread(SqliteConnection& db, const std::string& name) {
  ThreadRow row;
  row.name = name;
  row.id = db.scalar("SELECT coalesce(max(id), 0) + 1 FROM threads");
  // Not 0: a thread of this number may have been removed while a displaced owner still has its byte.
  row.generation = db.scalar("SELECT value FROM meta WHERE name = 'epoch'");
  db.query(
        "INSERT INTO threads (id, name, hash, epoch, generation, latest_run, stop, sum) VALUES (?, ?, ?, 0, ?, 0, 0, "
        "?)")
      .integer(row.id)
      .text(name)
      .number(hash_of(name))
      .integer(row.generation)
      .number(sum_of(row))
      .run();
  return row;
}

void update_thread(SqliteConnection& db, const ThreadRow& row) {
  db.query("UPDATE threads SET epoch = ?, generation = ?, latest_run = ?, stop = ?, sum = ? WHERE id = ?")
      .number(row.epoch)
      .integer(row.generation)
      .integer(row.latest_run)
      .integer(row.stop ? 1 : 0)
      .number(sum_of(row))
      .integer(row.id)
      .run();
}

// ---- Spaces --------------------------------------------------------------------------------------------------------

std::optional<SpaceRow> find_space(SqliteConnection& db, const ThreadRow& thread, const std::string& ns) {
  auto q =
      db.query("SELECT id, head_seq, head_sum, pending_sum, hash, thread, ns FROM spaces WHERE thread = ? AND ns = ?");
  if (!q.integer(thread.id).text(ns).step()) {
    auto other = db.query("SELECT 1 FROM spaces WHERE hash = ?");
    if (other.number(hash_of(thread.id, ns)).step())
      fail_damaged(fmt::format("the row of namespace \"{}\" cannot be found by its name", ns), thread.name);
    return std::nullopt;
  }
  SpaceRow row;
  row.id = q.integer_at(0);
  row.ns = ns;
  row.head = CheckpointRef(q.number_at(1), q.number_at(2));
  row.pending = q.number_at(3);
  if (q.number_at(4) != hash_of(thread.id, ns) || q.integer_at(5) != thread.id || q.text_at(6) != ns)
    fail_damaged(fmt::format("the row of namespace \"{}\" is damaged", ns), thread.name);
  return row;
}

SpaceRow insert_space(SqliteConnection& db, const ThreadRow& thread, const std::string& ns) {
  SpaceRow row;
  row.ns = ns;
  row.id = db.scalar("SELECT coalesce(max(id), 0) + 1 FROM spaces");
  db.query("INSERT INTO spaces (id, thread, ns, hash, head_seq, head_sum, pending_sum) VALUES (?, ?, ?, ?, 0, 0, 0)")
      .integer(row.id)
      .integer(thread.id)
      .text(ns)
      .number(hash_of(thread.id, ns))
      .run();
  return row;
}

void update_space(SqliteConnection& db, const SpaceRow& row) {
  db.query("UPDATE spaces SET head_seq = ?, head_sum = ?, pending_sum = ? WHERE id = ?")
      .number(row.head.seq)
      .number(row.head.sum)
      .number(row.pending)
      .integer(row.id)
      .run();
}

// ---- Checkpoints ---------------------------------------------------------------------------------------------------

CheckpointRecord read_checkpoint(const SqliteStatement& row, const std::string& thread, const std::string& ns) {
  CheckpointRecord r;
  r.thread = thread;
  r.ns = ns;
  r.seq = row.number_at(0) & 0xffff'ffff;
  r.parent = CheckpointRef(row.number_at(1), row.number_at(2));
  r.kind = static_cast<checkpoint_kind>(row.integer_at(3));
  r.status = static_cast<stored_status>(row.integer_at(4));
  r.step = row.number_at(5);
  const std::string run = row.text_at(6);
  if (!run.empty()) r.run = RunId::parse(run).value_or(RunId());
  r.created_at = from_micros(row.integer_at(7));
  r.fingerprint = row.number_at(8);
  r.format = static_cast<std::uint32_t>(row.integer_at(9));
  r.epoch = row.number_at(10);
  r.body_sum = row.number_at(11);
  r.snapshot_sum = row.number_at(12);
  r.sum = row.number_at(13);
  r.metadata = row.text_at(14);
  r.body = row.text_at(15);
  if (!row.null_at(16)) r.snapshot = row.text_at(16);
  return r;
}

void insert_checkpoint(SqliteConnection& db, const SpaceRow& space, const CheckpointRecord& r) {
  const std::string run = r.run.is_nil() ? std::string() : r.run.to_string();
  auto q = db.query("INSERT INTO checkpoints (" AGENTFLOW_CHECKPOINT_COLUMNS
                    "body, snapshot) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  q.integer(space.place(r.seq)).number(r.parent.seq).number(r.parent.sum);
  q.integer(static_cast<int>(r.kind)).integer(static_cast<int>(r.status)).number(r.step).text(run);
  q.integer(to_micros(r.created_at)).number(r.fingerprint).integer(r.format).number(r.epoch);
  q.number(r.body_sum).number(r.snapshot_sum).number(r.sum).text(r.metadata).blob(r.body);
  if (r.snapshot)
    q.blob(*r.snapshot);
  else
    q.null();
  q.run();
}

std::optional<std::uint64_t> checkpoint_sum(SqliteConnection& db, const SpaceRow& space, std::uint64_t seq) {
  if (seq == 0 || seq > max_seq) return std::nullopt;
  auto q = db.query("SELECT sum FROM checkpoints WHERE place = ?");
  if (!q.integer(space.place(seq)).step()) return std::nullopt;
  return q.number_at(0);
}

// ---- Runs ----------------------------------------------------------------------------------------------------------

StoredRun read_run(const SqliteStatement& row, int column, const std::string& thread) {
  StoredRun r;
  r.thread = thread;
  r.order = row.number_at(column);
  r.id = RunId::parse(row.text_at(column + 1)).value_or(RunId());
  r.status = static_cast<stored_status>(row.integer_at(column + 2));
  r.started_at = from_micros(row.integer_at(column + 3));
  r.updated_at = from_micros(row.integer_at(column + 4));
  r.detail = row.text_at(column + 5);
  if (row.number_at(column + 6) != sum_of(r))
    fail_damaged(fmt::format("the row of run {} does not have the checksum it was stored with", r.id.to_string()),
                 thread);
  return r;
}

void change_run(SqliteConnection& db, ThreadRow& thread, const RunChange& change) {
  const std::string id = change.id.to_string();
  StoredRun run;
  bool known = false;
  {
    // Nearly always the latest; any other is found by a search among the thread's.
    auto latest = db.query("SELECT " AGENTFLOW_RUN_COLUMNS " FROM runs r WHERE r.id = ? AND r.run = ?");
    known = latest.integer(thread.latest_run).text(id).step();
    if (known) run = read_run(latest, 0, thread.name);
  }
  if (!known) {
    auto other = db.query("SELECT " AGENTFLOW_RUN_COLUMNS " FROM runs r WHERE r.thread = ? AND r.run = ?");
    known = other.integer(thread.id).text(id).step();
    if (known) run = read_run(other, 0, thread.name);
  }
  run.status = change.status;
  run.detail = change.detail;
  run.updated_at = change.at;
  if (known) {
    db.query("UPDATE runs SET status = ?, updated_at = ?, detail = ?, sum = ? WHERE id = ?")
        .integer(static_cast<int>(run.status))
        .integer(to_micros(run.updated_at))
        .text(run.detail)
        .number(sum_of(run))
        .number(run.order)
        .run();
    return;
  }
  run.thread = thread.name;
  run.id = change.id;
  run.started_at = change.at;
  run.order = static_cast<std::uint64_t>(db.scalar("SELECT coalesce(max(id), 0) + 1 FROM runs"));
  db.query(
        "INSERT INTO runs (id, thread, run, status, started_at, updated_at, detail, sum) VALUES (?, ?, ?, ?, ?, ?, ?, "
        "?)")
      .number(run.order)
      .integer(thread.id)
      .text(id)
      .integer(static_cast<int>(run.status))
      .integer(to_micros(run.started_at))
      .integer(to_micros(run.updated_at))
      .text(run.detail)
      .number(sum_of(run))
      .run();
  thread.latest_run = static_cast<std::int64_t>(run.order);
  thread.stop = false;
}

}  // namespace agentflow::detail
