// SPDX-License-Identifier: MIT
// What a checkpointer is meant to do, in the plainest words: linear searches over lists. The suite compares with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <agentflow/core/error.hpp>
#include <agentflow/ports/checkpointer.hpp>

namespace agentflow::conformance {

/// Takes the same calls as a checkpointer, and gives an `errc` where that throws.
class CheckpointerModel {
 public:
  struct Owner {
    std::string thread;
    std::uint64_t epoch = 0;
  };

  std::optional<errc> claim(const std::string& thread, claim_mode mode, std::uint64_t epoch) {
    if (owner(thread) != nullptr && mode == claim_mode::if_free) return errc::thread_busy;
    std::erase_if(owners, [&](const Owner& o) { return o.thread == thread; });
    Owner o;
    o.thread = thread;
    o.epoch = epoch;
    owners.push_back(o);
    std::erase_if(epochs, [&](const Owner& e) { return e.thread == thread; });
    epochs.push_back(o);
    return std::nullopt;
  }
  void release(const std::string& thread, std::uint64_t epoch) {
    std::erase_if(owners, [&](const Owner& o) { return o.thread == thread && o.epoch == epoch; });
  }

  std::optional<errc> commit(const CheckpointBatch& batch) {
    const bool current = std::any_of(epochs.begin(), epochs.end(), [&](const Owner& o) {
      return o.thread == batch.thread() && o.epoch == batch.epoch();
    });
    if (!current) return errc::thread_fenced;
    bool repeated = !batch.records().empty();
    for (const auto& r : batch.records()) {
      const auto* old = find(r.thread, r.ns, r.seq);
      repeated = repeated && old != nullptr && old->sum == r.sum;
    }
    if (repeated) return std::nullopt;
    auto all = records;
    for (const auto& r : batch.records()) {
      if (r.seq != head_of(all, r.thread, r.ns).seq + 1) return errc::checkpoint_conflict;
      if (r.parent && std::none_of(all.begin(), all.end(), [&](const auto& p) {
            return p.thread == r.thread && p.ns == r.ns && p.ref() == r.parent;
          }))
        return errc::checkpoint_conflict;
      all.push_back(r);
    }
    for (const auto& w : batch.writes())
      if (std::none_of(all.begin(), all.end(),
                       [&](const auto& r) { return r.thread == w.thread && r.ns == w.ns && r.seq == w.seq; }))
        return errc::checkpoint_conflict;
    records = std::move(all);
    for (const auto& c : batch.consumed())
      std::erase_if(writes, [&](const PendingWrite& w) {
        return w.thread == batch.thread() && w.ns == c.first && w.seq == c.second;
      });
    for (const auto& w : batch.writes()) {
      std::erase_if(writes, [&](const PendingWrite& o) {
        return o.thread == w.thread && o.ns == w.ns && o.seq == w.seq && o.key == w.key;
      });
      writes.push_back(w);
    }
    if (batch.run()) change(batch.thread(), *batch.run());
    return std::nullopt;
  }

  std::optional<CheckpointChain> load(const std::string& thread, const std::string& ns,
                                      std::optional<std::uint64_t> seq) const {
    CheckpointChain chain;
    chain.head = head_of(records, thread, ns);
    const CheckpointRecord* r = find(thread, ns, seq.value_or(chain.head.seq));
    if (r == nullptr) return std::nullopt;
    for (const auto& w : writes)
      if (w.thread == thread && w.ns == ns && w.seq == r->seq) chain.writes.push_back(w);
    std::sort(chain.writes.begin(), chain.writes.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    for (; r != nullptr; r = find(thread, ns, r->parent.seq)) {
      chain.records.insert(chain.records.begin(), *r);
      if (r->snapshot) break;
    }
    return chain;
  }

  std::vector<CheckpointRecord> history(const HistoryQuery& q) const {
    std::vector<CheckpointRecord> out;
    for (const auto& r : records)
      if (r.thread == q.thread && r.ns == q.ns && (q.before == 0 || r.seq < q.before) && q.matches(r)) out.push_back(r);
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.seq > b.seq; });
    if (out.size() > q.limit) out.resize(q.limit);
    return out;
  }

  bool request_stop(const std::string& thread) {
    StoredRun* run = latest(thread);
    if (run == nullptr || run->status != stored_status::running) return false;
    if (!stopping(thread)) stops.push_back(thread);
    return true;
  }

  std::optional<errc> remove(const std::string& thread, bool& removed) {
    if (owner(thread) != nullptr) return errc::thread_busy;
    removed = static_cast<bool>(head_of(records, thread, ""));
    std::erase_if(records, [&](const auto& r) { return r.thread == thread; });
    std::erase_if(writes, [&](const auto& w) { return w.thread == thread; });
    std::erase_if(runs, [&](const auto& r) { return r.thread == thread; });
    std::erase_if(epochs, [&](const auto& o) { return o.thread == thread; });
    std::erase(stops, thread);
    return std::nullopt;
  }

  /// Keeps what the policy keeps by itself, then what that needs, and so on until nothing is added.
  std::size_t prune(const std::string& thread, const PrunePolicy& policy) {
    std::vector<const CheckpointRecord*> kept;
    const auto keep = [&](const CheckpointRecord* r) {
      if (r == nullptr || std::find(kept.begin(), kept.end(), r) != kept.end()) return false;
      kept.push_back(r);
      return true;
    };
    for (const auto& r : records) {
      if (r.thread != thread) continue;
      const auto newer = std::count_if(records.begin(), records.end(), [&](const auto& o) {
        return o.thread == thread && o.ns == r.ns && o.seq > r.seq;
      });
      const bool pending = std::any_of(writes.begin(), writes.end(), [&](const auto& w) {
        return w.thread == thread && w.ns == r.ns && w.seq == r.seq;
      });
      if (newer == 0 || pending || (policy.keep && static_cast<std::size_t>(newer) < *policy.keep) ||
          (policy.since && r.created_at >= *policy.since))
        keep(&r);
    }
    for (std::size_t i = 0; i < kept.size(); ++i)
      if (!kept[i]->snapshot) keep(find(thread, kept[i]->ns, kept[i]->parent.seq));
    std::vector<CheckpointRecord> left;
    for (const auto& r : records)
      if (r.thread != thread || std::find(kept.begin(), kept.end(), &r) != kept.end()) left.push_back(r);
    const std::size_t gone = records.size() - left.size();
    records = std::move(left);
    const std::uint64_t newest = latest(thread) != nullptr ? latest(thread)->order : 0;
    std::erase_if(runs, [&](const StoredRun& run) {
      return run.thread == thread && run.order != newest && run.status != stored_status::running &&
             run.status != stored_status::interrupted &&
             std::none_of(records.begin(), records.end(),
                          [&](const auto& r) { return r.thread == thread && r.run == run.id; });
    });
    return gone;
  }

  StoredRun* latest(const std::string& thread) {
    StoredRun* found = nullptr;
    for (StoredRun& run : runs)
      if (run.thread == thread) found = &run;
    return found;
  }
  const Owner* owner(const std::string& thread) const {
    for (const Owner& o : owners)
      if (o.thread == thread) return &o;
    return nullptr;
  }
  bool stopping(const std::string& thread) const {
    return std::find(stops.begin(), stops.end(), thread) != stops.end();
  }
  CheckpointRef head(const std::string& thread, const std::string& ns) const { return head_of(records, thread, ns); }

  std::vector<CheckpointRecord> records;
  std::vector<PendingWrite> writes;
  std::vector<StoredRun> runs;  // in the order in which they were accepted
  std::vector<Owner> owners;    // who holds a thread
  std::vector<Owner> epochs;    // the epoch that may write, held or not
  std::vector<std::string> stops;

 private:
  const CheckpointRecord* find(const std::string& thread, const std::string& ns, std::uint64_t seq) const {
    for (const auto& r : records)
      if (r.thread == thread && r.ns == ns && r.seq == seq) return &r;
    return nullptr;
  }
  static CheckpointRef head_of(const std::vector<CheckpointRecord>& records, const std::string& thread,
                               const std::string& ns) {
    CheckpointRef head;
    for (const auto& r : records)
      if (r.thread == thread && r.ns == ns && r.seq > head.seq) head = r.ref();
    return head;
  }
  void change(const std::string& thread, const RunChange& change) {
    for (StoredRun& run : runs) {
      if (run.thread != thread || run.id != change.id) continue;
      run.status = change.status;
      run.detail = change.detail;
      run.updated_at = change.at;
      return;
    }
    StoredRun run;
    run.thread = thread;
    run.id = change.id;
    run.status = change.status;
    run.detail = change.detail;
    run.started_at = run.updated_at = change.at;
    run.order = ++orders_;
    runs.push_back(run);
    std::erase(stops, thread);
  }
  std::uint64_t orders_ = 0;
};

}  // namespace agentflow::conformance
