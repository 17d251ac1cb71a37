// SPDX-License-Identifier: MIT
// ShutdownStats: what became of everything when something was closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>

#include <agentflow/core/config.hpp>

namespace agentflow {

/// How one part of a shutdown ended.
enum class shutdown_status {
  none,       ///< There was nothing to shut down.
  completed,  ///< All of it was done in time.
  cancelled,  ///< Some of it had to be cancelled, and was joined.
  timed_out,  ///< Some of it did not end in time, and was left behind.
  failed,     ///< It failed; see `error`.
};
AGENTFLOW_API std::string_view to_string(shutdown_status status) noexcept;

/// One part of a shutdown: the background tasks, the checkpointer, ...
class AGENTFLOW_API ShutdownPart {
 public:
  ShutdownPart() = default;

  shutdown_status status = shutdown_status::none;
  std::size_t completed = 0;  ///< How many ended well.
  std::size_t failed = 0;     ///< How many threw, or passed a limit of their own.
  std::size_t cancelled = 0;  ///< How many were cancelled and joined.
  std::size_t abandoned = 0;  ///< How many had not ended when the time was up.
  std::chrono::nanoseconds duration{0};
  std::string error;  ///< What failed, in words; else empty.

  bool operator==(const ShutdownPart&) const = default;
};
static_assert(!std::is_aggregate_v<ShutdownPart>);

/// What closing a graph did, part by part. Prints as one line of JSON.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe to read.
class AGENTFLOW_API ShutdownStats {
 public:
  ShutdownStats() = default;

  ShutdownPart runs;              ///< The runs that were under way.
  ShutdownPart background_tasks;  ///< What went on behind them.
  ShutdownPart checkpointer;
  ShutdownPart publisher;
  ShutdownPart store;
  std::chrono::nanoseconds total{0};  ///< From the first to the last.
  bool deadline_exceeded = false;     ///< Whether the one deadline of the whole was passed.

  /// Whether nothing failed, was cancelled or left behind.
  bool clean() const noexcept;
  /// Durations are in seconds.
  std::string to_json() const;

  bool operator==(const ShutdownStats&) const = default;
};
static_assert(!std::is_aggregate_v<ShutdownStats>);

AGENTFLOW_API std::string to_string(const ShutdownStats& stats);
AGENTFLOW_API std::ostream& operator<<(std::ostream& out, const ShutdownStats& stats);

}  // namespace agentflow
