// SPDX-License-Identifier: MIT
// What NodeContext offers, on the run behind it.
#include <agentflow/graph/context.hpp>

#include <fmt/format.h>

#include "run/engine.hpp"
#include "run/run_core.hpp"

namespace agentflow {

void NodeContext::throw_if_cancelled() const {
  if (cancelled()) throw cancelled_error(errc::cancelled, "the task was cancelled", ErrorContext().node(node()).step(step()));
}

asio::awaitable<void> NodeContext::sleep(std::chrono::nanoseconds duration) {
  co_await detail::sleep_on(clock(), duration);
}

void* NodeContext::user_object(const std::type_info& wanted) const {
  const RunInfo& run = *task_->run;
  if (run.user == nullptr)
    throw config_error(errc::bad_context, "the run has no user context: give one with RunConfig().context(std::make_shared<T>(...))",
                       ErrorContext().node(node()).step(step()));
  if (*run.user_type != wanted)
    throw config_error(errc::bad_context,
                       fmt::format("the run's user context has type {}, the node asks for {}", run.user_type->name(), wanted.name()),
                       ErrorContext().node(node()).step(step()));
  return run.user.get();
}

Chunk NodeContext::make(chunk_kind kind) {
  if (!task_->origin)
    task_->origin = std::make_shared<Chunk::Origin>(task_->run->run_id, task_->run->thread_id, *task_->node, *task_->path);
  heartbeat();
  Chunk chunk(kind, task_->origin, task_->step, task_->run->clock->wall_now());
  return std::move(chunk).with_task(task_->index);
}

void NodeContext::heartbeat() noexcept {
  task_->last_sign.store(task_->run->clock->now().time_since_epoch().count(), std::memory_order_relaxed);
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
  if (!message_id.empty()) run.streamed(message_id, true);
  task_->run->events->push(make(chunk_kind::token).with_text(std::move(text), std::move(message_id)));
}

asio::awaitable<void> NodeContext::emit(JsonValue data) {
  write(std::move(data));
  if (task_->run->events != nullptr && task_->run->events->full()) co_await task_->run->events->room();
}

asio::awaitable<void> NodeContext::emit_token(std::string text, std::string message_id) {
  write_token(std::move(text), std::move(message_id));
  if (task_->run->events != nullptr && task_->run->events->full()) co_await task_->run->events->room();
}

void NodeContext::log(log_level level, std::string_view message) const {
  LogSink* sink = task_->run->logger;
  if (sink == nullptr || !sink->enabled(level)) return;
  sink->log(level, fmt::format("{}{}{} step={} attempt={}: {}", path(), path().empty() ? "" : "/", node(), step(), attempt(), message));
}

}  // namespace agentflow
