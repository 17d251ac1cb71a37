// SPDX-License-Identifier: MIT
// SqliteStore: items in a file.
#pragma once

#include <memory>
#include <string>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/ports/store.hpp>
#include <agentflow/sqlite/options.hpp>

namespace agentflow {

/// Keeps items in a SQLite database: one of its own, or the file of a `SqliteCheckpointer`. Searches by likeness are
/// exact: they read every embedding below the prefix.
///
/// **Errors**, **Thread safety**, **Lifetime**, **Units/limits** As `SqliteCheckpointer`.
class AGENTFLOW_API SqliteStore final : public Store {
 public:
  /// The wall time of the clock says what has expired; null: the system's.
  explicit SqliteStore(std::string path, SqliteOptions options = {}, std::shared_ptr<Clock> clock = nullptr);
  ~SqliteStore() override;
  bool has_vectors() const noexcept override { return true; }

 private:
  struct Impl;

  asio::awaitable<std::optional<StoreItem>> do_get(StoreNamespace ns, std::string key) override;
  asio::awaitable<bool> do_put(StoreNamespace ns, std::string key, JsonValue value, PutOptions options) override;
  asio::awaitable<bool> do_erase(StoreNamespace ns, std::string key) override;
  asio::awaitable<std::vector<StoreItem>> do_search(StoreQuery query) override;
  asio::awaitable<std::vector<StoreNamespace>> do_namespaces(NamespaceQuery query) override;
  asio::awaitable<std::size_t> do_sweep() override;
  asio::awaitable<void> do_flush() override;

  std::unique_ptr<Impl> impl_;
};

/// Opens a `SqliteStore`.
AGENTFLOW_API std::shared_ptr<SqliteStore> sqlite_store(std::string path, SqliteOptions options = {},
                                                        std::shared_ptr<Clock> clock = nullptr);

}  // namespace agentflow
