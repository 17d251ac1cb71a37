// SPDX-License-Identifier: MIT
// SyncCheckpointer: a checkpointer for programs without an event loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/checkpointer.hpp>

namespace agentflow {

/// The calls of a `Checkpointer`, each blocking until it is done: for tools, tests and migrations.
///
/// ```cpp
/// af::SyncCheckpointer storage(af::memory_checkpointer());
/// for (const af::StoredRun& run : storage.runs()) std::puts(run.thread.c_str());
/// ```
/// **Errors** Those of `Checkpointer`; `nested_loop_error` on a thread that runs an event loop, before anything is
/// done.
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
/// **Lifetime** Shares the checkpointer.
class AGENTFLOW_API SyncCheckpointer {
 public:
  explicit SyncCheckpointer(std::shared_ptr<Checkpointer> checkpointer);
  ~SyncCheckpointer();

  Lease claim(std::string thread, claim_mode mode = claim_mode::if_free) const;
  CommitReceipt commit(const Lease& lease, CheckpointBatch batch) const;
  std::optional<CheckpointChain> load(std::string thread, std::string ns = {},
                                      std::optional<std::uint64_t> seq = std::nullopt) const;
  CheckpointChain load_id(std::string thread, std::string checkpoint_id) const;
  std::vector<CheckpointRecord> history(HistoryQuery query) const;
  std::vector<StoredThread> threads(ThreadQuery query = {}) const;
  std::optional<StoredThread> thread(std::string name) const;
  std::vector<StoredRun> runs(RunQuery query = {}) const;
  bool request_stop(std::string thread) const;
  CheckpointRef copy(CheckpointChain chain, std::string to_thread) const;
  bool remove(std::string thread) const;
  std::size_t prune(std::string thread, PrunePolicy policy) const;
  void flush() const;

  const std::shared_ptr<Checkpointer>& async() const noexcept { return checkpointer_; }

 private:
  std::shared_ptr<Checkpointer> checkpointer_;
};

}  // namespace agentflow
