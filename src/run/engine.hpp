// SPDX-License-Identifier: MIT
// Private: one run of one graph as a state machine. It decides; a driver awaits what it asks for.
#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>

#include <agentflow/graph/graph_spec.hpp>
#include <agentflow/ports/checkpoint.hpp>
#include <agentflow/run/options.hpp>

#include "async/loop_guard.hpp"
#include "async/parking.hpp"
#include "graph/update_block.hpp"
#include "run/plan.hpp"
#include "run/watch.hpp"

namespace agentflow::detail {

class Engine;
class Journal;
class RunCore;
class Track;

/// What a task that can be gone on with remembers besides its attempt.
class TaskNote {
 public:
  struct Once {
    std::string bytes;
    bool stored = false;
    bool used = false;  // in the current attempt
  };
  struct Asked {
    std::uint32_t index;
    JsonValue payload;
  };
  std::uint32_t ordinal = 0;  // among the tasks of its node in the step
  std::string saved;          // what it changed, as it is stored
  bool stored = false;        // so that a resume does not run it again
  std::map<std::string, Once, std::less<>> once;
  std::uint32_t asks = 0;              // interrupts of the current attempt
  std::vector<Asked> asked;            // those that have no answer
  std::vector<std::uint32_t> refused;  // those whose answer does not fit

  void begin_attempt() noexcept {
    asks = 0;
    for (auto& [key, one] : once) one.used = false;
  }
};

/// One node to run in the current step, and all that belongs to the attempt.
class Task : public TaskInfo {
 public:
  Task() { io.context = &context; }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  // left: it asked something, or what it runs was stopped; it will run again.
  enum class State : std::uint8_t { waiting, running, finished, failed, left };

  NodeContext context{*this};
  Engine* engine = nullptr;
  const NodeSpec* spec = nullptr;
  NodeIO io;
  std::shared_ptr<const void> input;          // of a Send
  std::unique_ptr<Engine> child;              // of a subgraph
  std::unique_ptr<TaskNote> note;             // in a durable run, or once the node has used it
  asio::cancellation_signal* lane = nullptr;  // cancels the lane of a fan-out that the task is on
  asio::cancellation_signal signal;           // of the lane that the task is the first of
  State state = State::waiting;
  bool timed_out = false;
  bool was_idle = false;         // which limit it passed
  std::uint64_t generation = 0;  // tells a late timer from a current one
  std::uint32_t since_yield = 0;
};

/// The super-step machine of one graph within a run; subgraphs have engines of their own. All of it runs on the run's
/// one strand of control.
class Engine {
 public:
  /// `parent_task` is the task of the enclosing graph that this engine runs for, or null.
  Engine(RunCore& run, const GraphSpec& spec, std::string path, int depth, Task* parent_task);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// What the machine needs before it can go on.
  enum class Need : std::uint8_t { nothing, one, many, route, commit, yield, room };

  void begin(StateBox state);
  /// Makes it the engine of a durable run, whose steps are recorded on a track.
  void attach(Track& track) noexcept { track_ = &track; }
  Track* track() const noexcept { return track_; }
  /// Takes the frontier of a stored checkpoint in place of that after START.
  void restore(StateBox state, const JsonValue& body, std::uint64_t step,
               const std::map<std::string, std::string>& renames);
  /// Has nothing to run: the state is that of a finished run.
  void finish(StateBox state);
  /// Is about to merge what `node` changed, though it did not run, to route from there, and to stop.
  void pretend(NodeId node, UpdateBox update, std::uint64_t step);
  /// Stops after the next checkpoint.
  void hold() noexcept { pretending_ = true; }
  void end_held() noexcept {
    from_start_ = false;
    phase_ = Phase::done;
  }
  /// Follows START as far as no router is asked; false where one has to be.
  bool follow_start();
  /// Writes what a checkpoint of this moment says, and stages it. The run goes on when it is committed.
  void stage_checkpoint(checkpoint_kind kind, std::string_view update);
  /// Drives to the end, and keeps what was finished when that fails.
  asio::awaitable<void> drive_durable();
  /// Goes on until something has to be awaited or the graph is finished (`nothing`). Throws when the run fails.
  Need advance();
  /// Advances to the end, awaiting what is needed. A `borrowed` coroutine is the one that asked for the run: its
  /// cancellation is the run's, and its cancellation state is not ours to reset.
  asio::awaitable<void> drive(bool borrowed);

  StateBox take_state() noexcept { return std::move(state_); }
  run_status status() const noexcept { return status_; }
  /// The super-steps of this run; those before a resume apart.
  std::uint64_t steps() const noexcept { return steps_ - first_step_; }
  bool is_done() const noexcept { return phase_ == Phase::done; }
  RunCore& run() noexcept { return run_; }
  const std::string& path() const noexcept { return path_ ? *path_ : no_path_; }
  /// The task of the enclosing graph that this engine runs for, or null.
  Task* parent_task() const noexcept { return parent_task_; }
  const Engine* parent() const noexcept { return parent_task_ != nullptr ? parent_task_->engine : nullptr; }
  /// Names a task of the step, and where it asks for the (index + 1)-th time.
  std::string task_key(const Task& t) const;
  std::string place_in(const Task& t, std::uint32_t index) const;
  /// Stores the result of a `once` before the node goes on.
  asio::awaitable<void> store_once(const Task& t, std::string key, std::string bytes);

 private:
  enum class Phase : std::uint8_t { plan, running, merge, route, settle, done };

  // engine.cpp: the machine. Inline is what advance() calls in one place, some dozen instructions a step each.
  inline bool plan();
  inline void check_limits();
  void check_joins() const;
  void own(Task& t) noexcept;
  inline void make_tasks();
  Task& task(std::size_t i) noexcept { return i == 0 ? first_ : more_[i - 1]; }
  inline void prepare(Task& t);
  inline void choose_mode();
  inline void run_inline(Task& t);
  void finished(Task& t) {
    if (track_ != nullptr && !keeps(t)) return;
    t.state = Task::State::finished;
    if (watched_) publish_end(t);
  }
  void publish_end(Task& t);
  inline void merge();
  void merge_updates();
  [[noreturn]] void merge_failed(const Task& t, const std::exception_ptr& e) const;
  bool cancelled() const noexcept;
  [[noreturn]] void fail(Task& t, std::exception_ptr e);
  ErrorContext where(const Task& t) const;
  std::string path_of(const std::string& node) const;

  // routing.cpp
  bool route();
  bool route_from(const Outgoing& out, Task& t);
  void take_targets(Task& t);
  void take_route(const RouterSpec& router, Route route, const std::string& from);
  void enqueue(const Target& target, const std::string& from);
  void trigger(NodeId id);
  const RouterSpec& current_router() const;
  [[noreturn]] void routing_failed(const std::string& from, const std::string& why, std::exception_ptr cause);

  // durable.cpp: checkpoints
  asio::awaitable<void> commit_step();
  asio::awaitable<void> store_results();
  asio::awaitable<void> settle_for_others();
  asio::awaitable<void> run_durable_child(Task& t);
  asio::awaitable<void> open_child(Task& t);
  bool waits_for_none() const noexcept;
  bool complete() const noexcept;
  void note_tasks();
  void note_task(Task& t, std::uint32_t ordinal);
  bool keeps(Task& t);
  static void forget(Task& t) noexcept;
  void recall(Task& t);
  void save_result(Task& t);
  bool leaves(Task& t);
  void pause();
  void leave_results();
  void abandon() noexcept;
  std::optional<PendingWrite> result_of(const Task& t) const;
  void stage_stops(bool stepped);
  void write_frontier(JsonWriter& out) const;
  void write_planned(JsonWriter& out, const Planned& p) const;
  void write_input(JsonWriter& out, const NodeSpec& n, const void* input) const;
  void read_joins(const JsonReader& in, const std::map<std::string, std::string>& renames);
  std::vector<Planned> read_planned(const JsonReader& in, const std::map<std::string, std::string>& renames) const;
  std::shared_ptr<const void> read_input(const NodeSpec& n, const JsonReader& in) const;
  NodeId stored_node(const JsonReader& in, const std::map<std::string, std::string>& renames) const;
  Journal& journal() const noexcept;

  // fan_out.cpp: tasks beside each other
  asio::awaitable<void> run_many();
  asio::awaitable<void> keep_results();
  bool still_running() const noexcept;
  void begin_fan_out();
  Task* take_task() noexcept;
  void run_function(Task& t);
  void start_lane(const asio::any_io_executor& executor, Task& first);
  asio::awaitable<void> run_lane(Task& first);
  void task_done(Task& t, std::exception_ptr failure);
  void lane_over(Task& first, const std::exception_ptr& e);
  void cancel_running();

  // tasks.cpp: what is awaited
  asio::awaitable<void> meet(Need need);
  asio::awaitable<void> give_way(Need need);
  asio::awaitable<void> call(Task& t);
  asio::awaitable<void> run_task(Task& t);
  asio::awaitable<void> attempt(Task& t);
  asio::awaitable<void> run_elsewhere(Task& t);
  asio::awaitable<void> run_blocking(Task& t);
  asio::awaitable<void> run_child(Task& t);
  asio::awaitable<void> run_passing_child(Task& t);
  asio::awaitable<void> run_router();
  void notice(asio::cancellation_state state) noexcept;
  void make_child(Task& t);
  void enter_child(Task& t);
  void leave_child(Task& t);
  std::shared_ptr<Clock::Timer> arm(Task& t, const asio::any_io_executor& ex, Clock::time_point started);
  void on_timer(Task& t, std::uint64_t generation, bool idle);
  bool should_retry(Task& t, const std::exception_ptr& e) const;
  /// Reports that an attempt failed and is retried; gives the wait before the next.
  std::chrono::nanoseconds backoff(Task& t, const std::exception_ptr& e);
  void handle_error(Task& t, const std::exception_ptr& e);

  // watch.cpp: debug mode
  Watch* enter(Task& t, Part part);
  void enter_await(Task& t, Part part);
  void leave_await(Task& t);
  void await_begins(Task& t, Part part) {
    if (debug_) enter_await(t, part);
  }
  void await_ends(Task& t) {
    if (debug_) leave_await(t);
  }
  /// Around user code that does not suspend.
  class Entry {
   public:
    Entry(Engine& engine, Task& t, Part part) : watch_(engine.debug_ ? engine.enter(t, part) : nullptr) {}
    ~Entry() {
      if (watch_ != nullptr) watch_->leave();
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    UserCode mark_;
    Watch* watch_;
  };

  // events
  bool listens(stream_mode mode) const noexcept;
  void publish_node(Task& t, chunk_kind kind, std::string text = {});
  void publish_step(chunk_kind kind);
  void publish_values();
  void publish_result(Task& t);

  RunCore& run_;
  const GraphSpec& spec_;
  static const std::string no_path_;
  std::unique_ptr<const std::string> path_;  // of a subgraph
  const int depth_;
  Task* const parent_task_;
  StateBox state_;
  Phase phase_ = Phase::plan;
  run_status status_ = run_status::completed;
  std::uint64_t steps_ = 0;
  std::uint64_t first_step_ = 0;
  Track* track_ = nullptr;    // of a durable run
  bool pretending_ = false;   // no node runs
  bool step_open_ = false;    // its tasks are planned, and no checkpoint has them
  bool interrupted_ = false;  // a task waits for an answer
  std::uint32_t since_yield_ = 0;
  std::uint32_t sends_ = 0;

  Plan next_;
  std::vector<Planned> deferred_;
  std::vector<JoinProgress> joined_;

  Task first_;
  std::unique_ptr<Task[]> more_;
  std::size_t more_capacity_ = 0;
  UpdateBlock updates_;  // one for each task, reused from step to step
  std::size_t count_ = 0;
  bool in_place_ = false;
  bool watched_ = false;  // somebody may be listening
  bool debug_ = false;
  bool inline_ = false;
  bool borrowed_ = false;  // the driver is the coroutine that awaits the run
  bool cut_ = false;       // a stop kept a task from starting, or ended a subgraph early

  // routing position: task (count_ stands for START) and router
  std::size_t route_task_ = 0;
  std::size_t route_index_ = 0;
  bool from_start_ = false;

  /// The tasks of a step that run beside each other, on lanes: coroutines that take one task after another. A branch
  /// that never suspends leaves its lane to the next, so that only what waits costs a coroutine of its own.
  struct FanOut {
    std::vector<std::uint32_t> order;  // in which the tasks are started; empty: as planned
    std::size_t next = 0;              // to be started
    std::size_t active = 0;            // tasks that are under way
    std::size_t pending = 0;           // lanes that are, and whoever holds the join open besides
    Task* failed_task = nullptr;
    std::exception_ptr failure;
    std::exception_ptr storage_failure;
    ParkingSpot join;
  };
  std::unique_ptr<FanOut> fan_;  // once a step has fanned out
};

}  // namespace agentflow::detail
