// SPDX-License-Identifier: MIT
// Private: a compiled graph, and which runs it has.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <agentflow/core/call_site.hpp>
#include <agentflow/graph/graph_spec.hpp>
#include <agentflow/run/options.hpp>

#include "async/blocking_pool.hpp"
#include "async/parking.hpp"
#include "run/background.hpp"
#include "run/closing.hpp"
#include "run/publishing.hpp"

namespace agentflow::detail {

class RunCore;

/// A compiled graph: what all its runs share.
class GraphCore {
 public:
  GraphCore(std::shared_ptr<const GraphSpec> spec, CompileOptions options, CallSite made);
  ~GraphCore();

  const GraphSpec& spec() const noexcept { return *spec_; }
  const std::shared_ptr<const GraphSpec>& shared_spec() const noexcept { return spec_; }
  const CompileOptions& options() const noexcept { return options_; }
  /// Of debug mode; null where it is off.
  const DebugOptions* debug() const noexcept { return debug_ ? &*debug_ : nullptr; }
  /// The graph's logger; in debug mode there always is one.
  const std::shared_ptr<spdlog::logger>& logger() const noexcept { return logger_; }
  BlockingPool& pool();
  /// Of a graph with a checkpointer.
  std::uint64_t fingerprint() const noexcept { return fingerprint_; }

  Closing& closing() noexcept { return closing_; }
  const std::shared_ptr<Background>& background() const noexcept { return background_; }
  /// Null where the graph has no publisher.
  Publishing* publishing() const noexcept { return publishing_.get(); }
  void warn(const std::string& text) const noexcept;

  // For the close: the runs that have begun and not ended.
  /// Asks all of them to end at their next step; gives how many there are.
  std::size_t drain_runs();
  void cancel_runs();
  /// How many there are; if any, `spot` is kept in `place` to be woken when one ends.
  std::size_t live_runs(std::shared_ptr<ParkingSpot>& place, std::shared_ptr<ParkingSpot> spot);
  ShutdownPart ended_runs(const ShutdownPart& counts);
  void wake(const std::shared_ptr<ParkingSpot>& place);

  void add(RunCore& run);
  void remove(RunCore& run) noexcept;
  /// The runs of the same thread that were made before this one and have been started.
  std::vector<std::shared_ptr<RunCore>> older_runs(const RunCore& run);
  /// Blocks until a run has ended.
  void wait_for(const RunCore& run);
  /// Asks the runs of a thread to stop; gives how many there were.
  std::vector<std::shared_ptr<RunCore>> request_stop(std::string_view thread_id);
  /// Throws `nested_loop_error` on the thread that reads the stream of a run that `call` would wait for: one of a
  /// thread, or any.
  void refuse_reader(std::string_view call, std::optional<std::string_view> thread_id);

 private:
  /// The runs that are there and answer to `which`.
  template <class F>
  std::vector<std::shared_ptr<RunCore>> runs(F which);

  const std::shared_ptr<const GraphSpec> spec_;
  const CompileOptions options_;
  std::uint64_t fingerprint_ = 0;
  const std::optional<DebugOptions> debug_;
  const std::shared_ptr<spdlog::logger> logger_;
  const CallSite made_;
  std::atomic<bool> has_run_{false};
  std::mutex mutex_;
  std::condition_variable ended_;  // some run
  std::size_t waiting_ = 0;        // for that
  RunCore* runs_ = nullptr;
  std::unique_ptr<BlockingPool> pool_;
  const std::shared_ptr<Background> background_;
  const std::unique_ptr<Publishing> publishing_;
  Closing closing_;
};

}  // namespace agentflow::detail
