// SPDX-License-Identifier: MIT
// The checkpointer on SQLite.
#include <agentflow/sqlite/checkpointer.hpp>

#include <sqlite3.h>

#include <algorithm>
#include <limits>
#include <map>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json.hpp>

#include "sqlite/owner_locks.hpp"
#include "sqlite/path.hpp"
#include "sqlite/tables.hpp"
#include "sqlite/writer.hpp"

namespace agentflow {
namespace {

using detail::find_space;
using detail::find_thread;
using detail::OwnerLocks;
using detail::SpaceRow;
using detail::SqliteConnection;
using detail::SqliteStatement;
using detail::SqliteWriter;
using detail::ThreadRow;

// ---- Commit --------------------------------------------------------------------------------------------------------

/// One commit under way: the rows it has read, and those it will have to write back.
class Commit {
 public:
  Commit(SqliteConnection& db, const CheckpointBatch& batch, ThreadRow thread)
      : db_(db), batch_(batch), thread_(std::move(thread)) {}

  CommitReceipt run() {
    CommitReceipt receipt;
    if (!stored_already()) {
      for (const CheckpointRecord& r : batch_.records()) add(r);
      for (const auto& [ns, seq] : batch_.consumed()) consume(ns, seq);
      for (const PendingWrite& w : batch_.writes()) put(w);
      for (const auto& [ns, entry] : spaces_)
        if (entry.changed) detail::update_space(db_, entry.row);
      if (batch_.run()) {
        const auto latest = thread_.latest_run;
        detail::change_run(db_, thread_, *batch_.run());
        if (latest != thread_.latest_run) detail::update_thread(db_, thread_);
      }
    }
    receipt.stop_requested = thread_.stop;
    return receipt;
  }

 private:
  struct Space {
    SpaceRow row;
    bool changed = false;
  };

  Space* space(const std::string& ns) {
    const auto known = spaces_.find(ns);
    if (known != spaces_.end()) return &known->second;
    auto row = find_space(db_, thread_, ns);
    return row ? &spaces_.emplace(ns, Space{std::move(*row), false}).first->second : nullptr;
  }

  bool stored_already() {
    const auto stored = [&](const CheckpointRecord& r) {
      const Space* s = space(r.ns);
      return s != nullptr && r.seq <= s->row.head.seq && detail::checkpoint_sum(db_, s->row, r.seq) == r.sum;
    };
    return !batch_.records().empty() && std::all_of(batch_.records().begin(), batch_.records().end(), stored);
  }

  void add(const CheckpointRecord& r) {
    Space* s = space(r.ns);
    const CheckpointRef head = s != nullptr ? s->row.head : CheckpointRef();
    if (r.seq != head.seq + 1 || r.seq > detail::max_seq)
      conflict(fmt::format("checkpoint {} does not follow {}, the newest: load the thread again", r.seq, head.seq));
    if (r.parent && r.parent != head &&
        (s == nullptr || detail::checkpoint_sum(db_, s->row, r.parent.seq) != r.parent.sum))
      conflict(fmt::format("checkpoint {}, the parent of {}, is not stored", r.parent.seq, r.seq));
    if (s == nullptr) s = &spaces_.emplace(r.ns, Space{detail::insert_space(db_, thread_, r.ns), true}).first->second;
    detail::insert_checkpoint(db_, s->row, r);
    s->row.head = r.ref();
    s->row.pending = 0;
    s->changed = true;
  }

  void consume(const std::string& ns, std::uint64_t seq) {
    Space* s = space(ns);
    if (s == nullptr || seq == 0 || seq > detail::max_seq) return;
    db_.query("DELETE FROM writes WHERE place = ?").integer(s->row.place(seq)).run();
    if (seq != s->row.head.seq || s->row.pending == 0) return;
    s->row.pending = 0;
    s->changed = true;
  }

  void put(const PendingWrite& w) {
    Space* s = space(w.ns);
    if (s == nullptr || (w.seq != s->row.head.seq && !detail::checkpoint_sum(db_, s->row, w.seq)))
      conflict(fmt::format("a pending write belongs to checkpoint {}, which is not stored", w.seq));
    const auto place = s->row.place(w.seq);
    if (w.seq == s->row.head.seq) {
      auto old = db_.query("SELECT sum FROM writes WHERE place = ? AND key = ?");
      if (old.integer(place).text(w.key).step()) s->row.pending ^= old.number_at(0);
      s->row.pending ^= w.sum;
      s->changed = true;
    }
    db_.query("INSERT OR REPLACE INTO writes (place, key, kind, sum, bytes) VALUES (?, ?, ?, ?, ?)")
        .integer(place)
        .text(w.key)
        .integer(static_cast<int>(w.kind))
        .number(w.sum)
        .blob(w.bytes)
        .run();
  }

  [[noreturn]] void conflict(std::string message) {
    detail::fail_storage(errc::checkpoint_conflict, std::move(message), thread_.name);
  }

  SqliteConnection& db_;
  const CheckpointBatch& batch_;
  ThreadRow thread_;
  std::map<std::string, Space> spaces_;
};

// ---- Reading -------------------------------------------------------------------------------------------------------

/// From the record at `seq` back along its parents, to a snapshot or the first; newest first. Rows of other branches
/// between them are stepped over while that is cheaper than a new search.
std::vector<CheckpointRecord> read_chain(SqliteConnection& db, const ThreadRow& thread, const SpaceRow& space,
                                         std::uint64_t seq) {
  std::vector<CheckpointRecord> records;
  auto q = db.query("SELECT " AGENTFLOW_CHECKPOINT_COLUMNS
                    "body, snapshot FROM checkpoints WHERE place <= ? AND place >= ? ORDER BY place DESC");
  for (std::uint64_t wanted = seq; wanted != 0;) {
    q.again().integer(space.place(wanted)).integer(space.place(1));
    int passed = 0;
    while (q.step()) {
      const std::uint64_t at = q.number_at(0) & 0xffff'ffff;
      if (at > wanted && ++passed < 8) continue;
      if (at != wanted) break;
      records.push_back(detail::read_checkpoint(q, thread.name, space.ns));
      wanted = records.back().snapshot ? 0 : records.back().parent.seq;
      passed = 0;
      if (wanted == 0 || wanted >= at) return records;  // a damaged parent would lead in circles
    }
    // The search itself must have found it, or it is not there.
    if (passed == 0) return records;
  }
  return records;
}

std::optional<CheckpointChain> load_chain(SqliteConnection& db, const std::string& name, const std::string& ns,
                                          std::optional<std::uint64_t> seq) {
  const auto thread = find_thread(db, name);
  if (!thread) return std::nullopt;
  const auto space = find_space(db, *thread, ns);
  if (!space || space->head.seq == 0) return std::nullopt;
  CheckpointChain chain;
  chain.head = space->head;
  if (seq.value_or(1) == 0 || seq.value_or(1) > detail::max_seq) return std::nullopt;
  const std::uint64_t tip = seq.value_or(space->head.seq);
  chain.records = read_chain(db, *thread, *space, tip);
  if (chain.records.empty()) {
    if (tip == space->head.seq) detail::fail_damaged(fmt::format("checkpoint {}, the newest, is not there", tip), name);
    return std::nullopt;  // pruned, or never there
  }
  std::reverse(chain.records.begin(), chain.records.end());
  std::uint64_t pending = 0;
  auto q = db.query("SELECT key, kind, sum, bytes FROM writes WHERE place = ? ORDER BY key");
  q.integer(space->place(tip));
  while (q.step()) {
    PendingWrite w(ns, tip, q.text_at(0), static_cast<pending_kind>(q.integer_at(1)), q.text_at(3));
    w.thread = name;
    w.sum = q.number_at(2);
    pending ^= w.sum;
    chain.writes.push_back(std::move(w));
  }
  if (tip == space->head.seq && pending != space->pending)
    detail::fail_damaged(fmt::format("pending writes of checkpoint {} are missing", tip), name);
  return chain;
}

std::vector<CheckpointRecord> read_history(SqliteConnection& db, const HistoryQuery& query) {
  std::vector<CheckpointRecord> out;
  const auto thread = find_thread(db, query.thread);
  const auto space = thread ? find_space(db, *thread, query.ns) : std::nullopt;
  if (!space) return out;
  auto q = db.query(query.bytes ? "SELECT " AGENTFLOW_CHECKPOINT_COLUMNS
                                  "body, snapshot FROM checkpoints WHERE place < ? AND place >= ? ORDER BY place DESC"
                                : "SELECT " AGENTFLOW_CHECKPOINT_COLUMNS
                                  "'', CASE WHEN snapshot IS NOT NULL THEN '' END FROM checkpoints "
                                  "WHERE place < ? AND place >= ? ORDER BY place DESC");
  const std::uint64_t end = query.before == 0 ? detail::max_seq + 1 : std::min(query.before, detail::max_seq + 1);
  q.integer(space->place(end)).integer(space->place(1));
  while (out.size() < query.limit && q.step()) {
    CheckpointRecord r = detail::read_checkpoint(q, thread->name, space->ns);
    // Damaged metadata may be no JSON at all: a record is checked before it is filtered, and shown as it is.
    if (!r.whole(query.bytes) || query.matches(r)) out.push_back(std::move(r));
  }
  return out;
}

std::vector<StoredThread> read_threads(SqliteConnection& db, OwnerLocks& locks, const ThreadQuery& query) {
  std::vector<StoredThread> out;
  // No column is taken on trust: each row is read again the way a load does.
  auto q = db.query("SELECT name FROM threads WHERE name > ? AND name >= ? ORDER BY name");
  q.text(query.after).text(query.prefix);
  while (out.size() < query.limit && q.step()) {
    StoredThread t;
    t.thread = q.text_at(0);
    if (t.thread.compare(0, query.prefix.size(), query.prefix) != 0) break;
    const auto thread = find_thread(db, t.thread);
    const auto space = thread ? find_space(db, *thread, "") : std::nullopt;
    if (!space || !space->head) continue;
    t.head = space->head;
    t.epoch = thread->epoch;
    t.stop_requested = thread->stop;
    if (thread->latest_run != 0) {
      auto run = db.query("SELECT " AGENTFLOW_RUN_COLUMNS " FROM runs r WHERE r.id = ?");
      if (!run.integer(thread->latest_run).step())
        detail::fail_damaged("the row of the latest run is missing", t.thread);
      t.run = detail::read_run(run, 0, t.thread);
    }
    if (query.status && (!t.run || t.run->status != *query.status)) continue;
    t.owned = locks.locked(thread->lock_byte());
    if (t.run) t.run->owned = t.owned;
    out.push_back(std::move(t));
  }
  return out;
}

std::vector<StoredRun> read_runs(SqliteConnection& db, OwnerLocks& locks, const RunQuery& query) {
  std::vector<StoredRun> out;
  std::int64_t thread_id = 0;
  if (query.thread) {
    const auto thread = find_thread(db, *query.thread);
    if (!thread) return out;
    thread_id = thread->id;
  }
#define AGENTFLOW_RUNS \
  "SELECT " AGENTFLOW_RUN_COLUMNS ", t.name FROM runs r JOIN threads t ON t.id = r.thread WHERE r.id < ? "
  auto q = db.query(query.thread && query.status ? AGENTFLOW_RUNS "AND r.thread = ? AND r.status = ? ORDER BY r.id DESC"
                    : query.thread               ? AGENTFLOW_RUNS "AND r.thread = ? ORDER BY r.id DESC"
                    : query.status               ? AGENTFLOW_RUNS "AND r.status = ? ORDER BY r.id DESC"
                                                 : AGENTFLOW_RUNS "ORDER BY r.id DESC");
#undef AGENTFLOW_RUNS
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  q.number(query.before == 0 ? most : std::min(query.before, most));
  if (query.thread) q.integer(thread_id);
  if (query.status) q.integer(static_cast<int>(*query.status));
  while (out.size() < query.limit && q.step()) {
    const std::string name = q.text_at(7);
    StoredRun run = detail::read_run(q, 0, name);
    const auto thread = find_thread(db, name);
    run.owned =
        thread && thread->latest_run == static_cast<std::int64_t>(run.order) && locks.locked(thread->lock_byte());
    out.push_back(std::move(run));
  }
  return out;
}

// ---- Upkeep --------------------------------------------------------------------------------------------------------

std::vector<std::pair<std::int64_t, std::string>> spaces_of(SqliteConnection& db, std::int64_t thread) {
  std::vector<std::pair<std::int64_t, std::string>> out;
  auto q = db.query("SELECT id, ns FROM spaces WHERE thread = ?");
  q.integer(thread);
  while (q.step()) out.emplace_back(q.integer_at(0), q.text_at(1));
  return out;
}

bool remove_thread(SqliteConnection& db, OwnerLocks& locks, const std::string& name) {
  const auto thread = find_thread(db, name);
  if (!thread) return false;
  const auto hold = locks.try_lock(thread->lock_byte());
  if (!hold) detail::fail_storage(errc::thread_busy, "a run has the thread: stop it, then remove the thread", name);
  const auto root = find_space(db, *thread, "");
  for (const auto& space : spaces_of(db, thread->id)) {
    const std::int64_t first = space.first << 32, last = (space.first + 1) << 32;
    db.query("DELETE FROM checkpoints WHERE place >= ? AND place < ?").integer(first).integer(last).run();
    db.query("DELETE FROM writes WHERE place >= ? AND place < ?").integer(first).integer(last).run();
    db.query("DELETE FROM spaces WHERE id = ?").integer(space.first).run();
  }
  db.query("DELETE FROM runs WHERE thread = ?").integer(thread->id).run();
  db.query("DELETE FROM threads WHERE id = ?").integer(thread->id).run();
  return root && root->head;
}

std::size_t prune_thread(SqliteConnection& db, const std::string& name, const PrunePolicy& policy) {
  std::size_t count = 0;
  const auto thread = find_thread(db, name);
  if (!thread) return count;
  for (const auto& space : spaces_of(db, thread->id)) {
    std::vector<PruneCandidate> candidates;
    auto q = db.query(
        "SELECT place, parent_seq, created_at, snapshot IS NOT NULL, "
        "EXISTS (SELECT 1 FROM writes w WHERE w.place = c.place) FROM checkpoints c WHERE place >= ? AND place < ?");
    q.integer(space.first << 32).integer((space.first + 1) << 32);
    while (q.step()) {
      PruneCandidate c;
      c.seq = q.number_at(0) & 0xffff'ffff;
      c.parent = q.number_at(1);
      c.created_at = detail::from_micros(q.integer_at(2));
      c.snapshot = q.integer_at(3) != 0;
      c.pending = q.integer_at(4) != 0;
      candidates.push_back(c);
    }
    for (const std::uint64_t seq : plan_prune(std::move(candidates), policy)) {
      db.query("DELETE FROM checkpoints WHERE place = ?")
          .integer(space.first << 32 | static_cast<std::int64_t>(seq))
          .run();
      ++count;
    }
  }
  db.query(
        "DELETE FROM runs WHERE thread = ?1 AND id <> ?2 AND status NOT IN (?3, ?4) AND run NOT IN "
        "(SELECT c.run FROM spaces s JOIN checkpoints c ON c.place >= s.id << 32 AND c.place < (s.id + 1) << 32 "
        "WHERE s.thread = ?1)")
      .integer(thread->id)
      .integer(thread->latest_run)
      .integer(static_cast<int>(stored_status::running))
      .integer(static_cast<int>(stored_status::interrupted))
      .run();
  return count;
}

JsonValue describe_database(SqliteConnection& db, const std::string& path) {
  nlohmann::json out;
  out["path"] = path;
  out["sqlite_version"] = sqlite3_libversion();
  out["schema_version"] = db.scalar("PRAGMA user_version");
  out["journal_mode"] = db.scalar_text("PRAGMA journal_mode");
  out["synchronous"] = db.scalar("PRAGMA synchronous") == 2 ? "full" : "normal";
  out["page_size"] = db.scalar("PRAGMA page_size");
  out["pages"] = db.scalar("PRAGMA page_count");
  out["free_pages"] = db.scalar("PRAGMA freelist_count");
  out["threads"] = db.scalar("SELECT count(*) FROM threads");
  out["checkpoints"] = db.scalar("SELECT count(*) FROM checkpoints");
  out["pending_writes"] = db.scalar("SELECT count(*) FROM writes");
  out["runs"] = db.scalar("SELECT count(*) FROM runs");
  out["store_items"] = db.scalar("SELECT count(*) FROM items");
  return JsonValue(std::move(out));
}

}  // namespace

struct SqliteCheckpointer::Impl {
  Impl(const std::string& p, SqliteOptions options)
      : path(detail::database_path(p)),
        locks(std::make_shared<OwnerLocks>(path + "-owners")),
        writer(path, std::move(options)) {}
  std::string path;
  std::shared_ptr<OwnerLocks> locks;
  SqliteWriter writer;
};

SqliteCheckpointer::SqliteCheckpointer(std::string path, SqliteOptions options)
    : impl_(std::make_unique<Impl>(path, std::move(options))) {}
SqliteCheckpointer::~SqliteCheckpointer() {
  // The thread is not there in a forked child, and the connection is the parent's.
  if (impl_->writer.forked()) static_cast<void>(impl_.release());
}

std::shared_ptr<SqliteCheckpointer> sqlite(std::string path, SqliteOptions options) {
  return std::make_shared<SqliteCheckpointer>(std::move(path), std::move(options));
}

asio::awaitable<JsonValue> SqliteCheckpointer::diagnostics() {
  return impl_->writer.read([path = impl_->path](SqliteConnection& db) { return describe_database(db, path); });
}

asio::awaitable<Lease> SqliteCheckpointer::do_claim(std::string thread, claim_mode mode) {
  return impl_->writer.write([locks = impl_->locks, name = std::move(thread), mode](SqliteConnection& db) {
    auto row = find_thread(db, name);
    if (!row) row = detail::insert_thread(db, name);
    auto hold = locks->try_lock(row->lock_byte());
    while (!hold) {
      if (mode == claim_mode::if_free)
        detail::fail_storage(errc::thread_busy,
                             "another run, perhaps of another process, has the thread: wait for its end, or stop it",
                             name);
      // The old owner keeps its byte, whenever it lets go of it; the new one has another.
      ++row->generation;
      hold = locks->try_lock(row->lock_byte());
    }
    db.query("UPDATE meta SET value = value + 1 WHERE name = 'epoch'").run();
    row->epoch = static_cast<std::uint64_t>(db.scalar("SELECT value FROM meta WHERE name = 'epoch'"));
    detail::update_thread(db, *row);
    return Lease(name, row->epoch, std::move(hold));
  });
}

asio::awaitable<CommitReceipt> SqliteCheckpointer::do_commit(const Lease& lease, CheckpointBatch batch) {
  static_cast<void>(lease);  // the batch knows its thread and epoch
  return impl_->writer.write([batch = std::move(batch)](SqliteConnection& db) {
    auto thread = find_thread(db, batch.thread());
    if (!thread || thread->epoch != batch.epoch())
      detail::fail_storage(errc::thread_fenced, "someone else has taken the thread over: this run must end",
                           batch.thread());
    return Commit(db, batch, std::move(*thread)).run();
  });
}

asio::awaitable<std::optional<CheckpointChain>> SqliteCheckpointer::do_load(std::string thread, std::string ns,
                                                                            std::optional<std::uint64_t> seq) {
  return impl_->writer.read([thread = std::move(thread), ns = std::move(ns), seq](SqliteConnection& db) {
    return load_chain(db, thread, ns, seq);
  });
}

asio::awaitable<std::vector<CheckpointRecord>> SqliteCheckpointer::do_history(HistoryQuery query) {
  return impl_->writer.read([query = std::move(query)](SqliteConnection& db) { return read_history(db, query); });
}

asio::awaitable<std::vector<StoredThread>> SqliteCheckpointer::do_threads(ThreadQuery query) {
  return impl_->writer.read([locks = impl_->locks, query = std::move(query)](SqliteConnection& db) {
    return read_threads(db, *locks, query);
  });
}

asio::awaitable<std::vector<StoredRun>> SqliteCheckpointer::do_runs(RunQuery query) {
  return impl_->writer.read(
      [locks = impl_->locks, query = std::move(query)](SqliteConnection& db) { return read_runs(db, *locks, query); });
}

asio::awaitable<bool> SqliteCheckpointer::do_request_stop(std::string thread) {
  return impl_->writer.write([name = std::move(thread)](SqliteConnection& db) {
    auto thread_row = find_thread(db, name);
    if (!thread_row || thread_row->latest_run == 0) return false;
    {
      auto q = db.query("SELECT " AGENTFLOW_RUN_COLUMNS " FROM runs r WHERE r.id = ?");
      if (!q.integer(thread_row->latest_run).step()) detail::fail_damaged("the row of the latest run is missing", name);
      if (detail::read_run(q, 0, name).status != stored_status::running) return false;
    }
    thread_row->stop = true;
    detail::update_thread(db, *thread_row);
    return true;
  });
}

asio::awaitable<bool> SqliteCheckpointer::do_remove(std::string thread) {
  return impl_->writer.write([locks = impl_->locks, name = std::move(thread)](SqliteConnection& db) {
    return remove_thread(db, *locks, name);
  });
}

asio::awaitable<std::size_t> SqliteCheckpointer::do_prune(std::string thread, PrunePolicy policy) {
  return impl_->writer.write([name = std::move(thread), policy = std::move(policy)](SqliteConnection& db) {
    return prune_thread(db, name, policy);
  });
}

asio::awaitable<void> SqliteCheckpointer::do_flush() { return impl_->writer.flush(); }

}  // namespace agentflow
