// SPDX-License-Identifier: MIT
// The store on SQLite.
#include <agentflow/sqlite/store.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include <agentflow/core/checksum.hpp>
#include <agentflow/core/error.hpp>

#include "sqlite/path.hpp"
#include "sqlite/tables.hpp"
#include "sqlite/writer.hpp"

namespace agentflow {
namespace {

using detail::SqliteConnection;
using detail::SqliteStatement;

std::string pack(const std::vector<float>& v) {
  return std::string(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
}
std::vector<float> unpack(const std::string& bytes) {
  std::vector<float> v(bytes.size() / sizeof(float));
  if (!v.empty()) std::memcpy(v.data(), bytes.data(), v.size() * sizeof(float));
  return v;
}

/// A row of `items`, as it is stored.
struct ItemRow {
  std::string ns, key, value, embedding;
  std::int64_t created_at = 0, updated_at = 0;
  std::optional<std::int64_t> expires_at;

  std::uint64_t sum() const {
    const std::string numbers = fmt::format("{} {} {} {} {} ", ns.size(), key.size(), created_at, updated_at,
                                            expires_at ? fmt::to_string(*expires_at) : "never");
    return checksum64(embedding, checksum64(value, checksum64(key, checksum64(ns, checksum64(numbers)))));
  }
};

#define AGENTFLOW_ITEM_COLUMNS "ns, key, value, created_at, updated_at, expires_at, sum, embedding"

ItemRow read_row(const SqliteStatement& q) {
  ItemRow row;
  row.ns = q.text_at(0);
  row.key = q.text_at(1);
  row.value = q.text_at(2);
  row.created_at = q.integer_at(3);
  row.updated_at = q.integer_at(4);
  if (!q.null_at(5)) row.expires_at = q.integer_at(5);
  row.embedding = q.text_at(7);
  if (q.number_at(6) != row.sum())
    throw storage_error(errc::checkpoint_damaged,
                        "an item of the store does not have the checksum it was stored with: put it again, or restore "
                        "the file from a backup");
  return row;
}

StoreItem to_item(const ItemRow& row) {
  StoreItem item;
  item.ns = decode_namespace(row.ns);
  item.key = row.key;
  item.value = JsonValue::parse(row.value);
  item.created_at = detail::from_micros(row.created_at);
  item.updated_at = detail::from_micros(row.updated_at);
  if (row.expires_at) item.expires_at = detail::from_micros(*row.expires_at);
  item.embedding = unpack(row.embedding);
  return item;
}

bool put_row(SqliteConnection& db, ItemRow row, std::int64_t now) {
  bool fresh = true;
  {
    auto q = db.query("SELECT created_at, expires_at FROM items WHERE ns = ? AND key = ?");
    if (q.text(row.ns).text(row.key).step() && (q.null_at(1) || q.integer_at(1) > now)) {
      row.created_at = q.integer_at(0);
      fresh = false;
    }
  }
  auto q = db.query(
      "INSERT INTO items (" AGENTFLOW_ITEM_COLUMNS
      ") VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (ns, key) DO UPDATE SET value = excluded.value, created_at = "
      "excluded.created_at, updated_at = excluded.updated_at, expires_at = excluded.expires_at, sum = excluded.sum, "
      "embedding = excluded.embedding");
  q.text(row.ns).text(row.key).text(row.value).integer(row.created_at).integer(row.updated_at);
  if (row.expires_at)
    q.integer(*row.expires_at);
  else
    q.null();
  q.number(row.sum()).blob(row.embedding).run();
  return fresh;
}

/// Calls `fn` for each item below the prefix that has not expired, in order, until it says false.
template <class F>
void each(SqliteConnection& db, const StoreNamespace& prefix, std::int64_t now, F fn) {
  const std::string start = encode_namespace(prefix);
  auto q = db.query("SELECT " AGENTFLOW_ITEM_COLUMNS
                    " FROM items WHERE ns >= ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY ns, key");
  q.text(start).integer(now);
  while (q.step()) {
    const ItemRow row = read_row(q);
    if (row.ns.compare(0, start.size(), start) != 0 || !fn(row)) return;
  }
}

}  // namespace

struct SqliteStore::Impl {
  Impl(const std::string& path, SqliteOptions options, std::shared_ptr<Clock> c)
      : clock(c ? std::move(c) : Clock::system()), writer(detail::database_path(path), std::move(options)) {}
  std::int64_t now() const { return detail::to_micros(clock->wall_now()); }

  std::shared_ptr<Clock> clock;
  detail::SqliteWriter writer;
};

SqliteStore::SqliteStore(std::string path, SqliteOptions options, std::shared_ptr<Clock> clock)
    : impl_(std::make_unique<Impl>(path, std::move(options), std::move(clock))) {}
SqliteStore::~SqliteStore() {
  // The thread is not there in a forked child, and the connection is the parent's.
  if (impl_->writer.forked()) static_cast<void>(impl_.release());
}

std::shared_ptr<SqliteStore> sqlite_store(std::string path, SqliteOptions options, std::shared_ptr<Clock> clock) {
  return std::make_shared<SqliteStore>(std::move(path), std::move(options), std::move(clock));
}

asio::awaitable<std::optional<StoreItem>> SqliteStore::do_get(StoreNamespace ns, std::string key) {
  return impl_->writer.read(
      [ns = encode_namespace(ns), key = std::move(key), now = impl_->now()](SqliteConnection& db) {
        auto q = db.query("SELECT " AGENTFLOW_ITEM_COLUMNS
                          " FROM items WHERE ns = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)");
        std::optional<StoreItem> item;
        if (q.text(ns).text(key).integer(now).step()) item = to_item(read_row(q));
        return item;
      });
}

asio::awaitable<bool> SqliteStore::do_put(StoreNamespace ns, std::string key, JsonValue value, PutOptions options) {
  const auto now = impl_->now();
  ItemRow row;
  row.ns = encode_namespace(ns);
  row.key = std::move(key);
  row.value = value.dump();
  row.embedding = pack(options.embedding());
  row.created_at = row.updated_at = now;
  if (options.ttl())
    row.expires_at = now + std::chrono::duration_cast<std::chrono::microseconds>(*options.ttl()).count();
  return impl_->writer.write([row = std::move(row), now](SqliteConnection& db) { return put_row(db, row, now); });
}

asio::awaitable<bool> SqliteStore::do_erase(StoreNamespace ns, std::string key) {
  return impl_->writer.write(
      [ns = encode_namespace(ns), key = std::move(key), now = impl_->now()](SqliteConnection& db) {
        auto q = db.query("DELETE FROM items WHERE ns = ? AND key = ? RETURNING expires_at");
        bool alive = false;
        q.text(ns).text(key);
        while (q.step()) alive = q.null_at(0) || q.integer_at(0) > now;
        return alive;
      });
}

asio::awaitable<std::vector<StoreItem>> SqliteStore::do_search(StoreQuery query) {
  return impl_->writer.read([query = std::move(query), now = impl_->now()](SqliteConnection& db) {
    std::vector<StoreItem> candidates;
    const std::size_t wanted =
        query.offset() + std::min(query.limit(), std::numeric_limits<std::size_t>::max() - query.offset());
    each(db, query.prefix(), now, [&](const ItemRow& row) {
      StoreItem item = to_item(row);
      if (query.matches(item.value)) candidates.push_back(std::move(item));
      return !query.near().empty() || candidates.size() < wanted;
    });
    return query.page(std::move(candidates));
  });
}

asio::awaitable<std::vector<StoreNamespace>> SqliteStore::do_namespaces(NamespaceQuery query) {
  return impl_->writer.read([query = std::move(query), now = impl_->now()](SqliteConnection& db) {
    std::vector<StoreNamespace> out;
    const std::string start = encode_namespace(query.prefix);
    std::size_t skip = query.offset;
    StoreNamespace last;
    auto q =
        db.query("SELECT DISTINCT ns FROM items WHERE ns >= ? AND (expires_at IS NULL OR expires_at > ?) ORDER BY ns");
    q.text(start).integer(now);
    while (out.size() < query.limit && q.step()) {
      const std::string text = q.text_at(0);
      if (text.compare(0, start.size(), start) != 0) break;
      StoreNamespace ns = decode_namespace(text);
      if (query.max_depth != 0 && ns.size() > query.max_depth) ns.resize(query.max_depth);
      if (ns == last) continue;
      last = ns;
      if (skip > 0)
        --skip;
      else
        out.push_back(std::move(ns));
    }
    return out;
  });
}

asio::awaitable<std::size_t> SqliteStore::do_sweep() {
  return impl_->writer.write([now = impl_->now()](SqliteConnection& db) {
    db.query("DELETE FROM items WHERE expires_at IS NOT NULL AND expires_at <= ?").integer(now).run();
    return static_cast<std::size_t>(db.changes());
  });
}

asio::awaitable<void> SqliteStore::do_flush() { return impl_->writer.flush(); }

}  // namespace agentflow
