// SPDX-License-Identifier: MIT
// The tables. Never change a migration that was released: add one.
#include "sqlite/schema.hpp"

#include <iterator>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>

namespace agentflow::detail {
namespace {

constexpr std::int64_t application_id = 0x61676677;  // "agfw"

// Unsigned numbers are stored as the signed ones with the same bits. A place is (space << 32 | seq): one integer key,
// so that the checkpoints of a space stand together, in order, in a single tree without an index.
//
// A thread and a space can be found in two ways, by name and by hash: what one tree does not know but the other does is
// damage and not absence.
constexpr const char* migrations[] = {
    R"sql(
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('epoch', 0);
CREATE TABLE threads (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  hash INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  latest_run INTEGER NOT NULL,
  stop INTEGER NOT NULL,
  sum INTEGER NOT NULL
) STRICT;
CREATE INDEX threads_by_hash ON threads (hash);
CREATE TABLE spaces (
  id INTEGER PRIMARY KEY,
  thread INTEGER NOT NULL,
  ns TEXT NOT NULL,
  hash INTEGER NOT NULL,
  head_seq INTEGER NOT NULL,
  head_sum INTEGER NOT NULL,
  pending_sum INTEGER NOT NULL,
  UNIQUE (thread, ns)
) STRICT;
CREATE INDEX spaces_by_hash ON spaces (hash);
CREATE TABLE checkpoints (
  place INTEGER PRIMARY KEY,
  parent_seq INTEGER NOT NULL,
  parent_sum INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  status INTEGER NOT NULL,
  step INTEGER NOT NULL,
  run TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  fingerprint INTEGER NOT NULL,
  format INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  body_sum INTEGER NOT NULL,
  snapshot_sum INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  body BLOB NOT NULL,
  snapshot BLOB
) STRICT;
CREATE TABLE writes (
  place INTEGER NOT NULL,
  key TEXT NOT NULL,
  kind INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (place, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  thread INTEGER NOT NULL,
  run TEXT NOT NULL,
  status INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  detail TEXT NOT NULL,
  sum INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_by_thread ON runs (thread);
CREATE INDEX runs_by_status ON runs (status);
CREATE TABLE items (
  id INTEGER PRIMARY KEY,
  ns TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  sum INTEGER NOT NULL,
  embedding BLOB,
  UNIQUE (ns, key)
) STRICT;
CREATE INDEX items_by_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;
)sql",
};
static_assert(std::size(migrations) == sqlite_schema_version);

}  // namespace

void migrate(SqliteConnection& db) {
  const auto version = [&] {
    const auto found = db.scalar("PRAGMA user_version");
    const auto owner = db.scalar("PRAGMA application_id");
    if (found > sqlite_schema_version)
      throw storage_error(errc::storage_version,
                          fmt::format("the database has tables of version {}, and this release knows those up to {}: "
                                      "use the newer release that wrote it",
                                      found, sqlite_schema_version));
    if (owner != application_id && (owner != 0 || found != 0 || db.scalar("SELECT count(*) FROM sqlite_schema") != 0))
      throw storage_error(errc::storage_version,
                          "the database belongs to another program: choose another path for agentflow");
    return found;
  };
  if (version() == sqlite_schema_version) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    // Again, now that nobody else can be upgrading it.
    for (auto v = version(); v < sqlite_schema_version; ++v) db.exec(migrations[v]);
    db.exec(fmt::format("PRAGMA application_id = {}", application_id).c_str());
    db.exec(fmt::format("PRAGMA user_version = {}", sqlite_schema_version).c_str());
    db.exec("COMMIT");
  } catch (...) {
    try {
      if (db.in_transaction()) db.exec("ROLLBACK");
    } catch (...) {
      // It goes with the connection.
    }
    throw;
  }
}

}  // namespace agentflow::detail
