// SPDX-License-Identifier: MIT
// SQLite connections and statements.
#include "sqlite/connection.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <new>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>

namespace agentflow::detail {
namespace {

std::string_view advice(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "another process holds the database; end it or raise SqliteOptions::busy_timeout";
    case SQLITE_FULL: return "free space on the disk, then try again";
    case SQLITE_READONLY: return "make the file and its folder writable, then try again";
    case SQLITE_CANTOPEN: return "check that the folder exists and may be written to";
    case SQLITE_PERM:
    case SQLITE_AUTH: return "check the permissions of the file";
    case SQLITE_NOMEM: return "there is no memory left";
    default: return "check the disk, then try again";
  }
}

errc meaning(int code) {
  switch (code & 0xff) {
    // Our statements are fixed and fit our tables: when they do not, the tables are not what they were.
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_CORRUPT: return errc::checkpoint_damaged;
    case SQLITE_NOTADB: return errc::storage_version;
    case SQLITE_TOOBIG: return errc::bad_config;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_IOERR:
    case SQLITE_NOLFS:
    case SQLITE_PROTOCOL:
    case SQLITE_INTERRUPT:
    case SQLITE_NOMEM: return errc::storage_unavailable;
    default: return errc::internal;
  }
}

/// Makes a new file that only its owner may read. Never opens one that is there: closing it would drop the locks that
/// another connection of this process has on it. A new file has none.
void create_private(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);
}

}  // namespace

// ---- SqliteStatement -----------------------------------------------------------------------------------------------

SqliteStatement::~SqliteStatement() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void SqliteStatement::check(int code) {
  if (code != SQLITE_OK) db_.fail(code, "binding a value");
}
SqliteStatement& SqliteStatement::integer(std::int64_t v) {
  check(sqlite3_bind_int64(statement_, ++bound_, v));
  return *this;
}
SqliteStatement& SqliteStatement::text(std::string_view v) {
  // A null pointer would be NULL.
  check(sqlite3_bind_text64(statement_, ++bound_, v.data() != nullptr ? v.data() : "", v.size(), SQLITE_STATIC,
                            SQLITE_UTF8));
  return *this;
}
SqliteStatement& SqliteStatement::blob(std::string_view v) {
  check(sqlite3_bind_blob64(statement_, ++bound_, v.data() != nullptr ? v.data() : "", v.size(), SQLITE_STATIC));
  return *this;
}
SqliteStatement& SqliteStatement::null() {
  check(sqlite3_bind_null(statement_, ++bound_));
  return *this;
}

bool SqliteStatement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  db_.fail(code, "working");
}

SqliteStatement& SqliteStatement::again() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  bound_ = 0;
  return *this;
}

std::int64_t SqliteStatement::integer_at(int column) const { return sqlite3_column_int64(statement_, column); }
bool SqliteStatement::null_at(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
std::string SqliteStatement::text_at(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (data == nullptr) {
    if (size != 0 || sqlite3_errcode(db_.db_.get()) == SQLITE_NOMEM) db_.fail(SQLITE_NOMEM, "reading");
    return {};
  }
  return std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

// ---- SqliteConnection ----------------------------------------------------------------------------------------------

void SqliteConnection::fail(int code, std::string_view doing) {
  sqlite3* db = db_.get();
  const int kind = code & 0xff;
  if (kind == SQLITE_NOMEM && db == nullptr) throw std::bad_alloc();
  suspect_ = kind != SQLITE_BUSY && kind != SQLITE_LOCKED && kind != SQLITE_TOOBIG;
  const char* file = db != nullptr ? sqlite3_db_filename(db, "main") : nullptr;
  const std::string where = file != nullptr && *file != '\0' ? fmt::format(" in {}", file) : std::string();
  const std::string what = fmt::format("{}{}: {} (SQLite {})", doing, where,
                                       db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code), code);
  switch (meaning(code)) {
    case errc::checkpoint_damaged:
      throw checkpoint_damaged_error(
          what + "; the file is damaged: restore it from a backup, or try the .recover command of sqlite3", "");
    case errc::storage_version: throw storage_error(errc::storage_version, what + "; this is no SQLite database");
    case errc::bad_config: throw config_error(errc::bad_config, what + "; it is too big to be stored");
    case errc::internal: throw error(errc::internal, what);
    default: throw storage_error(errc::storage_unavailable, what + "; " + std::string(advice(code)));
  }
}

void SqliteConnection::Close::operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }
void SqliteConnection::Finalize::operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }

SqliteConnection::SqliteConnection(const std::string& path, const SqliteOptions& options) {
  create_private(path);
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      options.vfs().empty() ? nullptr : options.vfs().c_str());
  db_.reset(db);
  if (code != SQLITE_OK) fail(code, "opening " + path);
  configure(options);
}
SqliteConnection::~SqliteConnection() = default;

void SqliteConnection::configure(const SqliteOptions& options) {
  sqlite3* db = db_.get();
  sqlite3_busy_timeout(db, static_cast<int>(options.busy_timeout().count()));
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
  exec("PRAGMA cell_size_check = ON");
  exec("PRAGMA mmap_size = 0");
  const std::string mode = scalar_text("PRAGMA journal_mode = WAL");
  if (mode != "wal")
    throw storage_error(errc::storage_unavailable,
                        fmt::format("the database {} cannot be switched to WAL mode (it stays in mode {}): its disk "
                                    "must be local and must allow shared memory",
                                    sqlite3_db_filename(db, "main"), mode));
  exec(options.synchronous() == sqlite_sync::full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  exec("PRAGMA journal_size_limit = 67108864");
}

SqliteStatement SqliteConnection::query(const char* sql) {
  auto& kept = statements_[sql];
  if (!kept) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(db_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) fail(code, "preparing a statement");
    kept.reset(statement);
  }
  return SqliteStatement(*this, kept.get());
}

void SqliteConnection::exec(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, std::string_view(sql).substr(0, 30));
}
std::int64_t SqliteConnection::scalar(const char* sql) {
  auto q = query(sql);
  return q.step() ? q.integer_at(0) : 0;
}
std::string SqliteConnection::scalar_text(const char* sql) {
  auto q = query(sql);
  return q.step() ? q.text_at(0) : std::string();
}
bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }
int SqliteConnection::changes() const { return sqlite3_changes(db_.get()); }

}  // namespace agentflow::detail
