// SPDX-License-Identifier: MIT
// What every checkpointer has in common: checks of what goes in, verification of what comes out.
#include <agentflow/ports/checkpointer.hpp>

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json_reader.hpp>

#include "core/json_text.hpp"
#include "ports/limits.hpp"

namespace agentflow {
namespace {

constexpr std::size_t max_metadata_keys = 64;
constexpr std::size_t max_metadata_key = 64;
constexpr std::size_t max_detail = 4096;
/// How many older checkpoints are tried when a damaged one is found.
constexpr std::uint64_t max_tries = 1000;

[[noreturn]] void refuse(const std::string& why) { throw config_error(errc::bad_config, why); }

void check_metadata(const std::string& text) {
  if (text.empty()) return;
  const JsonValue document = JsonValue::parse(text);
  const JsonReader in(document);
  if (!in.is_object()) refuse("the metadata of a checkpoint must be a JSON object");
  if (in.size() > max_metadata_keys)
    refuse(fmt::format("the metadata has {} keys; at most {} are stored", in.size(), max_metadata_keys));
  in.for_each_member([](std::string_view key, const JsonReader&) {
    const bool plain = std::all_of(key.begin(), key.end(), [](unsigned char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '.' ||
             c == '-';
    });
    if (key.empty() || key.size() > max_metadata_key || !plain)
      refuse(fmt::format("a key of metadata has 1 to 64 characters out of A-Z a-z 0-9 _ . - (got {})",
                         detail::quoted(key)));
  });
}

ErrorContext at_thread(const std::string& thread) {
  ErrorContext context;
  context.thread_id(thread);
  return context;
}

/// What is wrong with a chain, and from which record on.
struct Damage {
  std::size_t at = 0;
  std::string what;
};

std::optional<Damage> find_damage(const CheckpointChain& chain, const std::string& thread, const std::string& ns,
                                  std::optional<std::uint64_t> seq) {
  const auto& records = chain.records;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const CheckpointRecord& r = records[i];
    if (r.thread != thread || r.ns != ns || !r.whole())
      return Damage{i, fmt::format("checkpoint {} does not have the checksum it was stored with", r.seq)};
    if (i == 0 && !r.snapshot && r.parent)
      return Damage{i, fmt::format("checkpoint {}, the parent of {}, is not there", r.parent.seq, r.seq)};
    if (i > 0 && r.parent != records[i - 1].ref())
      return Damage{i, fmt::format("checkpoint {} is not a child of {}", r.seq, records[i - 1].seq)};
  }
  const CheckpointRecord& tip = chain.tip();
  if (seq ? tip.seq != *seq : tip.ref() != chain.head)
    return Damage{records.size() - 1, fmt::format("checkpoint {} is not there", seq ? *seq : chain.head.seq)};
  for (const PendingWrite& w : chain.writes)
    if (w.thread != thread || w.ns != ns || w.seq != tip.seq || !w.whole())
      return Damage{records.size() - 1, fmt::format("a pending write of checkpoint {} does not have the checksum it "
                                                    "was stored with",
                                                    tip.seq)};
  return std::nullopt;
}

[[noreturn]] void fail_damaged(const std::string& what, std::string last_good, const std::string& thread) {
  const std::string advice = last_good.empty() ? "no older checkpoint is whole; restore the storage from a backup"
                                               : "the last good checkpoint is " + last_good + "; go on from there";
  throw checkpoint_damaged_error(what + "; " + advice, std::move(last_good), at_thread(thread));
}

}  // namespace

Checkpointer::~Checkpointer() = default;

Lease::Lease(std::string thread, std::uint64_t epoch, std::shared_ptr<void> hold) noexcept
    : thread_(std::move(thread)), epoch_(epoch), hold_(std::move(hold)) {}
Lease::~Lease() = default;

CheckpointRef CheckpointBatch::add(CheckpointRecord record) {
  detail::check_ns(record.ns);
  check_metadata(record.metadata);
  detail::check_blob(record.body, "the body of a checkpoint");
  if (record.snapshot) detail::check_blob(*record.snapshot, "the snapshot of a checkpoint");
  if (record.seq == 0 || record.parent.seq >= record.seq)
    refuse(fmt::format("checkpoint {} cannot have {} as its parent: numbers begin at 1 and grow", record.seq,
                       record.parent.seq));
  record.thread = thread_;
  record.epoch = epoch_;
  record.seal();
  records_.push_back(std::move(record));
  return records_.back().ref();
}

CheckpointBatch& CheckpointBatch::put(PendingWrite write) {
  detail::check_ns(write.ns);
  detail::check_name(write.key, "the key of a pending write", 1, detail::max_key_bytes);
  detail::check_blob(write.bytes, "a pending write");
  if (write.seq == 0) refuse("a pending write belongs to a checkpoint: its seq begins at 1");
  write.thread = thread_;
  write.seal();
  writes_.push_back(std::move(write));
  return *this;
}

CheckpointBatch& CheckpointBatch::consume(std::string ns, std::uint64_t seq) {
  consumed_.emplace_back(std::move(ns), seq);
  return *this;
}

CheckpointBatch& CheckpointBatch::run(RunChange change) {
  if (change.id.is_nil()) refuse("a run that is stored needs an id");
  if (change.detail.size() > max_detail) {
    change.detail.resize(max_detail);
    const auto broken = detail::find_invalid_utf8(change.detail);
    if (broken != detail::all_valid) change.detail.resize(broken);
  }
  if (detail::find_invalid_utf8(change.detail) != detail::all_valid) refuse("the detail of a run must be UTF-8");
  change.at = std::chrono::time_point_cast<std::chrono::microseconds>(change.at);
  run_ = std::move(change);
  return *this;
}

asio::awaitable<Lease> Checkpointer::claim(std::string thread, claim_mode mode) {
  detail::check_thread(thread);
  return do_claim(std::move(thread), mode);
}

asio::awaitable<CommitReceipt> Checkpointer::commit(const Lease& lease, CheckpointBatch batch) {
  if (lease.thread() != batch.thread() || lease.epoch() != batch.epoch())
    refuse("a batch is committed under the lease it was made with");
  if (!lease.held())
    throw storage_error(errc::thread_fenced, "the lease was released: claim the thread again",
                        at_thread(lease.thread()));
  return do_commit(lease, std::move(batch));
}

asio::awaitable<std::string> Checkpointer::find_last_good(std::string thread, std::string ns, std::uint64_t below) {
  for (std::uint64_t tries = 0; below > 1 && tries < max_tries; ++tries) {
    --below;
    try {
      const auto chain = co_await do_load(thread, ns, below);
      if (chain && !find_damage(*chain, thread, ns, below)) co_return chain->tip().id();
    } catch (const checkpoint_damaged_error&) {
      // The next older one, then.
    }
  }
  co_return std::string();
}

asio::awaitable<std::optional<CheckpointChain>> Checkpointer::load(std::string thread, std::string ns,
                                                                   std::optional<std::uint64_t> seq) {
  detail::check_thread(thread);
  detail::check_ns(ns);
  std::string what, last_good;
  std::uint64_t below = seq.value_or(0);
  try {
    auto chain = co_await do_load(thread, ns, seq);
    if (!chain) co_return chain;
    auto damage = find_damage(*chain, thread, ns, seq);
    if (!damage) co_return chain;
    what = std::move(damage->what);
    // What comes before it in the chain has been verified; a tip with damaged writes is found by the search.
    if (damage->at > 0) last_good = chain->records[damage->at - 1].id();
    below = chain->records.front().seq;
  } catch (const checkpoint_damaged_error& e) {
    what = e.message();
  }
  if (last_good.empty()) {
    try {
      if (below == 0) {
        HistoryQuery newest(thread);
        newest.ns = ns;
        newest.limit = 1;
        newest.bytes = false;
        const auto found = co_await do_history(std::move(newest));
        if (!found.empty()) below = found.front().seq + 1;
      }
      last_good = co_await find_last_good(thread, ns, below);
    } catch (const checkpoint_damaged_error&) {
      // Then there is none to offer.
    }
  }
  fail_damaged(what, std::move(last_good), thread);
}

asio::awaitable<CheckpointChain> Checkpointer::load_id(std::string thread, std::string checkpoint_id) {
  const auto id = parse_checkpoint_id(checkpoint_id);
  std::optional<CheckpointChain> chain;
  if (id) chain = co_await load(thread, id->ns, id->ref.seq);
  if (!chain || chain->tip().ref() != id->ref)
    throw storage_error(errc::checkpoint_missing,
                        fmt::format("there is no checkpoint {}: it was pruned, or it belongs to another thread",
                                    detail::quoted(checkpoint_id)),
                        at_thread(thread));
  co_return std::move(*chain);
}

asio::awaitable<std::vector<CheckpointRecord>> Checkpointer::history(HistoryQuery query) {
  detail::check_thread(query.thread);
  detail::check_ns(query.ns);
  if (query.limit == 0) refuse("the limit of a history must be at least 1");
  auto records = co_await do_history(query);
  for (const CheckpointRecord& r : records) {
    if (r.thread == query.thread && r.ns == query.ns && r.whole(query.bytes)) continue;
    auto last_good = co_await find_last_good(query.thread, query.ns, r.seq);
    fail_damaged(fmt::format("checkpoint {} does not have the checksum it was stored with", r.seq),
                 std::move(last_good), query.thread);
  }
  co_return records;
}

asio::awaitable<std::vector<StoredThread>> Checkpointer::threads(ThreadQuery query) {
  if (query.limit == 0) refuse("the limit of a list of threads must be at least 1");
  return do_threads(std::move(query));
}

asio::awaitable<std::optional<StoredThread>> Checkpointer::thread(std::string name) {
  detail::check_thread(name);
  // The first one that begins so is the one itself, if it is there.
  ThreadQuery query;
  query.prefix = name;
  query.limit = 1;
  auto found = co_await do_threads(std::move(query));
  if (found.empty() || found.front().thread != name) co_return std::nullopt;
  co_return std::move(found.front());
}

asio::awaitable<std::vector<StoredRun>> Checkpointer::runs(RunQuery query) {
  if (query.thread) detail::check_thread(*query.thread);
  if (query.limit == 0) refuse("the limit of a list of runs must be at least 1");
  return do_runs(std::move(query));
}

asio::awaitable<bool> Checkpointer::request_stop(std::string thread) {
  detail::check_thread(thread);
  return do_request_stop(std::move(thread));
}

asio::awaitable<CheckpointRef> Checkpointer::copy(CheckpointChain chain, std::string to_thread) {
  if (chain.records.empty()) refuse("a copy needs at least one checkpoint");
  const Lease lease = co_await claim(to_thread);
  const auto existing = co_await thread(to_thread);
  if (existing)
    throw storage_error(errc::checkpoint_conflict, "the thread has checkpoints already: copy to a new one",
                        at_thread(to_thread));
  CheckpointBatch batch(lease);
  CheckpointRef last;
  for (CheckpointRecord& record : chain.records) {
    if (!last) record.kind = checkpoint_kind::fork;
    record.seq = last.seq + 1;
    record.parent = last;
    last = batch.add(std::move(record));
  }
  for (PendingWrite& write : chain.writes) {
    write.seq = last.seq;
    batch.put(std::move(write));
  }
  co_await commit(lease, std::move(batch));
  co_return last;
}

asio::awaitable<bool> Checkpointer::remove(std::string thread) {
  detail::check_thread(thread);
  return do_remove(std::move(thread));
}

asio::awaitable<std::size_t> Checkpointer::prune(std::string thread, PrunePolicy policy) {
  detail::check_thread(thread);
  if (!policy.keep && !policy.since) refuse("a prune needs keep_last or keep_since");
  return do_prune(std::move(thread), std::move(policy));
}

asio::awaitable<void> Checkpointer::flush() { return do_flush(); }
asio::awaitable<void> Checkpointer::do_flush() { co_return; }

}  // namespace agentflow
