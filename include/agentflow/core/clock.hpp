// SPDX-License-Identifier: MIT
// The clock of a graph: every wait and every timestamp of the library comes from one, so that tests need no real time.
#pragma once

#include <chrono>
#include <memory>

#include <asio/any_io_executor.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/core/function.hpp>

namespace agentflow {

/// Tells the time and wakes things later. Timeouts, back-off and sleeps use the steady time, which no change of the
/// system's clock moves; timestamps use the wall time.
///
/// **Thread safety** Implementations are safe to use from any thread.
class AGENTFLOW_VISIBLE Clock {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;

  /// A wake-up that was asked for. Destroying it forgets the wake-up; the function may still run if it was already
  /// on its way, so it must hold nothing but weak references.
  class AGENTFLOW_VISIBLE Timer {
   public:
    virtual ~Timer();
  };

  virtual ~Clock();
  virtual time_point now() const noexcept = 0;
  virtual std::chrono::system_clock::time_point wall_now() const noexcept = 0;
  /// Runs `fn` on `executor` once `when` has come. Never runs it before it returns.
  virtual std::unique_ptr<Timer> schedule(asio::any_io_executor executor, time_point when,
                                          detail::UniqueFunction<void()> fn) = 0;

  /// The machine's clocks. This is what a graph uses unless `CompileOptions::clock` names another.
  AGENTFLOW_API static std::shared_ptr<Clock> system();
};

}  // namespace agentflow
