// SPDX-License-Identifier: MIT
// What NodeContext offers, on the run behind it.
#include <agentflow/graph/context.hpp>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "async/sleep_on.hpp"
#include "run/engine.hpp"
#include "run/run_core.hpp"

namespace agentflow {

namespace {

/// In debug mode: a context belongs to the node, and is of no use where the node does not run.
void check_thread(TaskInfo& info) {
  auto& task = static_cast<detail::Task&>(info);
  detail::RunCore& run = task.engine->run();
  if (run.debug() == nullptr || !run.launched()) return;
  if (task.spec == nullptr || task.spec->kind == node_kind::blocking) return;
  const detail::Watch* watch = detail::Watch::current();
  if (watch != nullptr && watch->belongs_to(run)) return;
  task.context.log(log_level::warn, "the node's context is used on a thread that does not run the node");
}

}  // namespace

void NodeContext::throw_if_cancelled() const {
  if (cancelled())
    throw cancelled_error(errc::cancelled, "the task was cancelled", ErrorContext().node(node()).step(step()));
}

asio::awaitable<void> NodeContext::sleep(std::chrono::nanoseconds duration) {
  check_thread(*task_);
  co_await detail::sleep_on(clock(), duration);
}

void NodeContext::background(std::string name, asio::awaitable<void> work,
                             std::optional<std::chrono::nanoseconds> limit) {
  static_cast<detail::Task&>(*task_).engine->run().spawn_background(std::move(name), std::move(work), limit);
}

void* NodeContext::user_object(const std::type_info& wanted) const {
  const RunInfo& run = *task_->run;
  if (run.user == nullptr)
    throw config_error(errc::bad_context,
                       "the run has no user context: give one with RunConfig().context(std::make_shared<T>(...))",
                       ErrorContext().node(node()).step(step()));
  if (*run.user_type != wanted)
    throw config_error(
        errc::bad_context,
        fmt::format("the run's user context has type {}, the node asks for {}", run.user_type->name(), wanted.name()),
        ErrorContext().node(node()).step(step()));
  return run.user.get();
}

Chunk NodeContext::make(chunk_kind kind) {
  check_thread(*task_);
  if (!task_->origin)
    task_->origin =
        std::make_shared<Chunk::Origin>(task_->run->run_id, task_->run->thread_id, *task_->node, *task_->path);
  heartbeat();
  Chunk chunk(kind, task_->origin, task_->step, task_->run->clock->wall_now());
  return std::move(chunk).with_task(task_->index);
}

void NodeContext::heartbeat() noexcept {
  const auto now = task_->run->clock->now().time_since_epoch().count();
  // A subgraph is alive as long as what it runs is.
  for (auto* t = static_cast<detail::Task*>(task_); t != nullptr; t = t->engine->parent_task())
    t->last_sign.store(now, std::memory_order_relaxed);
}

void NodeContext::write(JsonValue data) {
  if (!listens(stream_mode::custom)) {
    heartbeat();
    return;
  }
  task_->run->events->push(make(chunk_kind::custom).with_data(std::move(data)));
}

void NodeContext::write_token(std::string text, std::string message_id) {
  if (!listens(stream_mode::messages)) {
    heartbeat();
    return;
  }
  auto& run = static_cast<detail::Task&>(*task_).engine->run();
  if (!message_id.empty()) run.channel()->streamed(message_id, true);
  task_->run->events->push(make(chunk_kind::token).with_text(std::move(text), std::move(message_id)));
}

namespace {

bool full(const RunInfo& run) { return run.events != nullptr && run.events->full(); }

/// Whether a node that has emitted must wait: for room, or to give way, so that one which only emits can be cancelled.
bool should_pause(detail::Task& t) {
  return full(*t.run) || t.engine->run().cancel_requested() || ++t.since_yield >= 64;
}

asio::awaitable<void> pause(detail::Task& t) {
  t.since_yield = 0;
  if (full(*t.run))
    co_await t.run->events->room();
  else
    co_await asio::post(asio::use_awaitable);
}

}  // namespace

asio::awaitable<void> NodeContext::emit(JsonValue data) {
  write(std::move(data));
  auto& task = static_cast<detail::Task&>(*task_);
  if (should_pause(task)) co_await pause(task);
}

asio::awaitable<void> NodeContext::emit_token(std::string text, std::string message_id) {
  write_token(std::move(text), std::move(message_id));
  auto& task = static_cast<detail::Task&>(*task_);
  if (should_pause(task)) co_await pause(task);
}

void NodeContext::log(log_level level, std::string_view message) const {
  LogSink* sink = task_->run->logger;
  if (sink == nullptr || !sink->enabled(level)) return;
  sink->log(level, fmt::format("{}{}{} step={} attempt={}: {}", path(), path().empty() ? "" : "/", node(), step(),
                               attempt(), message));
}

}  // namespace agentflow
