// SPDX-License-Identifier: MIT
// Blocking calls of a store.
#include <agentflow/ports/sync_store.hpp>

#include <utility>

#include <agentflow/core/error.hpp>

#include "async/run_sync.hpp"

namespace agentflow {
namespace {

template <class F>
auto run(const char* call, F make) {
  return detail::run_sync(std::string("SyncStore::") + call, std::string("co_await Store::") + call, std::move(make));
}

}  // namespace

SyncStore::SyncStore(std::shared_ptr<Store> store) : store_(std::move(store)) {
  if (!store_) throw config_error(errc::bad_config, "SyncStore needs a store, not null");
}
SyncStore::~SyncStore() = default;

std::optional<StoreItem> SyncStore::get(StoreNamespace ns, std::string key) const {
  return run("get", [&] { return store_->get(std::move(ns), std::move(key)); });
}
bool SyncStore::put(StoreNamespace ns, std::string key, JsonValue value, PutOptions options) const {
  return run("put", [&] { return store_->put(std::move(ns), std::move(key), std::move(value), std::move(options)); });
}
bool SyncStore::erase(StoreNamespace ns, std::string key) const {
  return run("erase", [&] { return store_->erase(std::move(ns), std::move(key)); });
}
std::vector<StoreItem> SyncStore::search(StoreQuery query) const {
  return run("search", [&] { return store_->search(std::move(query)); });
}
std::vector<StoreNamespace> SyncStore::namespaces(NamespaceQuery query) const {
  return run("namespaces", [&] { return store_->namespaces(std::move(query)); });
}
std::size_t SyncStore::sweep() const {
  return run("sweep", [&] { return store_->sweep(); });
}
void SyncStore::flush() const {
  run("flush", [&] { return store_->flush(); });
}

}  // namespace agentflow
