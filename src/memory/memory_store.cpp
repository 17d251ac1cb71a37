// SPDX-License-Identifier: MIT
// The store in memory.
#include <agentflow/memory/memory_store.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

namespace agentflow {

struct MemoryStore::Impl {
  using Time = std::chrono::system_clock::time_point;

  Time now() const { return std::chrono::time_point_cast<std::chrono::microseconds>(clock->wall_now()); }
  static bool alive(const StoreItem& item, Time at) { return !item.expires_at || *item.expires_at > at; }

  /// Calls `fn` for each item below the prefix that has not expired, in order.
  template <class F>
  void each(const StoreNamespace& prefix, F fn) const {
    const Time at = now();
    const std::string start = encode_namespace(prefix);
    for (auto i = items.lower_bound({start, ""}); i != items.end(); ++i) {
      if (i->first.first.compare(0, start.size(), start) != 0) break;
      if (alive(i->second, at)) fn(i->second);
    }
  }

  std::shared_ptr<Clock> clock;
  mutable std::mutex mutex;
  std::map<std::pair<std::string, std::string>, StoreItem> items;  // by encoded namespace and key
};

MemoryStore::MemoryStore(std::shared_ptr<Clock> clock) : impl_(std::make_unique<Impl>()) {
  impl_->clock = clock ? std::move(clock) : Clock::system();
}
MemoryStore::~MemoryStore() = default;

std::shared_ptr<MemoryStore> memory_store(std::shared_ptr<Clock> clock) {
  return std::make_shared<MemoryStore>(std::move(clock));
}

asio::awaitable<std::optional<StoreItem>> MemoryStore::do_get(StoreNamespace ns, std::string key) {
  std::lock_guard lock(impl_->mutex);
  const std::pair place(encode_namespace(ns), std::move(key));
  const auto found = impl_->items.find(place);
  if (found == impl_->items.end() || !Impl::alive(found->second, impl_->now())) co_return std::nullopt;
  co_return found->second;
}

asio::awaitable<bool> MemoryStore::do_put(StoreNamespace ns, std::string key, JsonValue value, PutOptions options) {
  std::lock_guard lock(impl_->mutex);
  const auto now = impl_->now();
  std::pair place(encode_namespace(ns), key);
  StoreItem item;
  item.ns = std::move(ns);
  item.key = std::move(key);
  item.value = std::move(value);
  item.created_at = item.updated_at = now;
  if (options.ttl()) item.expires_at = now + std::chrono::duration_cast<std::chrono::microseconds>(*options.ttl());
  item.embedding = options.embedding();
  const auto [at, added] = impl_->items.try_emplace(std::move(place));
  const bool fresh = added || !Impl::alive(at->second, now);
  if (!fresh) item.created_at = at->second.created_at;
  at->second = std::move(item);
  co_return fresh;
}

asio::awaitable<bool> MemoryStore::do_erase(StoreNamespace ns, std::string key) {
  std::lock_guard lock(impl_->mutex);
  const std::pair place(encode_namespace(ns), std::move(key));
  const auto found = impl_->items.find(place);
  if (found == impl_->items.end()) co_return false;
  const bool was_alive = Impl::alive(found->second, impl_->now());
  impl_->items.erase(found);
  co_return was_alive;
}

asio::awaitable<std::vector<StoreItem>> MemoryStore::do_search(StoreQuery query) {
  std::lock_guard lock(impl_->mutex);
  std::vector<StoreItem> candidates;
  impl_->each(query.prefix(), [&](const StoreItem& item) {
    if (query.matches(item.value)) candidates.push_back(item);
  });
  co_return query.page(std::move(candidates));
}

asio::awaitable<std::vector<StoreNamespace>> MemoryStore::do_namespaces(NamespaceQuery query) {
  std::lock_guard lock(impl_->mutex);
  std::vector<StoreNamespace> out;
  std::size_t skip = query.offset;
  StoreNamespace last;
  impl_->each(query.prefix, [&](const StoreItem& item) {
    StoreNamespace ns = item.ns;
    if (query.max_depth != 0 && ns.size() > query.max_depth) ns.resize(query.max_depth);
    if (ns == last) return;
    last = ns;
    if (skip > 0)
      --skip;
    else if (out.size() < query.limit)
      out.push_back(std::move(ns));
  });
  co_return out;
}

asio::awaitable<std::size_t> MemoryStore::do_sweep() {
  std::lock_guard lock(impl_->mutex);
  const auto now = impl_->now();
  co_return std::erase_if(impl_->items, [&](const auto& entry) { return !Impl::alive(entry.second, now); });
}

}  // namespace agentflow
