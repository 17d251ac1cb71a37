// SPDX-License-Identifier: MIT
// Every error of the library: one hierarchy, each with a code, where it happened, and what to do.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>

namespace agentflow {

/// What went wrong, in one word that programs can compare. `code_name` gives the printed form.
enum class errc {
  // Building a graph: reported together by `StateGraph::compile()`.
  graph_invalid,           ///< GRAPH_000: several problems; see `graph_error::problems()`.
  graph_bad_name,          ///< GRAPH_001: empty, reserved, duplicate or malformed node name.
  graph_no_entry,          ///< GRAPH_002: no entry point.
  graph_orphan,            ///< GRAPH_003: a node that no path from START reaches.
  graph_unknown_name,      ///< GRAPH_004: an edge, path map or option names a node that is not there.
  graph_no_exit,           ///< GRAPH_005: a node from which END cannot be reached.
  graph_join_skipped,      ///< GRAPH_006: a join waits for a branch that routing may skip.
  graph_parallel_writers,  ///< GRAPH_007: two nodes of one step declare writes to a one-writer field.
  graph_bad_option,        ///< GRAPH_008: an option is out of range or contradicts another.
  graph_input_mismatch,    ///< GRAPH_009: a node with an input of its own is reached by a plain edge.
  graph_duplicate_edge,    ///< GRAPH_010: the same edge twice.
  // Running a graph.
  node_failed,        ///< NODE_001: a node threw; the original is nested.
  node_timeout,       ///< NODE_002: a node or run passed its time limit.
  routing_failed,     ///< ROUTE_001: a router threw or named something that is not there.
  update_conflict,    ///< STATE_001: two tasks of one step wrote a one-writer field.
  reducer_failed,     ///< STATE_002: a reducer or a copy of the state threw.
  bad_input,          ///< STATE_003: the input does not fit the graph's state.
  unknown_field,      ///< STATE_004: a key the state does not declare.
  recursion_limit,    ///< RUN_001: more steps than `RunConfig::recursion_limit`.
  cancelled,          ///< RUN_002: the run was cancelled.
  nested_loop,        ///< RUN_003: a blocking call on a thread that runs an event loop.
  graph_closed,       ///< RUN_004: the graph is closed or closing.
  bad_config,         ///< RUN_005: an option of the run is out of range.
  bad_context,        ///< RUN_006: the node asked for a user context of another type.
  run_busy,           ///< RUN_007: the generator is in use elsewhere.
  interrupts_open,    ///< RUN_008: new input for a thread that waits for answers.
  interrupt_unknown,  ///< RUN_009: an answer to a question that is not open.
  not_durable,        ///< RUN_010: needs a checkpointer and a thread id.
  graph_changed,      ///< RUN_011: the thread was stopped in another graph than this one.
  result_taken,       ///< RUN_012: the result of the run was taken already; it is given once.
  // Asking a model: `model_error`.
  model_auth,              ///< MODEL_001: the key is missing, wrong, or not allowed to do this.
  model_quota,             ///< MODEL_002: the account has no credit left.
  model_rate_limited,      ///< MODEL_003: too many requests in too short a time.
  model_overloaded,        ///< MODEL_004: the provider has trouble of its own.
  model_bad_request,       ///< MODEL_005: the provider does not take the request as it is.
  model_context_too_long,  ///< MODEL_006: the conversation does not fit into the model.
  model_refused,           ///< MODEL_007: a filter of the provider refused the request.
  model_timeout,           ///< MODEL_008: no answer in time.
  model_transport,         ///< MODEL_009: no connection, or it was lost, or TLS failed.
  model_protocol,          ///< MODEL_010: an answer that is not what the provider promises, or past a limit.
  model_stream_truncated,  ///< MODEL_011: a stream ended before its end mark.
  model_budget,            ///< MODEL_012: the budget of tokens or money is used up.
  // HTTP: `http::http_error`.
  http_bad_request,  ///< HTTP_001: a request or an option that cannot be sent as it is.
  http_plain,        ///< HTTP_002: `http://` to another machine, which was not allowed.
  http_connect,      ///< HTTP_003: no connection: name, port or proxy.
  http_tls,          ///< HTTP_004: TLS failed, or the certificate is not to be trusted.
  http_timeout,      ///< HTTP_005: connecting, waiting or the whole exchange took too long.
  http_transport,    ///< HTTP_006: the connection was lost, or what came is not HTTP.
  http_limit,        ///< HTTP_007: a response past a limit.
  // The async toolkit.
  timed_out,           ///< ASYNC_001: `timeout` or a background task passed its limit.
  shutdown_requested,  ///< ASYNC_002: the program is to shut down; the operation was not started, or was cancelled.
  closed,              ///< ASYNC_003: it is closed or closing, and takes nothing new.
  // Data.
  json_syntax,         ///< JSON_001: text that is not JSON.
  json_type,           ///< JSON_002: a value of another type than expected, or out of range.
  json_missing,        ///< JSON_003: a required field is absent.
  json_unknown,        ///< JSON_004: a field that is not expected.
  json_limit,          ///< JSON_005: too deep, too long, or too many values.
  json_encoding,       ///< JSON_006: not UTF-8, or a number JSON cannot hold.
  not_serializable,    ///< JSON_007: a type without a JSON mapping.
  schema_invalid,      ///< SCHEMA_001: a JSON Schema that is malformed or past a limit.
  schema_unsupported,  ///< SCHEMA_002: a JSON Schema with a remote reference or a pattern that is not supported.
  schema_mismatch,     ///< SCHEMA_003: a value that does not fit its JSON Schema.
  // Tools and agents.
  tool_invalid,    ///< TOOL_001: a tool, or a set of tools, that cannot be offered to a model.
  tool_failed,     ///< TOOL_002: a tool could not do what it was called for.
  agent_invalid,   ///< AGENT_001: an agent was put together wrongly.
  output_invalid,  ///< AGENT_002: a model did not give the structured output that was asked for.
  prompt_invalid,  ///< AGENT_003: a prompt template is malformed or names an unknown field.
  // The system.
  resource_exhausted,  ///< SYS_001: a queue or pool is full.
  internal,            ///< SYS_002: a defect of the library; please report it.
  deadlock,            ///< SYS_003: a virtual loop has nothing left to run, but what it runs has not finished.
  // Storage: what checkpointers and stores throw.
  thread_busy,          ///< CHECKPOINT_001: another live owner holds the thread.
  thread_fenced,        ///< CHECKPOINT_002: the lease was lost: someone else owns the thread now.
  checkpoint_missing,   ///< CHECKPOINT_003: no such thread or checkpoint.
  checkpoint_damaged,   ///< CHECKPOINT_004: what is stored is not what was written.
  checkpoint_conflict,  ///< CHECKPOINT_005: a record that does not follow what is stored.
  storage_unavailable,  ///< CHECKPOINT_006: the disk is full, locked, read-only or failing; nothing was changed.
  storage_version,      ///< CHECKPOINT_007: written by a newer release, or not ours.
  storage_forked,       ///< CHECKPOINT_008: used in a child process after fork().
};

/// Gives the printed form of a code, such as "GRAPH_002".
AGENTFLOW_API std::string_view code_name(errc code) noexcept;

/// Where an error happened. Fields that do not apply are empty.
class ErrorContext {
 public:
  ErrorContext() = default;
  ErrorContext& node(std::string v) {
    node_ = std::move(v);
    return *this;
  }
  ErrorContext& step(std::uint64_t v) {
    step_ = v;
    return *this;
  }
  ErrorContext& attempt(int v) {
    attempt_ = v;
    return *this;
  }
  ErrorContext& run_id(std::string v) {
    run_id_ = std::move(v);
    return *this;
  }
  ErrorContext& thread_id(std::string v) {
    thread_id_ = std::move(v);
    return *this;
  }
  ErrorContext& field(std::string v) {
    field_ = std::move(v);
    return *this;
  }

  /// The node, with the path of its subgraphs: "outer/inner".
  const std::string& node() const noexcept { return node_; }
  /// The super-step, from 1; 0 where no step was running.
  std::uint64_t step() const noexcept { return step_; }
  /// The attempt of the node, from 1; 0 where no node was running.
  int attempt() const noexcept { return attempt_; }
  const std::string& run_id() const noexcept { return run_id_; }
  const std::string& thread_id() const noexcept { return thread_id_; }
  /// The field of the state, or the JSON path.
  const std::string& field() const noexcept { return field_; }

 private:
  std::string node_, run_id_, thread_id_, field_;
  std::uint64_t step_ = 0;
  int attempt_ = 0;
};

/// The base of everything the library throws.
///
/// `what()` is one line: code, message, then the context that is known. Where the error wraps another,
/// the thrown object also derives from `std::nested_exception`, so `std::rethrow_if_nested` works, and
/// `cause()` gives the original. Copying never throws.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe (immutable).
class AGENTFLOW_VISIBLE error : public std::exception {
 public:
  error(errc code, std::string message, ErrorContext context = {});
  error(const error&) noexcept = default;
  error& operator=(const error&) noexcept = default;
  ~error() override;

  const char* what() const noexcept override;
  errc code() const noexcept;
  /// The message without code and context.
  const std::string& message() const noexcept;
  const ErrorContext& context() const noexcept;
  /// The exception this one wraps, or null.
  std::exception_ptr cause() const noexcept;

 private:
  struct Details;
  std::shared_ptr<const Details> details_;
};

/// One defect of a graph, as `compile()` found it.
class GraphProblem {
 public:
  GraphProblem(errc c, std::string m, std::vector<std::string> n)
      : code(c), message(std::move(m)), names(std::move(n)) {}
  errc code;
  std::string message;             ///< What is wrong and what to do.
  std::vector<std::string> names;  ///< The nodes, edges or options involved.
};

/// Thrown by `compile()`: all problems of the graph at once. `code()` is that of the only problem,
/// or `errc::graph_invalid` when there are several.
class AGENTFLOW_VISIBLE graph_error : public error {
 public:
  explicit graph_error(std::vector<GraphProblem> problems);
  ~graph_error() override;
  const std::vector<GraphProblem>& problems() const noexcept { return *problems_; }
  /// Whether a problem with this code is among them.
  bool has(errc code) const noexcept;

 private:
  std::shared_ptr<const std::vector<GraphProblem>> problems_;
};

/// A node failed for good: its own exception is nested and in `cause()`.
class AGENTFLOW_VISIBLE node_error : public error {
 public:
  using error::error;
  ~node_error() override;
};

/// A limit in time was passed. `limit()` is that limit, not the time taken.
class AGENTFLOW_VISIBLE timeout_error : public error {
 public:
  /// With `errc::node_timeout`.
  timeout_error(std::string message, std::chrono::nanoseconds limit, ErrorContext context = {});
  timeout_error(errc code, std::string message, std::chrono::nanoseconds limit, ErrorContext context = {});
  ~timeout_error() override;
  std::chrono::nanoseconds limit() const noexcept { return limit_; }

 private:
  std::chrono::nanoseconds limit_;
};

/// A router threw, or named something that is not in the graph.
class AGENTFLOW_VISIBLE routing_error : public error {
 public:
  using error::error;
  ~routing_error() override;
};

/// Writes of one step do not fit together, or a reducer threw.
class AGENTFLOW_VISIBLE state_error : public error {
 public:
  using error::error;
  ~state_error() override;
};

/// The run needed more steps than its limit. `limit()` is the limit.
class AGENTFLOW_VISIBLE recursion_error : public error {
 public:
  recursion_error(std::uint64_t limit, ErrorContext context = {});
  ~recursion_error() override;
  std::uint64_t limit() const noexcept { return limit_; }

 private:
  std::uint64_t limit_;
};

/// The run was cancelled, by its owner or by cancelling the coroutine that awaited it.
class AGENTFLOW_VISIBLE cancelled_error : public error {
 public:
  using error::error;
  ~cancelled_error() override;
};

/// The program was asked to shut down (`GracefulShutdownManager`): the operation was not started, or was cancelled.
class AGENTFLOW_VISIBLE shutdown_requested_error : public error {
 public:
  /// The signal that asked for it; 0 for `request_shutdown()`.
  shutdown_requested_error(std::string message, int signal);
  ~shutdown_requested_error() override;
  int signal() const noexcept { return signal_; }

 private:
  int signal_;
};

/// A blocking call was made on a thread that is running an event loop. Nothing was started.
class AGENTFLOW_VISIBLE nested_loop_error : public error {
 public:
  using error::error;
  ~nested_loop_error() override;
};

/// The graph is closed, or closing: it starts no new runs.
class AGENTFLOW_VISIBLE graph_closed_error : public error {
 public:
  using error::error;
  ~graph_closed_error() override;
};

/// An option of a run, or what a caller passed to it, is wrong.
class AGENTFLOW_VISIBLE config_error : public error {
 public:
  using error::error;
  ~config_error() override;
};

/// A stored run cannot be gone on with in the way that was asked for. Nothing was changed.
class AGENTFLOW_VISIBLE resume_error : public error {
 public:
  using error::error;
  ~resume_error() override;
};

/// Text or a value that is not what a JSON mapping expects; `context().field()` is the path.
class AGENTFLOW_VISIBLE json_error : public error {
 public:
  using error::error;
  ~json_error() override;
};

/// Something that is stored, or should be, cannot be had. The code says why: see the CHECKPOINT codes.
class AGENTFLOW_VISIBLE storage_error : public error {
 public:
  using error::error;
  ~storage_error() override;
};

/// A stored checkpoint is not what was written (`errc::checkpoint_damaged`). Nothing was changed.
class AGENTFLOW_VISIBLE checkpoint_damaged_error : public storage_error {
 public:
  checkpoint_damaged_error(std::string message, std::string last_good, ErrorContext context = {});
  ~checkpoint_damaged_error() override;
  /// The id of the newest checkpoint on the way to the damaged one that is whole, with all that it needs: a run can
  /// go on from there. Empty if there is none.
  const std::string& last_good() const noexcept { return *last_good_; }

 private:
  std::shared_ptr<const std::string> last_good_;
};

/// Writes `what()` and then each nested cause on a line of its own, indented.
AGENTFLOW_API std::string describe(const std::exception& e);
/// The same for anything that was thrown, whatever its type.
AGENTFLOW_API std::string describe(const std::exception_ptr& e);
AGENTFLOW_API std::ostream& operator<<(std::ostream& out, const error& e);

}  // namespace agentflow
