// SPDX-License-Identifier: MIT
// Private: a run, and the graph that runs belong to.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>

#include <agentflow/graph/graph_spec.hpp>
#include <agentflow/run/options.hpp>

#include "async/blocking_pool.hpp"
#include "async/loop_guard.hpp"
#include "run/engine.hpp"
#include "run/event_channel.hpp"
#include "run/journal.hpp"

namespace agentflow::detail {

class RunCore;

/// A compiled graph: what all its runs share.
class GraphCore {
 public:
  GraphCore(std::shared_ptr<const GraphSpec> spec, CompileOptions options);

  const GraphSpec& spec() const noexcept { return *spec_; }
  const std::shared_ptr<const GraphSpec>& shared_spec() const noexcept { return spec_; }
  const CompileOptions& options() const noexcept { return options_; }
  BlockingPool& pool();
  /// Of a graph with a checkpointer.
  std::uint64_t fingerprint() const noexcept { return fingerprint_; }

  void add(RunCore& run);
  void remove(RunCore& run) noexcept;
  /// The runs of the same thread that were made before this one and have been started.
  std::vector<std::shared_ptr<RunCore>> older_runs(const RunCore& run);
  /// Asks the runs of a thread to stop; gives how many there were.
  std::vector<std::shared_ptr<RunCore>> request_stop(std::string_view thread_id);

 private:
  const std::shared_ptr<const GraphSpec> spec_;
  const CompileOptions options_;
  std::uint64_t fingerprint_ = 0;
  std::mutex mutex_;
  RunCore* runs_ = nullptr;
  std::unique_ptr<BlockingPool> pool_;
};

/// Hands the lines of a run to the graph's logger.
class RunLog final : public LogSink {
 public:
  explicit RunLog(const RunInfo& info, std::shared_ptr<spdlog::logger> logger)
      : info_(info), logger_(std::move(logger)) {}
  bool enabled(log_level level) const noexcept override;
  void log(log_level level, std::string_view message) override;

 private:
  const RunInfo& info_;
  std::shared_ptr<spdlog::logger> logger_;
};

/// One run: the engine, its events, who waits for it. Shared by the driver and the handles.
class RunCore : public std::enable_shared_from_this<RunCore> {
 public:
  RunCore(std::shared_ptr<GraphCore> graph, RunInput input, const RunConfig& config, stream_mode modes);
  ~RunCore();

  RunInfo info;
  const RunConfig& config() const noexcept { return config_; }
  GraphCore& graph() const noexcept { return *graph_; }
  EventChannel* channel() noexcept { return channel_.get(); }
  Engine& engine() noexcept { return engine_; }
  /// Of a durable run; else null.
  Journal* journal() noexcept { return journal_.get(); }
  bool cancel_requested() const noexcept { return cancelled_.load(std::memory_order_relaxed); }
  /// Whether the engine may hand control back to a loop; without one it must not ask for anything.
  bool driven() const noexcept { return driven_; }
  asio::any_io_executor executor();

  /// Runs to the end on this thread without a loop; for graphs of plain functions.
  void run_here();
  /// The same from a coroutine, giving way to others at times.
  asio::awaitable<void> run_in_place();
  /// Starts the driver on an executor that serialises.
  void launch(asio::any_io_executor ex);
  bool launched() const noexcept { return launched_.load(std::memory_order_acquire); }
  bool done() const noexcept { return done_.load(std::memory_order_acquire); }
  /// Waits for the end. A cancellation of the waiting coroutine cancels the run, and the wait goes on to its end.
  asio::awaitable<void> wait();
  /// Another coroutine to wake at the end; at once if it has come.
  void notify(std::shared_ptr<ParkingSpot> spot);
  void wait_blocking();

  void request_stop() noexcept { info.stop_requested.store(true); }
  void request_cancel();

  /// Throws what made the run fail, if it did.
  void rethrow() const;
  std::exception_ptr error() const noexcept { return error_; }

  /// Whether a message of this id has been streamed as tokens; remembers it if `insert`.
  bool streamed(const std::string& message_id, bool insert);
  /// The same for messages that a subgraph's node delivered as a whole.
  bool delivered_inside(const std::string& message_id, bool insert);
  std::uint64_t random();
  const std::optional<Clock::time_point>& deadline() const noexcept { return deadline_; }
  [[noreturn]] void throw_timeout() const;

 private:
  friend class GraphCore;
  struct Finisher;
  static asio::awaitable<void> drive(std::shared_ptr<RunCore> self);
  asio::awaitable<void> drive_durable();
  void finish(std::exception_ptr error);
  void close_up() noexcept;
  bool listening() noexcept;
  void publish_run(chunk_kind kind, std::string text);
  std::exception_ptr translate(std::exception_ptr e) const;

  std::shared_ptr<GraphCore> graph_;
  RunConfig config_;
  std::unique_ptr<EventChannel> channel_;  // only where somebody listens
  std::unique_ptr<RunLog> log_;
  Engine engine_;
  std::unique_ptr<RunInput> input_;   // of a durable run, until it is taken
  std::unique_ptr<Journal> journal_;
  std::optional<Clock::time_point> deadline_;
  asio::cancellation_signal root_;
  std::atomic<bool> cancelled_{false};
  bool timed_out_ = false;
  bool driven_ = false;
  std::atomic<bool> launched_{false};
  std::atomic<bool> begun_{false};
  std::exception_ptr error_;
  std::set<std::string, std::less<>> streamed_;
  std::set<std::string, std::less<>> delivered_inside_;
  std::uint64_t random_ = 0;

  std::mutex mutex_;  // guards what follows
  asio::any_io_executor executor_;
  std::shared_ptr<ParkingLot> lot_;  // of its context
  ParkingSpot waiter_;
  bool waiting_ = false;
  std::vector<std::shared_ptr<ParkingSpot>> waiters_;
  std::condition_variable ended_;
  std::atomic<bool> done_{false};

  RunCore* next_ = nullptr;  // guarded by the graph's mutex
  RunCore* prev_ = nullptr;
};

}  // namespace agentflow::detail
