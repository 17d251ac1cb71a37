// SPDX-License-Identifier: MIT
// The life of a run: start, drive, end; cancellation and waiting from any thread.
#include "run/run_core.hpp"

#include <algorithm>
#include <utility>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <spdlog/logger.h>

#include "async/inline_executor.hpp"
#include "core/json_text.hpp"

namespace agentflow {

std::string_view to_string(run_status status) noexcept {
  switch (status) {
    case run_status::completed: return "completed";
    case run_status::stopped: return "stopped";
    case run_status::interrupted: return "interrupted";
    case run_status::drained: return "drained";
  }
  return "unknown";
}

}  // namespace agentflow

namespace agentflow::detail {

// ---- the graph -----------------------------------------------------------------------------------------------------

GraphCore::GraphCore(std::shared_ptr<const GraphSpec> spec, CompileOptions options)
    : spec_(std::move(spec)), options_(std::move(options)) {
  check_durable(*spec_, options_);
  if (options_.checkpointer()) fingerprint_ = fingerprint_of(*spec_);
}

BlockingPool& GraphCore::pool() {
  std::lock_guard lock(mutex_);
  if (!pool_) pool_ = std::make_unique<BlockingPool>(options_.blocking_threads());
  return *pool_;
}

void GraphCore::add(RunCore& run) {
  std::lock_guard lock(mutex_);
  run.next_ = runs_;
  if (runs_ != nullptr) runs_->prev_ = &run;
  runs_ = &run;
}

void GraphCore::remove(RunCore& run) noexcept {
  std::lock_guard lock(mutex_);
  if (run.prev_ != nullptr)
    run.prev_->next_ = run.next_;
  else if (runs_ == &run)
    runs_ = run.next_;
  if (run.next_ != nullptr) run.next_->prev_ = run.prev_;
  run.next_ = run.prev_ = nullptr;
}

std::vector<std::shared_ptr<RunCore>> GraphCore::older_runs(const RunCore& run) {
  std::vector<std::shared_ptr<RunCore>> older;
  std::lock_guard lock(mutex_);
  for (RunCore* r = run.next_; r != nullptr; r = r->next_)
    if (r->info.thread_id == run.info.thread_id && r->begun_)
      if (auto alive = r->weak_from_this().lock()) older.push_back(std::move(alive));
  return older;
}

std::vector<std::shared_ptr<RunCore>> GraphCore::request_stop(std::string_view thread_id) {
  std::vector<std::shared_ptr<RunCore>> found;
  std::lock_guard lock(mutex_);
  for (RunCore* r = runs_; r != nullptr; r = r->next_)
    if (r->info.thread_id == thread_id)
      if (auto alive = r->weak_from_this().lock()) found.push_back(std::move(alive));
  for (auto& r : found) r->request_stop();
  // A stream that nobody has begun to read will stop at once when it is, which may be never: it is not waited for.
  std::erase_if(found, [](const auto& r) { return !r->begun_; });
  return found;
}

// ---- logging -------------------------------------------------------------------------------------------------------

namespace {
spdlog::level::level_enum level_of(log_level level) noexcept {
  switch (level) {
    case log_level::trace: return spdlog::level::trace;
    case log_level::debug: return spdlog::level::debug;
    case log_level::info: return spdlog::level::info;
    case log_level::warn: return spdlog::level::warn;
    case log_level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}
}  // namespace

bool RunLog::enabled(log_level level) const noexcept { return logger_->should_log(level_of(level)); }

void RunLog::log(log_level level, std::string_view message) {
  logger_->log(level_of(level), "run={}{}{} {}", info_.run_id.to_string(),
               info_.thread_id.empty() ? "" : " thread=", info_.thread_id, message);
}

// ---- the run -------------------------------------------------------------------------------------------------------

namespace {

void check(const RunConfig& c) {
  const auto& id = c.thread_id();
  if (id.size() > 255 || find_invalid_utf8(id) != all_valid ||
      std::any_of(id.begin(), id.end(), [](unsigned char ch) { return ch < 0x20 || ch == 0x7f; }))
    throw config_error(errc::bad_config, "thread_id is longer than 255 bytes, not UTF-8, or has control characters");
  if (c.recursion_limit() == 0) throw config_error(errc::bad_config, "recursion_limit must be at least 1");
  if (c.timeout() && *c.timeout() <= std::chrono::nanoseconds::zero())
    throw config_error(errc::bad_config, "the timeout of a run must be positive");
  if (!c.checkpoint().empty() && c.thread_id().empty())
    throw config_error(errc::not_durable, "a checkpoint is of a thread: give RunConfig().thread_id() too");
  if (c.stream_capacity() == 0) throw config_error(errc::bad_config, "stream_capacity must be at least 1");
}

/// A run that is not stored cannot do what only a stored one can.
void check_not_durable(const RunConfig& c, const RunInput& input) {
  const char* what = input.resume                                                     ? "af::Resume"
                     : input.edit                                                     ? "update_state"
                     : !c.checkpoint().empty()                                        ? "a checkpoint to start from"
                     : !c.interrupt_before().empty() || !c.interrupt_after().empty() ? "interrupt_before or _after"
                                                                                      : nullptr;
  if (what != nullptr)
    throw config_error(errc::not_durable, fmt::format("{} needs a graph with a checkpointer, and "
                                                      "RunConfig().thread_id()",
                                                      what));
}

}  // namespace

RunCore::RunCore(std::shared_ptr<GraphCore> graph, RunInput input, const RunConfig& config, stream_mode modes)
    : graph_(std::move(graph)), config_(config), engine_(*this, graph_->spec(), std::string(), 0, nullptr, nullptr) {
  check(config_);
  info.run_id = RunId::make();
  info.thread_id = config_.thread_id();
  info.clock = graph_->options().clock();
  info.user = config_.context();
  info.user_type = config_.context_type();
  if (modes != stream_mode::none) {
    channel_ = std::make_unique<EventChannel>(modes, config_.stream_capacity());
    info.events = channel_.get();
  }
  if (graph_->options().logger()) {
    log_ = std::make_unique<RunLog>(info, graph_->options().logger());
    info.logger = log_.get();
  }
  if (config_.timeout()) deadline_ = info.clock->now() + *config_.timeout();
  if (graph_->options().checkpointer() && !info.thread_id.empty()) {
    journal_ = std::make_unique<Journal>(*this, graph_->options().checkpointer(), graph_->options());
    input_ = std::make_unique<RunInput>(std::move(input));
  } else {
    check_not_durable(config_, input);
    engine_.begin(std::move(input).initial(*graph_->spec().ops));
  }
  graph_->add(*this);
}

RunCore::~RunCore() { graph_->remove(*this); }

asio::any_io_executor RunCore::executor() { return executor_; }

/// Ends the run if what it goes with is destroyed before its end, as when an io_context goes first.
struct RunCore::Finisher {
  explicit Finisher(std::shared_ptr<RunCore> run) noexcept : core(std::move(run)) {}
  Finisher(Finisher&&) noexcept = default;
  ~Finisher() {
    if (core && !core->done()) core->close_up();
  }
  std::shared_ptr<RunCore> core;
};

void RunCore::run_here() {
  begun_ = true;
  std::exception_ptr failure;
  try {
    while (engine_.advance() != Engine::Need::nothing) {
    }
  } catch (...) {
    failure = std::current_exception();
  }
  finish(std::move(failure));
}

asio::awaitable<void> RunCore::run_in_place() {
  const Finisher finisher(shared_from_this());
  begun_ = driven_ = true;
  std::exception_ptr failure;
  try {
    while (engine_.advance() != Engine::Need::nothing) {
      co_await asio::post(asio::use_awaitable);
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) cancelled_ = true;
    }
  } catch (...) {
    failure = std::current_exception();
  }
  finish(std::move(failure));
}

void RunCore::launch(asio::any_io_executor ex) {
  auto lot = ParkingLot::of(ex);
  auto self = shared_from_this();
  auto work = drive(self);
  // With the handler, which is there before the driver's first step.
  auto done = [finisher = Finisher(self)](const std::exception_ptr&) {};
  {
    std::lock_guard lock(mutex_);
    lot_ = std::move(lot);
    executor_ = ex;
    begun_ = driven_ = true;
    launched_.store(true, std::memory_order_release);
  }
  asio::co_spawn(ex, std::move(work),
                 asio::bind_cancellation_slot(root_.slot(), asio::bind_executor(InlineExecutor(), std::move(done))));
}

asio::awaitable<void> RunCore::drive(std::shared_ptr<RunCore> self) {
  std::unique_ptr<Clock::Timer> timer;
  std::exception_ptr failure;
  try {
    if (self->deadline_) {
      auto fire = [weak = std::weak_ptr<RunCore>(self)] {
        const auto run = weak.lock();
        if (!run || run->done()) return;
        run->timed_out_ = true;
        run->cancelled_ = true;
        run->root_.emit(asio::cancellation_type::terminal);
      };
      timer = self->info.clock->schedule(self->executor_, *self->deadline_, std::move(fire));
    }
    if (self->listening()) self->publish_run(chunk_kind::run_start, "run started");
    if (self->journal_)
      co_await self->drive_durable();
    else
      co_await self->engine_.drive();
  } catch (...) {
    failure = std::current_exception();
  }
  timer.reset();
  self->finish(std::move(failure));
}

asio::awaitable<void> RunCore::drive_durable() {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::exception_ptr failure;
  try {
    co_await journal_->open(engine_, *input_);
    input_.reset();
    if (!engine_.is_done()) co_await engine_.drive_durable();
  } catch (...) {
    failure = std::current_exception();
  }
  co_await journal_->close(engine_, failure);
  if (failure) std::rethrow_exception(failure);
}

bool RunCore::listening() noexcept { return channel_ && channel_->listens(stream_mode::debug); }

void RunCore::publish_run(chunk_kind kind, std::string text) {
  channel_->push(Chunk(kind, std::make_shared<Chunk::Origin>(info.run_id, info.thread_id, "", ""), engine_.steps(),
                       info.clock->wall_now())
                     .with_text(std::move(text)));
}

std::exception_ptr RunCore::translate(std::exception_ptr e) const {
  try {
    if (timed_out_) throw_timeout();
    if (cancelled_)
      throw cancelled_error(
          errc::cancelled, "the run was cancelled",
          ErrorContext().step(engine_.steps()).run_id(info.run_id.to_string()).thread_id(info.thread_id));
    std::rethrow_exception(e);
  } catch (const agentflow::error&) {
    return std::current_exception();
  } catch (const std::bad_alloc&) {
    return std::current_exception();
  } catch (...) {
    try {
      std::throw_with_nested(
          agentflow::error(errc::internal, "the run failed outside its nodes: " + describe(std::current_exception())));
    } catch (...) {
      return std::current_exception();
    }
  }
}

void RunCore::throw_timeout() const {
  throw timeout_error(
      fmt::format("the run passed its timeout of {:.3f} s", std::chrono::duration<double>(*config_.timeout()).count()),
      *config_.timeout(),
      ErrorContext().step(engine_.steps()).run_id(info.run_id.to_string()).thread_id(info.thread_id));
}

void RunCore::finish(std::exception_ptr failure) {
  // What a durable run has committed as its end stands.
  if (!failure && !journal_ && deadline_ && info.clock->now() > *deadline_) {
    // Its last step could not be interrupted, and is late all the same.
    timed_out_ = true;
    failure = std::make_exception_ptr(cancelled_error(errc::cancelled, "late"));
  }
  if (failure) error_ = translate(std::move(failure));
  if (listening()) {
    try {
      publish_run(chunk_kind::run_end, error_ ? describe(error_) : std::string(to_string(engine_.status())));
    } catch (...) {
      // The event is lost, not the result.
    }
  }
  close_up();
}

namespace {
std::exception_ptr loop_destroyed() noexcept {
  try {
    return std::make_exception_ptr(cancelled_error(errc::cancelled, "the run's event loop was destroyed"));
  } catch (...) {
    return std::current_exception();  // no memory to say so
  }
}
}  // namespace

void RunCore::close_up() noexcept {
  graph_->remove(*this);
  std::vector<std::shared_ptr<ParkingSpot>> waiters;
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (engine_.status() == run_status::completed && !error_ && !engine_.is_done()) error_ = loop_destroyed();
    done_.store(true, std::memory_order_release);
    waiters.swap(waiters_);
    wake = waiting_;
    // An executor must not outlive its context; handles of the run may.
    executor_ = {};
  }
  ended_.notify_all();
  if (channel_) channel_->end();
  if (wake) waiter_.unpark();
  for (auto& w : waiters) w->unpark();
}

asio::awaitable<void> RunCore::wait() {
  {
    std::lock_guard lock(mutex_);
    if (done()) co_return;
    waiting_ = true;
  }
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) request_cancel();
  auto on_cancel = [](void* self) { static_cast<RunCore*>(self)->request_cancel(); };
  co_await waiter_.park(on_cancel, this);
  co_await asio::this_coro::throw_if_cancelled(throws);
}

void RunCore::notify(std::shared_ptr<ParkingSpot> spot) {
  std::unique_lock lock(mutex_);
  if (!done()) {
    waiters_.push_back(std::move(spot));
    return;
  }
  lock.unlock();
  spot->unpark();
}

void RunCore::wait_blocking() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return done(); });
}

void RunCore::request_cancel() {
  cancelled_.store(true);
  std::lock_guard lock(mutex_);
  if (done() || !executor_) return;
  // Emission must happen on the run's strand: it races with completions anywhere else.
  lot_->while_open([this] {
    asio::post(executor_, [self = shared_from_this()] { self->root_.emit(asio::cancellation_type::terminal); });
  });
}

void RunCore::rethrow() const {
  if (error_) std::rethrow_exception(error_);
}

bool RunCore::streamed(const std::string& message_id, bool insert) {
  std::lock_guard lock(mutex_);
  if (!insert) return streamed_.find(message_id) != streamed_.end();
  return !streamed_.insert(message_id).second;
}

bool RunCore::delivered_inside(const std::string& message_id, bool insert) {
  if (message_id.empty()) return false;
  if (!insert) return delivered_inside_.find(message_id) != delivered_inside_.end();
  return !delivered_inside_.insert(message_id).second;
}

std::uint64_t RunCore::random() {
  // SplitMix64 (Steele, Lea, Flood 2014): enough for jitter, and eight bytes.
  if (random_ == 0) random_ = std::hash<RunId>()(info.run_id);
  std::uint64_t z = (random_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace agentflow::detail
