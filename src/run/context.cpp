// SPDX-License-Identifier: MIT
// What NodeContext offers, on the run behind it.
#include <agentflow/graph/context.hpp>

#include <algorithm>
#include <utility>

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <agentflow/core/checksum.hpp>

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

bool NodeContext::cancelled() const noexcept {
  if (task_->run->cancelled.load(std::memory_order_relaxed)) return true;
  for (const auto* t = static_cast<const detail::Task*>(task_); t != nullptr; t = t->engine->parent_task())
    if (t->cancel_requested.load(std::memory_order_relaxed)) return true;
  return false;
}

void NodeContext::throw_if_cancelled() const {
  if (cancelled())
    throw cancelled_error(errc::cancelled, "the task was cancelled", ErrorContext().node(node()).step(step()));
}

asio::awaitable<void> NodeContext::sleep(std::chrono::nanoseconds duration) {
  check_thread(*task_);
  return detail::sleep_on(clock(), duration);
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

Store& NodeContext::store() const {
  if (task_->run->store != nullptr) return *task_->run->store;
  throw config_error(errc::bad_config, "the graph has no store: compile it with CompileOptions().store(...)",
                     ErrorContext().node(node()).step(step()));
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

// ---- durable runs --------------------------------------------------------------------------------------------------

namespace {

/// What interrupt() throws: it leaves the node, and the engine takes it for no failure.
class Interrupted final : public std::exception {
 public:
  const char* what() const noexcept override { return "the node waits for an answer: let this exception pass"; }
};

detail::TaskNote& note_of(detail::Task& t) {
  if (t.state != detail::Task::State::running)
    throw config_error(errc::not_durable, "interrupt() and once() are for nodes, not for routers",
                       ErrorContext().node(*t.node).step(t.step));
  if (!t.note) t.note = std::make_unique<detail::TaskNote>();
  return *t.note;
}

}  // namespace

void NodeContext::refuse_answer(std::uint32_t index) {
  note_of(static_cast<detail::Task&>(*task_)).refused.push_back(index);
}

asio::awaitable<JsonValue> NodeContext::ask(JsonValue payload, std::uint32_t& index) {
  auto& task = static_cast<detail::Task&>(*task_);
  const detail::Track* track = task.engine->track();
  if (track == nullptr)
    throw config_error(errc::not_durable,
                       "interrupt() needs a graph with a checkpointer, RunConfig().thread_id(), and around it no "
                       "subgraph without memory",
                       ErrorContext().node(node()).step(step()));
  auto& note = note_of(task);
  index = note.asks++;
  const auto* known = task.engine->run().journal()->question(task.engine->place_in(task, index));
  if (known != nullptr && known->answer) co_return *known->answer;
  note.asked.push_back({index, std::move(payload)});
  throw Interrupted();
}

std::optional<JsonValue> NodeContext::recall(const std::string& key) const {
  if (key.empty() || key.size() > 255 ||
      std::any_of(key.begin(), key.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    throw config_error(errc::bad_config, "the key of once() has 1 to 255 bytes, without control characters",
                       ErrorContext().node(node()).step(step()));
  auto& task = static_cast<detail::Task&>(*task_);
  auto& once = note_of(task).once;
  const auto it = once.find(key);
  if (it == once.end()) return std::nullopt;
  if (std::exchange(it->second.used, true))
    throw config_error(errc::bad_config,
                       fmt::format("once(\"{}\") is called twice by one run of the node: give each thing that is to be "
                                   "done a key of its own",
                                   key),
                       ErrorContext().node(node()).step(step()));
  return JsonValue::parse(it->second.bytes, it->second.bytes.size());
}

asio::awaitable<void> NodeContext::record(std::string key, JsonValue value) {
  auto& task = static_cast<detail::Task&>(*task_);
  detail::Engine& engine = *task.engine;
  std::string bytes = value.dump();
  auto& once = note_of(task).once[key];
  once.bytes = std::move(bytes);
  once.used = true;
  if (engine.track() == nullptr || !engine.run().journal()->writes_early()) co_return;
  auto work = engine.store_once(task, std::move(key), once.bytes);
  co_await std::move(work);
  once.stored = true;
}

std::string NodeContext::idempotency_key() const {
  std::string text;
  const auto* task = static_cast<const detail::Task*>(task_);
  while (task != nullptr) {
    const detail::Engine& engine = *task->engine;
    const auto* track = engine.track();
    if (track != nullptr) {
      text += fmt::format("{}@{}.{:x}:{}\n{}", track->ns, track->tip.seq, track->tip.sum, engine.task_key(*task),
                          thread_id());
      break;
    }
    text += fmt::format("{}@{}:{}\n", *task->node, task->step, task->index);
    task = engine.parent_task();
    if (task == nullptr) text += run_id().to_string();
  }
  return fmt::format("{:016x}{:016x}", checksum64(text), checksum64(text, 1));
}

void NodeContext::log(log_level level, std::string_view message) const {
  LogSink* sink = task_->run->logger.get();
  if (sink == nullptr || !sink->enabled(level)) return;
  sink->log(level, fmt::format("{}{}{} step={} attempt={}: {}", path(), path().empty() ? "" : "/", node(), step(),
                               attempt(), message));
}

}  // namespace agentflow
