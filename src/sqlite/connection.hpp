// SPDX-License-Identifier: MIT
// Private: SQLite with typed errors and statements that are prepared once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <agentflow/sqlite/options.hpp>

struct sqlite3;
struct sqlite3_stmt;

namespace agentflow::detail {

class SqliteConnection;

/// A statement borrowed from the connection; given back, reset, when it goes. Values that are bound must live until
/// then. Parameters and columns are counted from 0, in order.
class SqliteStatement {
 public:
  SqliteStatement(SqliteConnection& db, sqlite3_stmt* statement) noexcept : db_(db), statement_(statement) {}
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;
  ~SqliteStatement();

  SqliteStatement& integer(std::int64_t v);
  SqliteStatement& number(std::uint64_t v) { return integer(static_cast<std::int64_t>(v)); }
  SqliteStatement& text(std::string_view v);
  SqliteStatement& blob(std::string_view v);
  SqliteStatement& null();

  /// Goes to the next row; false when there is none.
  bool step();
  /// Runs a statement that gives no rows.
  void run() {
    while (step()) {
    }
  }
  /// Ready to be bound and run again.
  SqliteStatement& again();

  std::int64_t integer_at(int column) const;
  std::uint64_t number_at(int column) const { return static_cast<std::uint64_t>(integer_at(column)); }
  std::string text_at(int column) const;
  bool null_at(int column) const;

 private:
  void check(int code);

  SqliteConnection& db_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

/// One connection. Not thread-safe: it belongs to the writer's thread.
class SqliteConnection {
 public:
  SqliteConnection(const std::string& path, const SqliteOptions& options);
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  /// `sql` must be a literal: statements are kept by its address.
  SqliteStatement query(const char* sql);
  void exec(const char* sql);
  std::int64_t scalar(const char* sql);
  std::string scalar_text(const char* sql);
  /// Whether a transaction is open.
  bool in_transaction() const;
  int changes() const;
  /// After an error of the disk or the file: what the connection remembers of them may be wrong.
  bool suspect() const noexcept { return suspect_; }

 private:
  friend class SqliteStatement;
  struct Close {
    void operator()(sqlite3* db) const noexcept;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };

  void configure(const SqliteOptions& options);
  /// Throws what a result code of SQLite means: `storage_error`, or `checkpoint_damaged_error`.
  [[noreturn]] void fail(int code, std::string_view doing);

  std::unique_ptr<sqlite3, Close> db_;
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
  bool suspect_ = false;
};

}  // namespace agentflow::detail
