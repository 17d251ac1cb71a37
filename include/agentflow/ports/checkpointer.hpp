// SPDX-License-Identifier: MIT
// The Checkpointer port: where runs are stored so that they survive their process.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/core/ids.hpp>
#include <agentflow/ports/checkpoint.hpp>
#include <agentflow/ports/checkpoint_query.hpp>

namespace agentflow {

/// The right to write to a thread. Nobody else has it while this object lives and its process does; the checkpointer
/// keeps it alive by itself. When it is taken over all the same (`claim_mode::take_over`), every later write under this
/// lease is refused: its epoch is too old.
///
/// **Lifetime** Destroying it, or `release`, gives the thread back at once. It may outlive the checkpointer.
class AGENTFLOW_API Lease {
 public:
  /// For those who write a checkpointer: destroying `hold` gives the thread back.
  Lease(std::string thread, std::uint64_t epoch, std::shared_ptr<void> hold) noexcept;
  Lease(Lease&&) noexcept = default;
  Lease& operator=(Lease&&) noexcept = default;
  ~Lease();

  const std::string& thread() const noexcept { return thread_; }
  /// The fencing number: each claim of a thread has a higher one than those before.
  std::uint64_t epoch() const noexcept { return epoch_; }
  bool held() const noexcept { return hold_ != nullptr; }
  const std::shared_ptr<void>& hold() const noexcept { return hold_; }
  void release() noexcept { hold_.reset(); }

 private:
  std::string thread_;
  std::uint64_t epoch_;
  std::shared_ptr<void> hold_;
};

enum class claim_mode {
  if_free,    ///< `thread_busy` when a live owner has it.
  take_over,  ///< Takes it in any case; the owner, if it ever wakes, is fenced. For a process that hangs.
};

/// A change of a run's row. The first one for a run inserts it.
class RunChange {
 public:
  RunChange(RunId run, stored_status s, std::chrono::system_clock::time_point time, std::string line = {})
      : id(run), status(s), at(time), detail(std::move(line)) {}
  RunId id;
  stored_status status;
  std::chrono::system_clock::time_point at;
  std::string detail;
};
static_assert(!std::is_aggregate_v<RunChange>);

/// Everything that one transaction writes. All of it is stored, or nothing.
///
/// ```cpp
/// af::CheckpointBatch batch(lease);
/// af::CheckpointRef ref = batch.add(std::move(record));  // the parent of the next one
/// batch.consume("", record_seq - 1).run(af::RunChange(run, af::stored_status::completed, now));
/// ```
class AGENTFLOW_API CheckpointBatch {
 public:
  explicit CheckpointBatch(const Lease& lease) : thread_(lease.thread()), epoch_(lease.epoch()) {}

  /// Adds a checkpoint, seals it, and gives the ref that its children name as their parent. Usually one; more, oldest
  /// first, when a thread is copied.
  ///
  /// **Errors** `config_error`: a name, number or metadata that is out of its limits.
  CheckpointRef add(CheckpointRecord record);
  /// Adds a pending write. **Errors** As `add`.
  CheckpointBatch& put(PendingWrite write);
  /// Drops the pending writes of the step after checkpoint (ns, seq): they are in a record now.
  CheckpointBatch& consume(std::string ns, std::uint64_t seq);
  /// Changes the status of a run, in the same transaction, so that there is no "finished but running".
  CheckpointBatch& run(RunChange change);

  const std::string& thread() const noexcept { return thread_; }
  std::uint64_t epoch() const noexcept { return epoch_; }
  const std::vector<CheckpointRecord>& records() const& noexcept { return records_; }
  std::vector<CheckpointRecord> records() && noexcept { return std::move(records_); }
  const std::vector<PendingWrite>& writes() const& noexcept { return writes_; }
  std::vector<PendingWrite> writes() && noexcept { return std::move(writes_); }
  const std::vector<std::pair<std::string, std::uint64_t>>& consumed() const noexcept { return consumed_; }
  const std::optional<RunChange>& run() const noexcept { return run_; }

 private:
  std::string thread_;
  std::uint64_t epoch_;
  std::vector<CheckpointRecord> records_;
  std::vector<PendingWrite> writes_;
  std::vector<std::pair<std::string, std::uint64_t>> consumed_;
  std::optional<RunChange> run_;
};
static_assert(!std::is_aggregate_v<CheckpointBatch>);

/// What a commit tells besides having worked.
class CommitReceipt {
 public:
  CommitReceipt() = default;
  bool stop_requested = false;  ///< Somebody, perhaps another process, asked the run to stop.
};
static_assert(!std::is_aggregate_v<CommitReceipt>);

/// Stores checkpoints. `MemoryCheckpointer` and `SqliteCheckpointer` are such; write your own by implementing the nine
/// private functions, and let `tests/conformance/checkpointer_suite.hpp` tell whether it is right.
///
/// A thread is a conversation, or whatever else a run should go on with later: a tree of checkpoints for each
/// namespace. One owner at a time writes to it, under a lease. What reads needs none.
///
/// The public functions check what goes in and what comes out, so every checkpointer refuses the same mistakes and
/// finds the same damage: a load verifies the checksum of each record and that each names its parent's.
///
/// **Errors** `storage_error`, with what to do in the message: thread_busy, thread_fenced, checkpoint_missing,
/// checkpoint_damaged (a `checkpoint_damaged_error`, which names the last good one), checkpoint_conflict,
/// storage_unavailable, storage_version, storage_forked. After any of them nothing was changed, and the object can be
/// used again, also after the storage was repaired. `config_error` for arguments that are out of their limits.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe, from any thread and executor.
///
/// **Cancellation** A call that has begun is carried out; cancelling the coroutine does not stop it, and it returns its
/// result as if nothing had happened. What is acknowledged is stored; a commit abandoned with its event loop may be
/// stored or not, as a whole.
///
/// **Lifetime** The object must live until the call returns, and so must a lease. Other arguments are copied.
///
/// **Complexity/blocking** Never blocks the calling thread for I/O. `commit` costs what it writes and `load` what it
/// gives, whatever the length of the history.
class AGENTFLOW_VISIBLE Checkpointer {
 public:
  virtual ~Checkpointer();

  /// Takes a thread, which need not exist yet. Fails at once when another live owner has it (thread_busy), be it
  /// another process, another object, or this one: claiming twice is no different.
  asio::awaitable<Lease> claim(std::string thread, claim_mode mode = claim_mode::if_free);

  /// Stores a batch in one transaction; when the call returns, it is as durable as this checkpointer makes things.
  ///
  /// A record must have the seq after the newest one of its namespace, or come right after one that does; its parent
  /// must be stored, or come before it (checkpoint_conflict). A batch whose records are stored already, exactly as
  /// they are, is taken for a repetition and changes nothing: so a commit whose outcome is unknown may be repeated.
  asio::awaitable<CommitReceipt> commit(const Lease& lease, CheckpointBatch batch);

  /// Gives a checkpoint with what is needed to rebuild its state: the newest, or that with this seq. Nothing if there
  /// is no such thread, namespace or seq. **Errors** checkpoint_damaged.
  asio::awaitable<std::optional<CheckpointChain>> load(std::string thread, std::string ns = {},
                                                       std::optional<std::uint64_t> seq = std::nullopt);
  /// Gives the checkpoint with this id. **Errors** checkpoint_missing, also when another record has taken its place.
  asio::awaitable<CheckpointChain> load_id(std::string thread, std::string checkpoint_id);

  /// Gives checkpoints of a namespace, newest first. **Errors** checkpoint_damaged.
  asio::awaitable<std::vector<CheckpointRecord>> history(HistoryQuery query);
  asio::awaitable<std::vector<StoredThread>> threads(ThreadQuery query = {});
  /// One thread, if it has a checkpoint.
  asio::awaitable<std::optional<StoredThread>> thread(std::string name);
  asio::awaitable<std::vector<StoredRun>> runs(RunQuery query = {});

  /// Asks the latest run of a thread to stop; false when it is not `running`. Its owner learns of it with the next
  /// commit, or from `thread()`. A later run does not inherit it.
  asio::awaitable<bool> request_stop(std::string thread);

  /// Makes a new thread of what `chain` holds: its records, and what is pending. **Errors** checkpoint_conflict when
  /// the thread has checkpoints already. Gives the ref of its newest one.
  asio::awaitable<CheckpointRef> copy(CheckpointChain chain, std::string to_thread);
  /// Deletes a thread with all that belongs to it; false if there is none. **Errors** thread_busy while it is owned.
  asio::awaitable<bool> remove(std::string thread);
  /// Deletes old checkpoints of a thread and tells how many. May run while the thread is owned.
  asio::awaitable<std::size_t> prune(std::string thread, PrunePolicy policy);
  /// Waits until all that was begun is carried out, also for those who did not wait, and as safe as the storage can
  /// make it. Closing a graph does it; others may use the object meanwhile and afterwards.
  asio::awaitable<void> flush();

 private:
  // What an adapter implements. Names and limits are checked already; see docs/07_writing_a_checkpointer.md.
  virtual asio::awaitable<Lease> do_claim(std::string thread, claim_mode mode) = 0;
  virtual asio::awaitable<CommitReceipt> do_commit(const Lease& lease, CheckpointBatch batch) = 0;
  virtual asio::awaitable<std::optional<CheckpointChain>> do_load(std::string thread, std::string ns,
                                                                  std::optional<std::uint64_t> seq) = 0;
  virtual asio::awaitable<std::vector<CheckpointRecord>> do_history(HistoryQuery query) = 0;
  virtual asio::awaitable<std::vector<StoredThread>> do_threads(ThreadQuery query) = 0;
  virtual asio::awaitable<std::vector<StoredRun>> do_runs(RunQuery query) = 0;
  virtual asio::awaitable<bool> do_request_stop(std::string thread) = 0;
  virtual asio::awaitable<bool> do_remove(std::string thread) = 0;
  virtual asio::awaitable<std::size_t> do_prune(std::string thread, PrunePolicy policy) = 0;
  /// By default nothing: for those whose calls leave nothing to be done.
  virtual asio::awaitable<void> do_flush();

  asio::awaitable<std::string> find_last_good(std::string thread, std::string ns, std::uint64_t below);
};

}  // namespace agentflow
