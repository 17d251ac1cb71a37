// SPDX-License-Identifier: MIT
// The checkpointer in memory.
#include <agentflow/memory/memory_checkpointer.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>

namespace agentflow {
namespace {

struct Space {
  std::map<std::uint64_t, CheckpointRecord> records;
};

// Namespace, seq, key.
using WriteKey = std::tuple<std::string, std::uint64_t, std::string>;

struct Thread {
  std::uint64_t epoch = 0;
  bool owned = false, stop = false;
  std::map<std::string, Space> spaces;
  std::map<WriteKey, PendingWrite> writes;
  std::map<RunId, std::uint64_t> runs;  // to the order
  std::uint64_t latest_run = 0;         // its order; 0: none

  const CheckpointRecord* find(const std::string& ns, std::uint64_t seq) const {
    const auto space = spaces.find(ns);
    if (space == spaces.end()) return nullptr;
    const auto record = space->second.records.find(seq);
    return record != space->second.records.end() ? &record->second : nullptr;
  }
  CheckpointRef head(const std::string& ns) const {
    const auto space = spaces.find(ns);
    if (space == spaces.end() || space->second.records.empty()) return {};
    return space->second.records.rbegin()->second.ref();
  }
  auto writes_of(const std::string& ns, std::uint64_t seq) const {
    return std::pair(writes.lower_bound(WriteKey(ns, seq, "")), writes.lower_bound(WriteKey(ns, seq + 1, "")));
  }
};

[[noreturn]] void fail(errc code, std::string message, const std::string& thread) {
  ErrorContext context;
  context.thread_id(thread);
  throw storage_error(code, std::move(message), std::move(context));
}

/// Throws unless the records follow what is there; tells whether they are there already.
bool check_records(const Thread& thread, const CheckpointBatch& batch) {
  const auto& records = batch.records();
  const auto stored = [&](const CheckpointRecord& r) {
    const CheckpointRecord* old = thread.find(r.ns, r.seq);
    return old != nullptr && old->sum == r.sum;
  };
  if (!records.empty() && std::all_of(records.begin(), records.end(), stored)) return true;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const CheckpointRecord& r = records[i];
    // The one before is nearly always the last: searched from there.
    const auto first = std::make_reverse_iterator(records.begin() + static_cast<std::ptrdiff_t>(i));
    const auto before = std::find_if(first, records.rend(), [&](const auto& p) { return p.ns == r.ns; });
    const CheckpointRef head = before != records.rend() ? before->ref() : thread.head(r.ns);
    if (r.seq != head.seq + 1)
      fail(errc::checkpoint_conflict,
           fmt::format("checkpoint {} does not follow {}, the newest: load the thread again", r.seq, head.seq),
           batch.thread());
    const CheckpointRecord* parent = thread.find(r.ns, r.parent.seq);
    const bool in_batch =
        std::any_of(before, records.rend(), [&](const auto& p) { return p.ns == r.ns && p.ref() == r.parent; });
    if (r.parent && !in_batch && (parent == nullptr || parent->ref() != r.parent))
      fail(errc::checkpoint_conflict,
           fmt::format("checkpoint {}, the parent of {}, is not stored", r.parent.seq, r.seq), batch.thread());
  }
  return false;
}

}  // namespace

struct MemoryCheckpointer::Shared {
  std::mutex mutex;
  std::map<std::string, Thread> threads;
  std::map<std::uint64_t, StoredRun> runs;
  std::uint64_t last_epoch = 0, last_order = 0;

  /// What a lease holds on to.
  struct Hold {
    Hold(std::shared_ptr<Shared> s, std::string t, std::uint64_t e)
        : shared(std::move(s)), thread(std::move(t)), epoch(e) {}
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() {
      std::lock_guard lock(shared->mutex);
      const auto found = shared->threads.find(thread);
      if (found != shared->threads.end() && found->second.epoch == epoch) found->second.owned = false;
    }
    std::shared_ptr<Shared> shared;
    std::string thread;
    std::uint64_t epoch;
  };

  StoredRun info(std::uint64_t order, const Thread& thread) const {
    StoredRun run = runs.at(order);
    run.owned = thread.owned && thread.latest_run == order;
    return run;
  }
  void change_run(Thread& thread, const std::string& name, const RunChange& change);
  CommitReceipt apply(Thread& thread, CheckpointBatch batch);
};

void MemoryCheckpointer::Shared::change_run(Thread& thread, const std::string& name, const RunChange& change) {
  const auto known = thread.runs.find(change.id);
  if (known != thread.runs.end()) {
    StoredRun& run = runs.at(known->second);
    run.detail = change.detail;
    run.status = change.status;
    run.updated_at = change.at;
    return;
  }
  StoredRun run;
  run.thread = name;
  run.id = change.id;
  run.status = change.status;
  run.detail = change.detail;
  run.started_at = run.updated_at = change.at;
  run.order = last_order + 1;
  runs.emplace(run.order, run);
  try {
    thread.runs.emplace(change.id, run.order);
  } catch (...) {
    runs.erase(run.order);
    throw;
  }
  thread.latest_run = ++last_order;
  thread.stop = false;
}

CommitReceipt MemoryCheckpointer::Shared::apply(Thread& thread, CheckpointBatch batch) {
  CommitReceipt receipt;
  if (!check_records(thread, batch)) {
    // First what may throw: everything is made ready beside the maps, then moved in.
    std::map<std::string, std::map<std::uint64_t, CheckpointRecord>> records;
    std::map<WriteKey, PendingWrite> writes;
    for (CheckpointRecord& r : std::move(batch).records()) {
      thread.spaces.try_emplace(r.ns);
      const std::uint64_t seq = r.seq;
      auto& space = records[r.ns];
      space.emplace(seq, std::move(r));
    }
    for (PendingWrite& w : std::move(batch).writes()) {
      const auto added = records.find(w.ns);
      if (thread.find(w.ns, w.seq) == nullptr && (added == records.end() || !added->second.contains(w.seq)))
        fail(errc::checkpoint_conflict,
             fmt::format("a pending write belongs to checkpoint {}, which is not stored", w.seq), batch.thread());
      WriteKey key(w.ns, w.seq, w.key);
      writes.insert_or_assign(std::move(key), std::move(w));
    }
    std::vector<WriteKey> consumed;
    for (const auto& [ns, seq] : batch.consumed()) {
      const auto [first, last] = thread.writes_of(ns, seq);
      for (auto w = first; w != last; ++w) consumed.push_back(w->first);
    }
    if (batch.run()) change_run(thread, batch.thread(), *batch.run());
    for (const WriteKey& key : consumed) thread.writes.erase(key);
    for (const auto& [key, write] : writes) thread.writes.erase(key);
    thread.writes.merge(writes);
    for (auto& [ns, space] : records) thread.spaces.find(ns)->second.records.merge(space);
  }
  receipt.stop_requested = thread.stop;
  return receipt;
}

MemoryCheckpointer::MemoryCheckpointer() : shared_(std::make_shared<Shared>()) {}
MemoryCheckpointer::~MemoryCheckpointer() = default;

std::shared_ptr<MemoryCheckpointer> memory_checkpointer() { return std::make_shared<MemoryCheckpointer>(); }

asio::awaitable<Lease> MemoryCheckpointer::do_claim(std::string thread, claim_mode mode) {
  std::lock_guard lock(shared_->mutex);
  Thread& t = shared_->threads[thread];
  if (t.owned && mode == claim_mode::if_free)
    fail(errc::thread_busy, "another run has the thread: wait for its end, or stop it", thread);
  // The hold would release at its end: it is complete, or it is not made.
  auto hold = std::make_shared<Shared::Hold>(shared_, thread, shared_->last_epoch + 1);
  t.epoch = ++shared_->last_epoch;
  t.owned = true;
  co_return Lease(std::move(thread), t.epoch, std::move(hold));
}

asio::awaitable<CommitReceipt> MemoryCheckpointer::do_commit(const Lease& lease, CheckpointBatch batch) {
  std::lock_guard lock(shared_->mutex);
  const auto found = shared_->threads.find(lease.thread());
  if (found == shared_->threads.end() || found->second.epoch != lease.epoch())
    fail(errc::thread_fenced, "someone else has taken the thread over: this run must end", lease.thread());
  co_return shared_->apply(found->second, std::move(batch));
}

asio::awaitable<std::optional<CheckpointChain>> MemoryCheckpointer::do_load(std::string thread, std::string ns,
                                                                            std::optional<std::uint64_t> seq) {
  std::lock_guard lock(shared_->mutex);
  const auto found = shared_->threads.find(thread);
  if (found == shared_->threads.end()) co_return std::nullopt;
  const Thread& t = found->second;
  CheckpointChain chain;
  chain.head = t.head(ns);
  const CheckpointRecord* record = t.find(ns, seq.value_or(chain.head.seq));
  if (record == nullptr) co_return std::nullopt;
  const auto [first, last] = t.writes_of(ns, record->seq);
  for (auto w = first; w != last; ++w) chain.writes.push_back(w->second);
  for (;;) {
    chain.records.push_back(*record);
    if (record->snapshot || !record->parent) break;
    record = t.find(ns, record->parent.seq);
    if (record == nullptr) break;
  }
  std::reverse(chain.records.begin(), chain.records.end());
  co_return chain;
}

asio::awaitable<std::vector<CheckpointRecord>> MemoryCheckpointer::do_history(HistoryQuery query) {
  std::lock_guard lock(shared_->mutex);
  std::vector<CheckpointRecord> out;
  const auto thread = shared_->threads.find(query.thread);
  if (thread == shared_->threads.end()) co_return out;
  const auto space = thread->second.spaces.find(query.ns);
  if (space == thread->second.spaces.end()) co_return out;
  const auto& records = space->second.records;
  auto end = query.before == 0 ? records.end() : records.lower_bound(query.before);
  while (end != records.begin() && out.size() < query.limit) {
    const CheckpointRecord& r = (--end)->second;
    if (!query.matches(r)) continue;
    out.push_back(r);
    if (query.bytes) continue;
    out.back().body.clear();
    if (out.back().snapshot) out.back().snapshot->clear();
  }
  co_return out;
}

asio::awaitable<std::vector<StoredThread>> MemoryCheckpointer::do_threads(ThreadQuery query) {
  std::lock_guard lock(shared_->mutex);
  std::vector<StoredThread> out;
  const auto& threads = shared_->threads;
  auto t = query.after < query.prefix ? threads.lower_bound(query.prefix) : threads.upper_bound(query.after);
  for (; t != threads.end() && out.size() < query.limit && t->first.compare(0, query.prefix.size(), query.prefix) == 0;
       ++t) {
    StoredThread info;
    info.thread = t->first;
    info.head = t->second.head("");
    if (!info.head) continue;
    if (t->second.latest_run != 0) info.run = shared_->info(t->second.latest_run, t->second);
    if (query.status && (!info.run || info.run->status != *query.status)) continue;
    info.epoch = t->second.epoch;
    info.owned = t->second.owned;
    info.stop_requested = t->second.stop;
    out.push_back(std::move(info));
  }
  co_return out;
}

asio::awaitable<std::vector<StoredRun>> MemoryCheckpointer::do_runs(RunQuery query) {
  std::lock_guard lock(shared_->mutex);
  std::vector<StoredRun> out;
  const auto& runs = shared_->runs;
  auto end = query.before == 0 ? runs.end() : runs.lower_bound(query.before);
  while (end != runs.begin() && out.size() < query.limit) {
    const StoredRun& run = (--end)->second;
    if ((query.thread && run.thread != *query.thread) || (query.status && run.status != *query.status)) continue;
    out.push_back(shared_->info(run.order, shared_->threads.at(run.thread)));
  }
  co_return out;
}

asio::awaitable<bool> MemoryCheckpointer::do_request_stop(std::string thread) {
  std::lock_guard lock(shared_->mutex);
  const auto found = shared_->threads.find(thread);
  if (found == shared_->threads.end() || found->second.latest_run == 0) co_return false;
  if (shared_->runs.at(found->second.latest_run).status != stored_status::running) co_return false;
  found->second.stop = true;
  co_return true;
}

asio::awaitable<bool> MemoryCheckpointer::do_remove(std::string thread) {
  std::lock_guard lock(shared_->mutex);
  const auto found = shared_->threads.find(thread);
  if (found == shared_->threads.end()) co_return false;
  if (found->second.owned) fail(errc::thread_busy, "a run has the thread: stop it, then remove the thread", thread);
  const bool visible = static_cast<bool>(found->second.head(""));
  for (const auto& run : found->second.runs) shared_->runs.erase(run.second);
  shared_->threads.erase(found);
  co_return visible;
}

asio::awaitable<std::size_t> MemoryCheckpointer::do_prune(std::string thread, PrunePolicy policy) {
  std::lock_guard lock(shared_->mutex);
  std::size_t count = 0;
  const auto found = shared_->threads.find(thread);
  if (found == shared_->threads.end()) co_return count;
  Thread& t = found->second;
  std::set<RunId> with_records;
  for (auto& [ns, space] : t.spaces) {
    std::vector<PruneCandidate> candidates;
    for (const auto& [seq, r] : space.records) {
      PruneCandidate c;
      c.seq = seq;
      c.parent = r.parent.seq;
      c.created_at = r.created_at;
      c.snapshot = r.snapshot.has_value();
      const auto [first, last] = t.writes_of(ns, seq);
      c.pending = first != last;
      candidates.push_back(c);
    }
    for (const std::uint64_t seq : plan_prune(std::move(candidates), policy)) count += space.records.erase(seq);
    for (const auto& [seq, r] : space.records) with_records.insert(r.run);
  }
  for (auto run = t.runs.begin(); run != t.runs.end();) {
    const stored_status status = shared_->runs.at(run->second).status;
    const bool over = status != stored_status::running && status != stored_status::interrupted;
    if (over && run->second != t.latest_run && !with_records.contains(run->first)) {
      shared_->runs.erase(run->second);
      run = t.runs.erase(run);
    } else {
      ++run;
    }
  }
  co_return count;
}

}  // namespace agentflow
