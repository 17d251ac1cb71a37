// SPDX-License-Identifier: MIT
// ShutdownStats as text.
#include <agentflow/async/shutdown_stats.hpp>

#include <ostream>

#include <agentflow/core/json_writer.hpp>

namespace agentflow {
namespace {

double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

void write(JsonWriter& w, std::string_view name, const ShutdownPart& part) {
  w.key(name);
  w.begin_object();
  w.key("status");
  w.string(to_string(part.status));
  if (part.status != shutdown_status::none) {
    w.key("completed");
    w.unsigned_integer(part.completed);
    w.key("failed");
    w.unsigned_integer(part.failed);
    w.key("cancelled");
    w.unsigned_integer(part.cancelled);
    w.key("abandoned");
    w.unsigned_integer(part.abandoned);
    w.key("duration");
    w.number(seconds(part.duration));
  }
  if (!part.error.empty()) {
    w.key("error");
    w.string(part.error);
  }
  w.end_object();
}

bool is_clean(const ShutdownPart& part) noexcept {
  return (part.status == shutdown_status::none || part.status == shutdown_status::completed) && part.failed == 0;
}

}  // namespace

std::string_view to_string(shutdown_status status) noexcept {
  switch (status) {
    case shutdown_status::none: return "none";
    case shutdown_status::completed: return "completed";
    case shutdown_status::cancelled: return "cancelled";
    case shutdown_status::timed_out: return "timed_out";
    case shutdown_status::failed: return "failed";
  }
  return "unknown";
}

bool ShutdownStats::clean() const noexcept {
  return is_clean(runs) && is_clean(background_tasks) && is_clean(checkpointer) && is_clean(publisher) &&
         is_clean(store) && !deadline_exceeded;
}

std::string ShutdownStats::to_json() const {
  std::string out;
  JsonWriter w(out);
  w.begin_object();
  write(w, "runs", runs);
  write(w, "background_tasks", background_tasks);
  write(w, "checkpointer", checkpointer);
  write(w, "publisher", publisher);
  write(w, "store", store);
  w.key("total");
  w.number(seconds(total));
  w.key("deadline_exceeded");
  w.boolean(deadline_exceeded);
  w.end_object();
  return out;
}

std::string to_string(const ShutdownStats& stats) { return stats.to_json(); }
std::ostream& operator<<(std::ostream& out, const ShutdownStats& stats) { return out << stats.to_json(); }

}  // namespace agentflow
