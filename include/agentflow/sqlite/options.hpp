// SPDX-License-Identifier: MIT
// How a SQLite database is opened.
#pragma once

#include <chrono>
#include <string>
#include <type_traits>
#include <utility>

namespace agentflow {

/// What is safe when a commit returns.
enum class sqlite_sync {
  full,    ///< The data is on the disk: nothing acknowledged is lost when the power fails.
  normal,  ///< It is with the operating system: a killed process loses nothing, a power failure the last commits.
};

/// Options of `sqlite()` and `SqliteStore`.
class SqliteOptions {
 public:
  SqliteOptions() = default;
  /// Default: full.
  SqliteOptions& synchronous(sqlite_sync mode) {
    synchronous_ = mode;
    return *this;
  }
  /// How long to wait for another process that is writing. Default: 5 s.
  SqliteOptions& busy_timeout(std::chrono::milliseconds time) {
    busy_timeout_ = time;
    return *this;
  }
  /// The name of a registered SQLite VFS, for storage of a special kind. Default: SQLite's own.
  SqliteOptions& vfs(std::string name) {
    vfs_ = std::move(name);
    return *this;
  }

  sqlite_sync synchronous() const noexcept { return synchronous_; }
  std::chrono::milliseconds busy_timeout() const noexcept { return busy_timeout_; }
  const std::string& vfs() const noexcept { return vfs_; }

 private:
  sqlite_sync synchronous_ = sqlite_sync::full;
  std::chrono::milliseconds busy_timeout_{5000};
  std::string vfs_;
};
static_assert(!std::is_aggregate_v<SqliteOptions>);

}  // namespace agentflow
