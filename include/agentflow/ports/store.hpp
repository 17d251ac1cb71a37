// SPDX-License-Identifier: MIT
// The Store port: what agents remember beyond one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_value.hpp>

namespace agentflow {

/// Where an item is kept, from the general to the particular: {"users", "alice", "notes"}.
///
/// **Units/limits** 1 to 32 names of 1 to 255 bytes, together at most 1,024; UTF-8 without control characters.
using StoreNamespace = std::vector<std::string>;

/// Something that is remembered.
class StoreItem {
 public:
  StoreItem() = default;
  StoreNamespace ns;
  std::string key;
  JsonValue value;
  std::chrono::system_clock::time_point created_at, updated_at;     ///< To the microsecond.
  std::optional<std::chrono::system_clock::time_point> expires_at;  ///< From then on it is not there.
  std::vector<float> embedding;                                     ///< Empty: searches by likeness pass it over.
  double score = 0;  ///< How alike it is: the cosine, -1 to 1. Only in the answer of a search with `near`.
};
static_assert(!std::is_aggregate_v<StoreItem>);

/// How an item is kept.
class PutOptions {
 public:
  PutOptions() = default;
  /// Forgets the item after this time; at least a microsecond. Default: never. Each put begins anew.
  PutOptions& ttl(std::chrono::nanoseconds time) {
    ttl_ = time;
    return *this;
  }
  /// A vector that says what the item is about, for `StoreQuery::near`. 1 to 65,536 finite numbers, not all of them 0.
  PutOptions& embedding(std::vector<float> vector) {
    embedding_ = std::move(vector);
    return *this;
  }
  const std::optional<std::chrono::nanoseconds>& ttl() const noexcept { return ttl_; }
  const std::vector<float>& embedding() const noexcept { return embedding_; }

 private:
  std::optional<std::chrono::nanoseconds> ttl_;
  std::vector<float> embedding_;
};
static_assert(!std::is_aggregate_v<PutOptions>);

/// Asks for items below a namespace, in the order of namespace and key, or of likeness.
class AGENTFLOW_API StoreQuery {
 public:
  explicit StoreQuery(StoreNamespace prefix = {}) : prefix_(std::move(prefix)) {}
  /// Only items whose value is an object with this member. Several: all of them.
  StoreQuery& where(std::string member, JsonValue equals);
  /// Orders by likeness to this vector, best first; only items with an embedding of the same length.
  StoreQuery& near(std::vector<float> vector);
  /// Default: 10.
  StoreQuery& limit(std::size_t count);
  StoreQuery& offset(std::size_t count);

  const StoreNamespace& prefix() const noexcept { return prefix_; }
  const std::vector<float>& near() const noexcept { return near_; }
  std::size_t limit() const noexcept { return limit_; }
  std::size_t offset() const noexcept { return offset_; }

  /// Whether an item has all members asked for; for those who write a store.
  bool matches(const JsonValue& value) const;
  /// Orders candidates, sets their scores and cuts out the page; for those who write a store.
  std::vector<StoreItem> page(std::vector<StoreItem> candidates) const;

 private:
  StoreNamespace prefix_;
  std::vector<std::pair<std::string, JsonValue>> where_;
  std::vector<float> near_;
  std::size_t limit_ = 10, offset_ = 0;
};
static_assert(!std::is_aggregate_v<StoreQuery>);

/// Asks for the namespaces that hold something, in order.
class NamespaceQuery {
 public:
  NamespaceQuery() = default;
  StoreNamespace prefix;
  std::size_t max_depth = 0;  ///< Cuts longer ones to so many names, each result once; 0: does not.
  std::size_t limit = 100, offset = 0;
};
static_assert(!std::is_aggregate_v<NamespaceQuery>);

/// Keeps JSON values under namespaces and keys, for longer than a run or a thread: preferences, facts, documents.
/// `MemoryStore` and `SqliteStore` are such; write your own by implementing the private functions, and let
/// `tests/conformance/store_suite.hpp` tell whether it is right.
///
/// **Errors** `storage_error` as described at `Checkpointer`; `config_error` for names, keys, values and options that
/// are out of their limits, and for vectors where the store has none.
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
/// **Cancellation** A call that has begun is carried out.
/// **Lifetime** The object must live until the call returns. Arguments are copied.
/// **Units/limits** Keys have 1 to 1,024 bytes, UTF-8 without control characters; values at most 16 MiB as text.
/// **Complexity/blocking** Never blocks the calling thread for I/O. A search looks at every item below its prefix.
class AGENTFLOW_VISIBLE Store {
 public:
  virtual ~Store();

  asio::awaitable<std::optional<StoreItem>> get(StoreNamespace ns, std::string key);
  /// Keeps a value, in place of what had the key before; true if there was nothing.
  asio::awaitable<bool> put(StoreNamespace ns, std::string key, JsonValue value, PutOptions options = {});
  /// Forgets an item; false if there is none.
  asio::awaitable<bool> erase(StoreNamespace ns, std::string key);
  asio::awaitable<std::vector<StoreItem>> search(StoreQuery query);
  asio::awaitable<std::vector<StoreNamespace>> namespaces(NamespaceQuery query = {});
  /// Frees the room of items that have expired, and tells how many.
  asio::awaitable<std::size_t> sweep();
  /// Waits until all that was begun is carried out, as `Checkpointer::flush`.
  asio::awaitable<void> flush();

  /// Whether items may have embeddings and searches use `near`.
  virtual bool has_vectors() const noexcept = 0;

 private:
  // What an adapter implements. Everything is checked already. Items that have expired count as absent.
  virtual asio::awaitable<std::optional<StoreItem>> do_get(StoreNamespace ns, std::string key) = 0;
  /// True if the key is new.
  virtual asio::awaitable<bool> do_put(StoreNamespace ns, std::string key, JsonValue value, PutOptions options) = 0;
  virtual asio::awaitable<bool> do_erase(StoreNamespace ns, std::string key) = 0;
  virtual asio::awaitable<std::vector<StoreItem>> do_search(StoreQuery query) = 0;
  virtual asio::awaitable<std::vector<StoreNamespace>> do_namespaces(NamespaceQuery query) = 0;
  virtual asio::awaitable<std::size_t> do_sweep() = 0;
  /// By default nothing: for those whose calls leave nothing to be done.
  virtual asio::awaitable<void> do_flush();
};

/// Writes a namespace as one text whose order is that of the names, and of which prefixes are prefixes; for those who
/// write a store.
AGENTFLOW_API std::string encode_namespace(const StoreNamespace& ns);
AGENTFLOW_API StoreNamespace decode_namespace(const std::string& text);

}  // namespace agentflow
