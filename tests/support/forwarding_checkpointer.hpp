// SPDX-License-Identifier: MIT
// Hands every call on to another checkpointer; a test overrides those that it wants to see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/ports/checkpointer.hpp>
#include <asio/awaitable.hpp>

namespace support {

class ForwardingCheckpointer : public agentflow::Checkpointer {
 public:
  explicit ForwardingCheckpointer(std::shared_ptr<agentflow::Checkpointer> inner) : inner_(std::move(inner)) {}

 protected:
  agentflow::Checkpointer& inner() const noexcept { return *inner_; }

  asio::awaitable<agentflow::Lease> do_claim(std::string thread, agentflow::claim_mode mode) override {
    return inner().claim(std::move(thread), mode);
  }
  asio::awaitable<agentflow::CommitReceipt> do_commit(const agentflow::Lease& lease,
                                                      agentflow::CheckpointBatch batch) override {
    return inner().commit(lease, std::move(batch));
  }
  asio::awaitable<std::optional<agentflow::CheckpointChain>> do_load(std::string thread, std::string ns,
                                                                     std::optional<std::uint64_t> seq) override {
    return inner().load(std::move(thread), std::move(ns), seq);
  }
  asio::awaitable<std::vector<agentflow::CheckpointRecord>> do_history(agentflow::HistoryQuery query) override {
    return inner().history(std::move(query));
  }
  asio::awaitable<std::vector<agentflow::StoredThread>> do_threads(agentflow::ThreadQuery query) override {
    return inner().threads(std::move(query));
  }
  asio::awaitable<std::vector<agentflow::StoredRun>> do_runs(agentflow::RunQuery query) override {
    return inner().runs(std::move(query));
  }
  asio::awaitable<bool> do_request_stop(std::string thread) override { return inner().request_stop(std::move(thread)); }
  asio::awaitable<bool> do_remove(std::string thread) override { return inner().remove(std::move(thread)); }
  asio::awaitable<std::size_t> do_prune(std::string thread, agentflow::PrunePolicy policy) override {
    return inner().prune(std::move(thread), std::move(policy));
  }
  asio::awaitable<void> do_flush() override { return inner().flush(); }

 private:
  std::shared_ptr<agentflow::Checkpointer> inner_;
};

}  // namespace support
