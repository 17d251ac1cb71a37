// SPDX-License-Identifier: MIT
// The error hierarchy: codes, texts and nesting.
#include <agentflow/core/error.hpp>

#include <ostream>

#include <fmt/format.h>

namespace agentflow {

std::string_view code_name(errc code) noexcept {
  switch (code) {
    case errc::graph_invalid: return "GRAPH_000";
    case errc::graph_bad_name: return "GRAPH_001";
    case errc::graph_no_entry: return "GRAPH_002";
    case errc::graph_orphan: return "GRAPH_003";
    case errc::graph_unknown_name: return "GRAPH_004";
    case errc::graph_no_exit: return "GRAPH_005";
    case errc::graph_join_skipped: return "GRAPH_006";
    case errc::graph_parallel_writers: return "GRAPH_007";
    case errc::graph_bad_option: return "GRAPH_008";
    case errc::graph_input_mismatch: return "GRAPH_009";
    case errc::graph_duplicate_edge: return "GRAPH_010";
    case errc::node_failed: return "NODE_001";
    case errc::node_timeout: return "NODE_002";
    case errc::routing_failed: return "ROUTE_001";
    case errc::update_conflict: return "STATE_001";
    case errc::reducer_failed: return "STATE_002";
    case errc::bad_input: return "STATE_003";
    case errc::unknown_field: return "STATE_004";
    case errc::recursion_limit: return "RUN_001";
    case errc::cancelled: return "RUN_002";
    case errc::nested_loop: return "RUN_003";
    case errc::graph_closed: return "RUN_004";
    case errc::bad_config: return "RUN_005";
    case errc::bad_context: return "RUN_006";
    case errc::run_busy: return "RUN_007";
    case errc::interrupts_open: return "RUN_008";
    case errc::interrupt_unknown: return "RUN_009";
    case errc::not_durable: return "RUN_010";
    case errc::graph_changed: return "RUN_011";
    case errc::result_taken: return "RUN_012";
    case errc::model_auth: return "MODEL_001";
    case errc::model_quota: return "MODEL_002";
    case errc::model_rate_limited: return "MODEL_003";
    case errc::model_overloaded: return "MODEL_004";
    case errc::model_bad_request: return "MODEL_005";
    case errc::model_context_too_long: return "MODEL_006";
    case errc::model_refused: return "MODEL_007";
    case errc::model_timeout: return "MODEL_008";
    case errc::model_transport: return "MODEL_009";
    case errc::model_protocol: return "MODEL_010";
    case errc::model_stream_truncated: return "MODEL_011";
    case errc::model_budget: return "MODEL_012";
    case errc::http_bad_request: return "HTTP_001";
    case errc::http_plain: return "HTTP_002";
    case errc::http_connect: return "HTTP_003";
    case errc::http_tls: return "HTTP_004";
    case errc::http_timeout: return "HTTP_005";
    case errc::http_transport: return "HTTP_006";
    case errc::http_limit: return "HTTP_007";
    case errc::timed_out: return "ASYNC_001";
    case errc::shutdown_requested: return "ASYNC_002";
    case errc::closed: return "ASYNC_003";
    case errc::json_syntax: return "JSON_001";
    case errc::json_type: return "JSON_002";
    case errc::json_missing: return "JSON_003";
    case errc::json_unknown: return "JSON_004";
    case errc::json_limit: return "JSON_005";
    case errc::json_encoding: return "JSON_006";
    case errc::not_serializable: return "JSON_007";
    case errc::schema_invalid: return "SCHEMA_001";
    case errc::schema_unsupported: return "SCHEMA_002";
    case errc::schema_mismatch: return "SCHEMA_003";
    case errc::tool_invalid: return "TOOL_001";
    case errc::tool_failed: return "TOOL_002";
    case errc::agent_invalid: return "AGENT_001";
    case errc::output_invalid: return "AGENT_002";
    case errc::prompt_invalid: return "AGENT_003";
    case errc::resource_exhausted: return "SYS_001";
    case errc::internal: return "SYS_002";
    case errc::deadlock: return "SYS_003";
    case errc::thread_busy: return "CHECKPOINT_001";
    case errc::thread_fenced: return "CHECKPOINT_002";
    case errc::checkpoint_missing: return "CHECKPOINT_003";
    case errc::checkpoint_damaged: return "CHECKPOINT_004";
    case errc::checkpoint_conflict: return "CHECKPOINT_005";
    case errc::storage_unavailable: return "CHECKPOINT_006";
    case errc::storage_version: return "CHECKPOINT_007";
    case errc::storage_forked: return "CHECKPOINT_008";
  }
  return "SYS_002";
}

struct error::Details {
  errc code;
  std::string message;
  ErrorContext context;
  std::string what;
};

namespace {

std::string compose(errc code, const std::string& message, const ErrorContext& c) {
  std::string out = fmt::format("{}: {}", code_name(code), message);
  std::string where;
  auto add = [&where](std::string_view key, const auto& value) {
    fmt::format_to(std::back_inserter(where), "{}{}={}", where.empty() ? " [" : ", ", key, value);
  };
  if (!c.node().empty()) add("node", c.node());
  if (c.step() != 0) add("step", c.step());
  if (c.attempt() != 0) add("attempt", c.attempt());
  if (!c.field().empty()) add("field", c.field());
  if (!c.thread_id().empty()) add("thread", c.thread_id());
  if (!c.run_id().empty()) add("run", c.run_id());
  if (!where.empty()) out += where + "]";
  return out;
}

errc only_code(const std::vector<GraphProblem>& problems) {
  return problems.size() == 1 ? problems.front().code : errc::graph_invalid;
}

std::string list_problems(const std::vector<GraphProblem>& problems) {
  if (problems.size() == 1) return problems.front().message;
  std::string out = fmt::format("the graph has {} problems", problems.size());
  for (const auto& p : problems) out += fmt::format("\n  {}: {}", code_name(p.code), p.message);
  return out;
}

/// What foreign exceptions say may be nothing at all.
const char* what_of(const std::exception& e) noexcept {
  const char* text = e.what();
  return text != nullptr ? text : "(an exception without a text)";
}

void append_chain(std::string& out, const std::exception_ptr& e, int depth) {
  if (!e || depth > 16) return;
  if (depth > 0) out += "\n" + std::string(static_cast<std::size_t>(depth) * 2, ' ') + "caused by: ";
  std::exception_ptr next;
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    out += what_of(x);
    if (const auto* nested = dynamic_cast<const std::nested_exception*>(&x)) next = nested->nested_ptr();
  } catch (const std::string& text) {
    out += "std::string: " + text;
  } catch (const char* text) {
    out += std::string("const char*: ") + (text != nullptr ? text : "(null)");
  } catch (int value) {
    out += fmt::format("int: {}", value);
  } catch (...) {
    out += "an object that is not a std::exception";
  }
  append_chain(out, next, depth + 1);
}

}  // namespace

error::error(errc code, std::string message, ErrorContext context) {
  auto d = std::make_shared<Details>();
  d->code = code;
  d->what = compose(code, message, context);
  d->message = std::move(message);
  d->context = std::move(context);
  details_ = std::move(d);
}
error::~error() = default;
const char* error::what() const noexcept { return details_->what.c_str(); }
errc error::code() const noexcept { return details_->code; }
const std::string& error::message() const noexcept { return details_->message; }
const ErrorContext& error::context() const noexcept { return details_->context; }
std::exception_ptr error::cause() const noexcept {
  const auto* nested = dynamic_cast<const std::nested_exception*>(this);
  return nested != nullptr ? nested->nested_ptr() : nullptr;
}

graph_error::graph_error(std::vector<GraphProblem> problems)
    : error(only_code(problems), list_problems(problems)),
      problems_(std::make_shared<const std::vector<GraphProblem>>(std::move(problems))) {}
graph_error::~graph_error() = default;
bool graph_error::has(errc code) const noexcept {
  for (const auto& p : *problems_)
    if (p.code == code) return true;
  return false;
}

timeout_error::timeout_error(std::string message, std::chrono::nanoseconds limit, ErrorContext context)
    : timeout_error(errc::node_timeout, std::move(message), limit, std::move(context)) {}
timeout_error::timeout_error(errc code, std::string message, std::chrono::nanoseconds limit, ErrorContext context)
    : error(code, std::move(message), std::move(context)), limit_(limit) {}
timeout_error::~timeout_error() = default;

recursion_error::recursion_error(std::uint64_t limit, ErrorContext context)
    : error(errc::recursion_limit,
            fmt::format("the run did not reach END within {} steps; if the graph is meant to go on, raise "
                        "RunConfig::recursion_limit, else check the routing of its loop",
                        limit),
            std::move(context)),
      limit_(limit) {}
recursion_error::~recursion_error() = default;

shutdown_requested_error::shutdown_requested_error(std::string message, int signal)
    : error(errc::shutdown_requested, std::move(message)), signal_(signal) {}
shutdown_requested_error::~shutdown_requested_error() = default;

node_error::~node_error() = default;
routing_error::~routing_error() = default;
state_error::~state_error() = default;
cancelled_error::~cancelled_error() = default;
nested_loop_error::~nested_loop_error() = default;
graph_closed_error::~graph_closed_error() = default;
config_error::~config_error() = default;
resume_error::~resume_error() = default;
json_error::~json_error() = default;
storage_error::~storage_error() = default;

checkpoint_damaged_error::checkpoint_damaged_error(std::string message, std::string last_good, ErrorContext context)
    : storage_error(errc::checkpoint_damaged, std::move(message), std::move(context)),
      last_good_(std::make_shared<const std::string>(std::move(last_good))) {}
checkpoint_damaged_error::~checkpoint_damaged_error() = default;

std::string describe(const std::exception& e) {
  std::string out = what_of(e);
  if (const auto* nested = dynamic_cast<const std::nested_exception*>(&e)) append_chain(out, nested->nested_ptr(), 1);
  return out;
}

std::string describe(const std::exception_ptr& e) {
  std::string out;
  append_chain(out, e, 0);
  return out;
}

std::ostream& operator<<(std::ostream& out, const error& e) {
  return out << describe(static_cast<const std::exception&>(e));
}

}  // namespace agentflow
