// SPDX-License-Identifier: MIT
// MemoryCheckpointer: checkpoints for as long as the process lives.
#pragma once

#include <memory>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/checkpointer.hpp>

namespace agentflow {

/// Keeps checkpoints in memory: for tests, for interrupts and time travel without a disk, for programs whose runs need
/// not outlive them. Every call completes at once, without suspending.
///
/// **Thread safety** As `Checkpointer`. One mutex guards it all and is never held while foreign code runs.
/// **Units/limits** Whatever fits into memory; see `Checkpointer::prune`.
class AGENTFLOW_API MemoryCheckpointer final : public Checkpointer {
 public:
  MemoryCheckpointer();
  ~MemoryCheckpointer() override;

 private:
  struct Shared;

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

  std::shared_ptr<Shared> shared_;
};

/// Makes a `MemoryCheckpointer`.
AGENTFLOW_API std::shared_ptr<MemoryCheckpointer> memory_checkpointer();

}  // namespace agentflow
