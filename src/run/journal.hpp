// SPDX-License-Identifier: MIT
// Private: how one durable run stands with its checkpointer: lease, namespaces, commits, open questions.
#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/graph/graph_spec.hpp>
#include <agentflow/graph/interrupt.hpp>
#include <agentflow/ports/checkpointer.hpp>
#include <agentflow/run/options.hpp>
#include <agentflow/run/run_input.hpp>

#include "async/parking.hpp"

namespace agentflow::detail {

class Engine;
class RunCore;

/// The snapshot of a subgraph's first checkpoint of a call: its state is what the parent's task gives it again.
inline constexpr std::string_view entered_marker = "\"entered\"";

/// Where one graph stands in its namespace of the thread.
class Track {
 public:
  explicit Track(std::string name) : ns(std::move(name)) {}
  const std::string ns;
  CheckpointRef tip;         ///< The checkpoint that the step under way follows.
  std::uint64_t head = 0;    ///< The newest checkpoint of the namespace.
  std::size_t since = 0;     ///< Bytes of the records after the last snapshot.
  std::size_t snapshot = 0;  ///< Bytes of that.
  bool pending = false;      ///< There are pending writes at the tip.
  std::uint64_t call = 0;    ///< Of a subgraph: the checkpoint of the parent that this call follows.
  bool loaded = false;       ///< tip and head are known.
  std::map<std::string, std::string, std::less<>> writes;  ///< What was pending at the tip when it was loaded.
  UpdateBox pretended;                                     ///< What is changed from outside.
};

/// A question as it is stored: where it was asked, and what the user sees of it.
class Question {
 public:
  /// "ns@seq:task/index": what tells questions of a thread apart.
  std::string place;
  Interrupt shown;
  std::optional<JsonValue> answer;
  bool staged = false;
};

/// All that a run has to do with its checkpointer. Used on the run's strand, but for `commit_once`.
class Journal {
 public:
  Journal(RunCore& run, std::shared_ptr<Checkpointer> store, const CompileOptions& options);

  // ---- the life of a run (journal_open.cpp)
  /// Takes the thread, loads it, records the input and readies the engine.
  asio::awaitable<void> open(Engine& engine, RunInput& input);
  /// Stores how the run ended with what is left to be stored, and gives the thread back. Throws if that fails and the
  /// run had not failed. Both arguments are looked at when it is awaited: it may be made before there is an end.
  asio::awaitable<void> close(const Engine& engine, const std::exception_ptr& failure);

  // ---- for engines
  Track& track(const std::string& ns);
  /// Gives the newest checkpoint of a namespace, stored or staged, for a subgraph.
  asio::awaitable<std::optional<CheckpointChain>> load(std::string ns);
  /// A record after the tip of a track, with all but its contents.
  CheckpointRecord next_record(const Track& track, checkpoint_kind kind, std::uint64_t step) const;
  /// Whether the state should go into a record with a body of so many bytes.
  static bool wants_snapshot(const Track& track, std::size_t body) noexcept;
  /// Puts a record into the next commit, and drops what was pending before it; or throws, and nothing has changed.
  void stage(Track& track, CheckpointRecord record);
  void stage(PendingWrite write) { puts_.push_back(std::move(write)); }
  void stage_end(stored_status status, std::string detail);
  /// Commits what is staged, as the durability of the run says.
  asio::awaitable<void> settle();
  /// Waits until nothing that was staged is on its way any more.
  asio::awaitable<void> drain();
  /// Commits one write now. May be called on any thread, if nothing is staged or on its way.
  asio::awaitable<void> commit_once(PendingWrite write);
  /// Keeps a write for the end of the run.
  void leave(PendingWrite write) { left_.push_back(std::move(write)); }
  /// Whether a commit failed: then the run does.
  bool broken() const noexcept { return broken_; }
  bool writes_early() const noexcept { return mode_ != durability::exit; }

  // ---- interrupts
  bool has_questions() const noexcept { return !questions_.empty(); }
  /// A question that was open when the run was gone on with. May be called on any thread.
  const Question* question(std::string_view place) const noexcept;
  void ask(const Track& track, const std::string& node, const std::string& path, const std::string& task,
           std::string index, interrupt_kind kind, JsonValue payload);
  /// Takes back the open questions of a subgraph's namespace, because it begins anew.
  void withdraw(std::string_view ns);
  bool stops_before(std::string_view node) const { return before_.count(node) > 0; }
  bool stops_after(std::string_view node) const { return after_.count(node) > 0; }
  /// Stages what was asked; false if nothing was.
  bool stage_questions();
  std::vector<Interrupt> interrupts() const;
  const std::map<std::string, std::string>& renames() const noexcept;

  const GraphSpec& spec() const noexcept { return spec_; }
  std::string checkpoint_id() const;

  /// Rebuilds a state from a chain; `entered` is what a subgraph without a snapshot begins with.
  static StateBox rebuild(const StateOps& ops, const CheckpointChain& chain, StateBox entered = {});
  static void apply_body(const StateOps& ops, const JsonValue& body, StateBox& state);
  static std::vector<Question> read_questions(const std::vector<PendingWrite>& writes);
  static PendingWrite question_write(const Question& q, std::uint64_t seq);
  static PendingWrite answer_write(const Question& q, std::uint64_t seq, std::string bytes);
  static JsonValue parse_body(const CheckpointRecord& record);
  static std::string place_of(const std::string& ns, std::uint64_t seq, const std::string& task,
                              const std::string& index);
  /// Takes over where a chain ends.
  static void adopt(Track& track, const CheckpointChain& chain);

 private:
  asio::awaitable<void> claim();
  asio::awaitable<void> begin_turn(Engine& engine, RunInput& input, const CheckpointChain* chain);
  asio::awaitable<void> go_on(Engine& engine, const Resume& resume, const CheckpointChain& chain);
  asio::awaitable<void> edit(Engine& engine, RunInput& input, const CheckpointChain& chain);
  asio::awaitable<void> supersede(const CheckpointChain& chain);
  void take_answers(const Resume& resume);
  void check_graph(const CheckpointRecord& tip) const;
  CheckpointBatch& batch();
  CheckpointBatch take_batch();
  asio::awaitable<void> send(CheckpointBatch batch);
  /// Sends what is staged; where there is no memory for that, it is lost, and the run broken.
  asio::awaitable<void> send_staged();
  asio::awaitable<void> settle_later();
  void start_writer();
  void written(const std::exception_ptr& failure) noexcept;
  std::optional<stored_status> outcome(const Engine& engine, const std::exception_ptr& failure) const;
  RunCore& run_;
  const std::shared_ptr<Checkpointer> store_;
  const GraphSpec& spec_;
  const CompileOptions& options_;
  const durability mode_;
  std::uint64_t fingerprint_;
  std::optional<Lease> lease_;
  RunId turn_;  // the run as it is stored: a Resume goes on with the one that began
  std::map<std::string, std::unique_ptr<Track>> tracks_;
  std::vector<Question> questions_;               // open or answered when the run was gone on with; fixed from then on
  std::vector<Question> asked_;                   // by this run
  std::set<std::string, std::less<>> withdrawn_;  // ids
  std::set<std::string, std::less<>> before_, after_;
  std::string metadata_;

  std::optional<CheckpointBatch> batch_;  // staged
  std::size_t staged_ = 0;
  std::vector<PendingWrite> puts_, left_;
  std::vector<std::pair<std::string, std::uint64_t>> consumed_;  // namespaces and checkpoints
  bool opened_ = false;                                          // the run is, or is about to be, in the store
  bool ended_ = false;                                           // the status of the end is staged or stored
  bool broken_ = false;  // a commit failed: what is in memory is ahead of what is stored

  // async: one commit is on its way at a time
  bool writing_ = false;
  std::exception_ptr write_failure_;
  std::vector<std::shared_ptr<ParkingSpot>> waiters_;
};

/// The fingerprint of a graph: what a stored frontier depends on.
std::uint64_t fingerprint_of(const GraphSpec& spec);
/// Throws a `graph_error` that names what in a graph cannot be stored, and unknown names of interrupts.
void check_durable(const GraphSpec& spec, const CompileOptions& options);

}  // namespace agentflow::detail
