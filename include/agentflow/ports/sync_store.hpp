// SPDX-License-Identifier: MIT
// SyncStore: a store for programs without an event loop.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/store.hpp>

namespace agentflow {

/// The calls of a `Store`, each blocking until it is done.
///
/// **Errors** Those of `Store`; `nested_loop_error` on a thread that runs an event loop, before anything is done.
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
/// **Lifetime** Shares the store.
class AGENTFLOW_API SyncStore {
 public:
  explicit SyncStore(std::shared_ptr<Store> store);
  ~SyncStore();

  std::optional<StoreItem> get(StoreNamespace ns, std::string key) const;
  bool put(StoreNamespace ns, std::string key, JsonValue value, PutOptions options = {}) const;
  bool erase(StoreNamespace ns, std::string key) const;
  std::vector<StoreItem> search(StoreQuery query) const;
  std::vector<StoreNamespace> namespaces(NamespaceQuery query = {}) const;
  std::size_t sweep() const;
  void flush() const;

  const std::shared_ptr<Store>& async() const noexcept { return store_; }

 private:
  std::shared_ptr<Store> store_;
};

}  // namespace agentflow
