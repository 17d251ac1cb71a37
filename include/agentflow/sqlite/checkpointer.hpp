// SPDX-License-Identifier: MIT
// SqliteCheckpointer: checkpoints in a file, the embedded default.
#pragma once

#include <memory>
#include <string>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/ports/checkpointer.hpp>
#include <agentflow/sqlite/options.hpp>

namespace agentflow {

/// Keeps checkpoints in a SQLite database (WAL mode), with one connection on a thread of its own. Commits that come
/// while another is being written share the next transaction, and so its wait for the disk.
///
/// Several processes may have the file open: each thread belongs to one of them. Ownership is a lock on a byte of the
/// file "<path>-owners", which the kernel frees when the process ends, however it ends; no clock is involved. The epoch
/// fences owners that were displaced by `claim_mode::take_over`.
///
/// **Errors** As `Checkpointer`. A full, locked, read-only or failing disk is storage_unavailable; a damaged file
/// checkpoint_damaged; a newer or foreign one storage_version; use in a forked child storage_forked.
/// **Thread safety** As `Checkpointer`.
/// **Lifetime** Destroying it finishes what was begun, then closes the file. In a forked child it does nothing.
/// **Units/limits** The file must be on a local disk: SQLite's locks do not work over a network. Open it at no other
/// place of the process, other than through SQLite: closing it there would drop SQLite's locks.
/// **Complexity/blocking** Construction and destruction block for I/O; the calls do not.
class AGENTFLOW_API SqliteCheckpointer final : public Checkpointer {
 public:
  /// Opens the file, or makes it with mode 0600, and brings its tables up to date in one transaction.
  explicit SqliteCheckpointer(std::string path, SqliteOptions options = {});
  ~SqliteCheckpointer() override;

  /// What a person wants to know: versions, modes, sizes and counts, as a JSON object.
  /// **Complexity/blocking** Counts rows: takes a while with millions of them.
  asio::awaitable<JsonValue> diagnostics();

 private:
  struct Impl;

  asio::awaitable<Lease> do_claim(std::string thread, claim_mode mode) override;
  asio::awaitable<CommitReceipt> do_commit(const Lease& lease, CheckpointBatch batch) override;
  asio::awaitable<std::optional<CheckpointChain>> do_load(std::string thread, std::string ns,
                                                          std::optional<std::uint64_t> seq) override;
  asio::awaitable<std::vector<CheckpointRecord>> do_history(HistoryQuery query) override;
  asio::awaitable<std::vector<StoredThread>> do_threads(ThreadQuery query) override;
  asio::awaitable<std::vector<StoredRun>> do_runs(RunQuery query) override;
  asio::awaitable<bool> do_request_stop(std::string thread) override;
  asio::awaitable<bool> do_remove(std::string thread) override;
  asio::awaitable<std::size_t> do_prune(std::string thread, PrunePolicy policy) override;
  asio::awaitable<void> do_flush() override;

  std::unique_ptr<Impl> impl_;
};

/// Opens a `SqliteCheckpointer`: `compile(af::CompileOptions().checkpointer(af::sqlite("agent.db")))`.
AGENTFLOW_API std::shared_ptr<SqliteCheckpointer> sqlite(std::string path, SqliteOptions options = {});

}  // namespace agentflow
