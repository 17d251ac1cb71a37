// SPDX-License-Identifier: MIT
// Private: a run.
#pragma once

#include <atomic>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>

#include <agentflow/core/call_site.hpp>
#include <agentflow/run/options.hpp>
#include <agentflow/run/run_input.hpp>

#include "run/engine.hpp"
#include "run/event_channel.hpp"
#include "run/graph_core.hpp"
#include "run/journal.hpp"

namespace agentflow::detail {

/// Marks this thread as running a blocking node: it must not wait for the run of the node, nor for one that waits for
/// it because that one's blocking node called invoke().
class BlockingNode {
 public:
  explicit BlockingNode(const RunCore& run) noexcept : run_(run), outer_(std::exchange(current_, this)) {}
  BlockingNode(const BlockingNode&) = delete;
  BlockingNode& operator=(const BlockingNode&) = delete;
  ~BlockingNode() { current_ = outer_; }

  /// That of this thread, or null.
  static const BlockingNode* current() noexcept { return current_; }
  /// Throws `nested_loop_error` if a run of this graph and thread id waits for this thread.
  static void refuse_own(const GraphCore& graph, std::string_view thread_id);

 private:
  static thread_local const BlockingNode* current_;
  const RunCore& run_;
  const BlockingNode* outer_;
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
  std::shared_ptr<GraphCore> graph_;
  const RunConfig config_;

 public:
  RunCore(std::shared_ptr<GraphCore> graph, RunInput&& input, const RunConfig& config, stream_mode modes,
          CallSite made);
  ~RunCore();
  /// Makes a run that its graph knows of.
  static std::shared_ptr<RunCore> make(std::shared_ptr<GraphCore> graph, RunInput&& input, const RunConfig& config,
                                       stream_mode modes, CallSite made);

  RunInfo info;
  /// How many messages the input had, if it is a conversation.
  std::size_t messages_before = 0;
  void count_messages(const StateBox& state) {
    if (const auto count = state.ops().message_count; count != nullptr) messages_before = count(state.get());
  }
  /// The node that blocks in invoke() for this run, or null.
  const BlockingNode* caller = nullptr;
  const RunConfig& config() const noexcept { return config_; }
  GraphCore& graph() const noexcept { return *graph_; }
  EventChannel* channel() noexcept { return static_cast<EventChannel*>(info.events.get()); }
  const DebugOptions* debug() const noexcept { return graph_->debug(); }
  Engine& engine() noexcept { return engine_; }
  bool cancel_requested() const noexcept { return info.cancelled.load(std::memory_order_relaxed); }
  /// Of a durable run; else null.
  Journal* journal() noexcept { return journal_.get(); }
  /// That of the driver, once it is launched.
  asio::any_io_executor executor() noexcept {
    std::lock_guard lock(mutex_);
    return executor_.value_or(asio::any_io_executor());
  }
  /// For the driver that sees itself being cancelled.
  void note_cancellation() noexcept { info.cancelled.store(true, std::memory_order_relaxed); }
  /// Whether the engine may hand control back to a loop; without one it must not ask for anything.
  bool driven() const noexcept { return driven_; }

  /// Runs to the end on this thread without a loop; for graphs of plain functions.
  void run_here();
  /// Runs to the end as a part of the calling coroutine, which keeps `ex`, its executor; that serialises if the graph
  /// has any coroutine. Nobody else may cancel the run.
  asio::awaitable<void> run_in_place(const asio::any_io_executor& ex);
  /// Starts the driver on an executor that serialises; `loop`, if given, is stopped at the end.
  void launch(asio::any_io_executor ex, asio::io_context* loop = nullptr);
  /// For the driver: its first word, and its last.
  void started();
  void finish(std::exception_ptr failure);
  /// Ends a run whose driver is destroyed before its end, as when an io_context goes first.
  void close_up() noexcept;
  /// Whether the driver is the coroutine that awaits the run.
  bool attended() const noexcept { return attended_; }
  bool launched() const noexcept { return launched_.load(std::memory_order_acquire); }
  bool done() const noexcept { return done_.load(std::memory_order_acquire); }
  /// Waits for the end, with all the memory that needs taken by the call. A cancellation of the waiting coroutine
  /// cancels the run, and the wait goes on to its end.
  asio::awaitable<void> wait(const asio::any_io_executor& ex);
  /// Another coroutine to wake at the end; at once if it has come.
  void notify(std::shared_ptr<ParkingSpot> spot);
  void wait_blocking() { graph_->wait_for(*this); }

  /// Asks the run to end at its next step. Who waits for room in its stream goes on.
  void request_stop() noexcept;
  /// The thread that runs the run, because it reads its blocking stream.
  std::thread::id read_by() const noexcept { return reader_.load(std::memory_order_relaxed); }
  void note_reader() noexcept { reader_.store(std::this_thread::get_id(), std::memory_order_relaxed); }
  /// Asks the run to end at its next step, because its graph is being closed.
  void request_drain() noexcept;
  /// Whether it had not begun when its graph was closed.
  bool refused() const noexcept { return asked_ == Asked::refuse; }
  /// What a run is that was asked to end. Throws for one that had not begun when its graph was closed.
  run_status stop_status() const;
  /// Starts a task that goes on behind the run.
  void spawn_background(std::string name, asio::awaitable<void> work, std::optional<std::chrono::nanoseconds> limit);
  /// The loop of the background tasks of a run that has none itself; null if it has started none.
  asio::io_context* own_loop() const noexcept { return extras_ ? extras_->loop.get() : nullptr; }
  /// What few runs need: in an allocation of its own, so that the others stay small.
  struct Extras {
    CallSite made;                           // in debug mode
    std::uint64_t random = 0;                // the generator's state
    std::mutex mutex;                        // guards what follows
    std::map<const Task*, Watch*> awaiting;  // in debug mode: what follows the code that is awaited
    std::unique_ptr<asio::io_context> loop;  // of background tasks, where the run has none
  };
  /// In debug mode only.
  Extras& extras() noexcept { return *extras_; }
  void request_cancel() noexcept;

  /// Throws what made the run fail, if it did.
  void rethrow() const;
  std::exception_ptr error() const noexcept { return error_; }

  std::uint64_t random();
  const std::optional<Clock::time_point>& deadline() const noexcept { return deadline_; }
  [[noreturn]] void throw_timeout() const;

 private:
  asio::awaitable<void> wait_at(std::shared_ptr<ParkingSpot> held, asio::awaitable<void> ended);
  friend class GraphCore;
  struct Finisher;
  Extras& any_extras() {
    if (!extras_) extras_ = std::make_unique<Extras>();
    return *extras_;
  }
  asio::awaitable<void> drive_durable();
  bool listening() noexcept;
  void start_time();
  void publish_run(chunk_kind kind, std::string text);
  std::exception_ptr translate(std::exception_ptr e) const;

  Engine engine_;
  std::unique_ptr<RunInput> input_;  // of a durable run, until it is taken
  std::unique_ptr<Journal> journal_;
  std::optional<Clock::time_point> deadline_;
  asio::cancellation_signal root_;
  bool timed_out_ = false;
  bool driven_ = false;
  bool attended_ = false;
  enum class Asked : std::uint8_t { nothing, drain, refuse };
  std::atomic<Asked> asked_{Asked::nothing};
  std::unique_ptr<Clock::Timer> timer_;  // of the deadline
  std::atomic<bool> launched_{false};
  std::atomic<bool> begun_{false};
  std::exception_ptr error_;
  std::atomic<std::thread::id> reader_{};
  bool listed_ = false;

  std::mutex mutex_;  // guards what follows
  std::optional<asio::any_io_executor> executor_;
  std::shared_ptr<ParkingLot> lot_;  // of its context
  const asio::any_io_executor* borrowed_ = nullptr;
  std::unique_ptr<Extras> extras_;
  std::vector<std::shared_ptr<ParkingSpot>> waiters_;
  std::atomic<bool> done_{false};

  RunCore* next_ = nullptr;  // guarded by the graph's mutex
  RunCore* prev_ = nullptr;
};

}  // namespace agentflow::detail
