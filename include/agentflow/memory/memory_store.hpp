// SPDX-License-Identifier: MIT
// MemoryStore: items for as long as the process lives.
#pragma once

#include <memory>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/ports/store.hpp>

namespace agentflow {

/// Keeps items in memory. Every call completes at once, without suspending. Searches by likeness are exact.
///
/// **Thread safety** As `Store`.
class AGENTFLOW_API MemoryStore final : public Store {
 public:
  /// The wall time of the clock says what has expired; null: the system's.
  explicit MemoryStore(std::shared_ptr<Clock> clock = nullptr);
  ~MemoryStore() override;
  bool has_vectors() const noexcept override { return true; }

 private:
  struct Impl;

  asio::awaitable<std::optional<StoreItem>> do_get(StoreNamespace ns, std::string key) override;
  asio::awaitable<bool> do_put(StoreNamespace ns, std::string key, JsonValue value, PutOptions options) override;
  asio::awaitable<bool> do_erase(StoreNamespace ns, std::string key) override;
  asio::awaitable<std::vector<StoreItem>> do_search(StoreQuery query) override;
  asio::awaitable<std::vector<StoreNamespace>> do_namespaces(NamespaceQuery query) override;
  asio::awaitable<std::size_t> do_sweep() override;

  std::unique_ptr<Impl> impl_;
};

/// Makes a `MemoryStore`.
AGENTFLOW_API std::shared_ptr<MemoryStore> memory_store(std::shared_ptr<Clock> clock = nullptr);

}  // namespace agentflow
