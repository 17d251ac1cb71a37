// SPDX-License-Identifier: MIT
// Debug mode: what is legal and still a mistake.
#pragma once

#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include <agentflow/core/config.hpp>

namespace agentflow {

/// Debug mode of a graph. It warns about what compiles and runs, and is a mistake all the same:
///
/// - a node, router, reducer or error handler that holds its event loop for longer than `slow_step`, with its name and
///   the time;
/// - a node that goes on, or uses its context, on a thread that does not run it;
/// - a run that was made (`ainvoke`, `astream`, `stream`) and never begun, with the line that made it;
/// - a graph that has run and was destroyed without `close()` or `aclose()`, with the line that compiled it.
///
/// Warnings go to the graph's logger, without one to standard error. Three ways to turn it on: the environment
/// variable `AGENTFLOW_DEBUG=1`, `set_debug()` for all graphs compiled after it, `CompileOptions::debug()` for one.
/// Graphs without it pay nothing for it.
class DebugOptions {
 public:
  DebugOptions() = default;
  /// How long one piece of code may hold an event loop. Measured on the graph's clock. Default 100 ms.
  DebugOptions& slow_step(std::chrono::nanoseconds d) & {
    slow_step_ = d;
    return *this;
  }
  DebugOptions&& slow_step(std::chrono::nanoseconds d) && { return std::move(slow_step(d)); }
  std::chrono::nanoseconds slow_step() const noexcept { return slow_step_; }

 private:
  std::chrono::nanoseconds slow_step_ = std::chrono::milliseconds(100);
};
static_assert(!std::is_aggregate_v<DebugOptions>);

/// Turns debug mode on for the graphs that this program compiles from now on, unless they have options of their own;
/// `std::nullopt` turns it off. Before the first call the environment decides: `AGENTFLOW_DEBUG` set to anything but
/// nothing or "0".
///
/// **Thread safety** Safe.
AGENTFLOW_API void set_debug(std::optional<DebugOptions> options);

/// What `set_debug` or the environment says now.
AGENTFLOW_API std::optional<DebugOptions> debug_mode();

}  // namespace agentflow
