// SPDX-License-Identifier: MIT
// Blocking calls of a checkpointer.
#include <agentflow/ports/sync_checkpointer.hpp>

#include <utility>

#include <agentflow/core/error.hpp>

#include "async/run_sync.hpp"

namespace agentflow {
namespace {

template <class F>
auto run(const char* call, F make) {
  return detail::run_sync(std::string("SyncCheckpointer::") + call, std::string("co_await Checkpointer::") + call,
                          std::move(make));
}

}  // namespace

SyncCheckpointer::SyncCheckpointer(std::shared_ptr<Checkpointer> checkpointer)
    : checkpointer_(std::move(checkpointer)) {
  if (!checkpointer_) throw config_error(errc::bad_config, "SyncCheckpointer needs a checkpointer, not null");
}
SyncCheckpointer::~SyncCheckpointer() = default;

Lease SyncCheckpointer::claim(std::string thread, claim_mode mode) const {
  return run("claim", [&] { return checkpointer_->claim(std::move(thread), mode); });
}
CommitReceipt SyncCheckpointer::commit(const Lease& lease, CheckpointBatch batch) const {
  return run("commit", [&] { return checkpointer_->commit(lease, std::move(batch)); });
}
std::optional<CheckpointChain> SyncCheckpointer::load(std::string thread, std::string ns,
                                                      std::optional<std::uint64_t> seq) const {
  return run("load", [&] { return checkpointer_->load(std::move(thread), std::move(ns), seq); });
}
CheckpointChain SyncCheckpointer::load_id(std::string thread, std::string checkpoint_id) const {
  return run("load_id", [&] { return checkpointer_->load_id(std::move(thread), std::move(checkpoint_id)); });
}
std::vector<CheckpointRecord> SyncCheckpointer::history(HistoryQuery query) const {
  return run("history", [&] { return checkpointer_->history(std::move(query)); });
}
std::vector<StoredThread> SyncCheckpointer::threads(ThreadQuery query) const {
  return run("threads", [&] { return checkpointer_->threads(std::move(query)); });
}
std::optional<StoredThread> SyncCheckpointer::thread(std::string name) const {
  return run("thread", [&] { return checkpointer_->thread(std::move(name)); });
}
std::vector<StoredRun> SyncCheckpointer::runs(RunQuery query) const {
  return run("runs", [&] { return checkpointer_->runs(std::move(query)); });
}
bool SyncCheckpointer::request_stop(std::string thread) const {
  return run("request_stop", [&] { return checkpointer_->request_stop(std::move(thread)); });
}
CheckpointRef SyncCheckpointer::copy(CheckpointChain chain, std::string to_thread) const {
  return run("copy", [&] { return checkpointer_->copy(std::move(chain), std::move(to_thread)); });
}
bool SyncCheckpointer::remove(std::string thread) const {
  return run("remove", [&] { return checkpointer_->remove(std::move(thread)); });
}
std::size_t SyncCheckpointer::prune(std::string thread, PrunePolicy policy) const {
  return run("prune", [&] { return checkpointer_->prune(std::move(thread), std::move(policy)); });
}
void SyncCheckpointer::flush() const {
  run("flush", [&] { return checkpointer_->flush(); });
}

}  // namespace agentflow
