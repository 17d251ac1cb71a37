// SPDX-License-Identifier: MIT
// NodeContext: what a running node may know and do besides its state.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <asio/awaitable.hpp>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/core/ids.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/graph/chunk.hpp>
#include <agentflow/graph/interrupt.hpp>

namespace agentflow {

class Store;

namespace detail {
/// What `NodeContext::once` gives for a function.
template <class F>
struct OnceResult {
  using type = std::invoke_result_t<F&>;
  static constexpr bool awaits = false;
};
template <class F>
  requires requires(F& fn) { []<class T>(asio::awaitable<T>) {}(fn()); }
struct OnceResult<F> {
  template <class T>
  static T result_of(const asio::awaitable<T>*);
  using type = decltype(result_of(static_cast<std::invoke_result_t<F&>*>(nullptr)));
  static constexpr bool awaits = true;
};
}  // namespace detail

/// How much a log line matters; the levels of the injected logger.
enum class log_level { trace, debug, info, warn, error };

/// Where a run's events go. Implemented by the run; nodes see it through their context.
class AGENTFLOW_VISIBLE EventSink {
 public:
  virtual ~EventSink();
  virtual bool listens(stream_mode mode) const noexcept = 0;
  /// Queues a chunk, past the bound if need be; false when the queue is now full.
  virtual bool push(Chunk chunk) = 0;
  virtual bool full() const noexcept = 0;
  /// Waits until the queue has room or the stream has ended.
  virtual asio::awaitable<void> room() = 0;
};

/// Where a run's log lines go.
class AGENTFLOW_VISIBLE LogSink {
 public:
  virtual ~LogSink();
  virtual bool enabled(log_level level) const noexcept = 0;
  virtual void log(log_level level, std::string_view message) = 0;
};

/// What all tasks of one run share.
class RunInfo {
 public:
  RunId run_id;
  std::string thread_id;
  std::shared_ptr<Clock> clock;
  Store* store = nullptr;
  std::shared_ptr<void> user;
  const std::type_info* user_type = nullptr;
  std::unique_ptr<EventSink> events;
  std::unique_ptr<LogSink> logger;
  std::atomic<bool> stop_requested{false};
  std::atomic<bool> cancelled{false};
};

/// One task, as the engine keeps it; the part a context shows.
class TaskInfo {
 public:
  RunInfo* run = nullptr;
  const std::string* node = nullptr;
  const std::string* path = nullptr;
  std::uint64_t step = 0;
  std::uint32_t index = 0;
  int attempt = 1;
  std::atomic<bool> cancel_requested{false};
  std::atomic<Clock::duration::rep> last_sign{0};
  std::shared_ptr<const Chunk::Origin> origin;  // made when the first chunk is
};

/// What a running node may know and do besides its state. A node takes it as its second parameter, by reference.
///
/// **Thread safety** Used by one node at a time; `write`, `log`, `stop_requested` and the accessors may be called from
/// the thread the node runs on, also on a blocking pool.
/// **Lifetime** Valid until the node returns; it must not be kept.
class AGENTFLOW_API NodeContext {
 public:
  explicit NodeContext(TaskInfo& task) noexcept : task_(&task) {}
  NodeContext(const NodeContext&) = delete;
  NodeContext& operator=(const NodeContext&) = delete;

  const RunId& run_id() const noexcept { return task_->run->run_id; }
  /// The thread the run belongs to; empty where none was given.
  const std::string& thread_id() const noexcept { return task_->run->thread_id; }
  const std::string& node() const noexcept { return *task_->node; }
  /// The subgraphs this node is in, from the outside in, as "outer/inner".
  const std::string& path() const noexcept { return *task_->path; }
  /// The super-step, from 1.
  std::uint64_t step() const noexcept { return task_->step; }
  /// The task within its step, from 0; tells apart the Sends to one node.
  std::uint32_t task() const noexcept { return task_->index; }
  /// The attempt, from 1.
  int attempt() const noexcept { return task_->attempt; }

  /// Whether the run was asked to stop: long work should end soon and return what it has.
  bool stop_requested() const noexcept { return task_->run->stop_requested.load(std::memory_order_relaxed); }
  /// Whether this task is being cancelled: by its limits, by the failure of another task of its step, with its run, or
  /// with the subgraph it is in. A function on a blocking pool should ask at times. A coroutine need not: what it
  /// awaits is cancelled for it, and must not be ignored. Only in an `ainvoke` that is awaited on a strand or a
  /// single-threaded loop, and is cancelled by who awaits it, does the throwing wait come first, and this be true once
  /// the node has returned.
  bool cancelled() const noexcept;
  /// Throws `cancelled_error` if this task is being cancelled.
  void throw_if_cancelled() const;

  Clock& clock() const noexcept { return *task_->run->clock; }
  /// Waits on the graph's clock. **Cancellation** throws `cancelled_error` at once.
  asio::awaitable<void> sleep(std::chrono::nanoseconds duration);

  /// Starts something that goes on behind the run and that nobody waits for, such as an audit record: on the run's
  /// event loop, limited in time if wanted. What it throws is logged. Closing the graph waits for it; `invoke()` and
  /// `stream()`, whose loop is their own, wait for it too, for `CompileOptions::shutdown_timeout` at most. It must own
  /// what it uses: the node, and this context, are gone when it runs.
  ///
  /// **Errors** `graph_closed_error` or `errc::closed` when the graph is being closed and its tasks are; `errc::
  /// resource_exhausted` when 1,000 run already.
  void background(std::string name, asio::awaitable<void> work, std::optional<std::chrono::nanoseconds> limit = {});

  /// The application's own object, given with `RunConfig::context`. **Errors** `config_error` (`errc::bad_context`) if
  /// there is none or it has another type.
  template <class T>
  T& user() const {
    return *static_cast<T*>(user_object(typeid(T)));
  }

  /// What the graph remembers beyond its threads, given with `CompileOptions::store`; include
  /// <agentflow/ports/store.hpp>.
  /// **Errors** `config_error` (`errc::bad_config`) if the graph has none.
  Store& store() const;

  /// Whether anybody listens to this mode: work for nobody need not be done.
  bool listens(stream_mode mode) const noexcept {
    return task_->run->events != nullptr && task_->run->events->listens(mode);
  }
  /// Writes data to the stream (mode custom); waits while the consumer is behind.
  asio::awaitable<void> emit(JsonValue data);
  /// Writes a piece of a message's text (mode messages); waits while the consumer is behind. Give each message one id,
  /// and return the message with that id: it is not delivered twice.
  asio::awaitable<void> emit_token(std::string text, std::string message_id = {});
  /// The same for plain functions: never waits. The run waits for the consumer before its next step instead.
  void write(JsonValue data);
  void write_token(std::string text, std::string message_id = {});
  /// Shows that the node is alive, for its idle timeout; events do so too.
  void heartbeat() noexcept;

  /// Asks a human: the run lets what runs beside finish, and ends as `interrupted` with this payload in
  /// `RunResult::interrupts`. When it is gone on with, the node runs again from its beginning, and this gives the
  /// answer, read as a `T`. Several in one node are told apart by their order, which must be the same every time.
  ///
  /// ```cpp
  /// const bool agreed = co_await ctx.interrupt<bool>("Send the mail?");
  /// ```
  /// Payload and answer are anything with a JSON mapping. What runs before it runs twice: put work that must not into
  /// `once`. Let the exception that this throws pass; a node that swallows it is interrupted all the same.
  ///
  /// **Errors** `config_error` (`errc::not_durable`) in a run that is not stored, or in a subgraph without memory;
  /// `json_error` when the answer is no `T`; if the node fails with it, the question is open again.
  template <class T = JsonValue, class P = JsonValue>
  asio::awaitable<T> interrupt(P payload = {}) {
    std::uint32_t index = 0;
    auto work = ask(detail::json_of(payload), index);
    const JsonValue answer = co_await std::move(work);
    std::optional<T> value;
    try {
      value.emplace(from_json_value<T>(answer));
    } catch (const json_error&) {
      refuse_answer(index);
      throw;
    }
    co_return std::move(*value);
  }

  /// Does something once: runs `fn`, plain or a coroutine, records what it gives, and goes on; when the node runs
  /// again, in a retry, after an interrupt or in another process, it gives what was recorded. The result is nothing or
  /// has a JSON mapping. If the process dies while `fn` runs, or before its result is stored, `fn` runs again: pass
  /// `idempotency_key()` on to whoever can tell a repetition.
  ///
  /// On g++ 12 name a lambda that captures before you await with it: `auto pay = [id] { ... }; co_await ctx.once("pay",
  /// pay);`.
  ///
  /// **Units/limits** The key is 1 to 255 bytes without control characters, and the same for the same thing.
  /// **Errors** what `fn` throws (then nothing is recorded), and what the checkpointer does.
  /// **Cancellation** that of `fn`; recording is not interrupted.
  template <class F>
  auto once(std::string key, F fn) -> asio::awaitable<typename detail::OnceResult<F>::type> {
    using R = typename detail::OnceResult<F>::type;
    const std::optional<JsonValue> known = recall(key);
    if constexpr (std::is_void_v<R>) {
      if (known) co_return;
      if constexpr (detail::OnceResult<F>::awaits) {
        auto work = fn();
        co_await std::move(work);
      } else {
        fn();
      }
      auto kept = record(std::move(key), JsonValue());
      co_await std::move(kept);
    } else {
      if (known) {
        R value = from_json_value<R>(*known);
        co_return value;
      }
      std::optional<R> value;
      if constexpr (detail::OnceResult<F>::awaits) {
        auto work = fn();
        value.emplace(co_await std::move(work));
      } else {
        value.emplace(fn());
      }
      auto kept = record(std::move(key), to_json_value(*value));
      co_await std::move(kept);
      co_return std::move(*value);
    }
  }

  /// Names this execution of the task: the same when it is retried or gone on with after a crash, another for any other
  /// task. For services that take such a key, so that what is done twice counts once.
  std::string idempotency_key() const;

  /// Writes to the graph's logger with the fields of this task; nothing where the graph has none.
  void log(log_level level, std::string_view message) const;

  /// For the library.
  TaskInfo& info() noexcept { return *task_; }
  void* user_object(const std::type_info& wanted) const;

 private:
  asio::awaitable<JsonValue> ask(JsonValue payload, std::uint32_t& index);
  void refuse_answer(std::uint32_t index);
  std::optional<JsonValue> recall(const std::string& key) const;
  asio::awaitable<void> record(std::string key, JsonValue value);
  Chunk make(chunk_kind kind);

  TaskInfo* task_;
};

}  // namespace agentflow
