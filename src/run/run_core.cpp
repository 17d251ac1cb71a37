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
#include "async/sleep_on.hpp"
#include "core/json_text.hpp"

namespace agentflow::detail {

thread_local const BlockingNode* BlockingNode::current_ = nullptr;

void BlockingNode::refuse_own(const GraphCore& graph, std::string_view thread_id) {
  for (const BlockingNode* node = current_; node != nullptr; node = node->run_.caller) {
    if (&node->run_.graph() != &graph || node->run_.info.thread_id != thread_id) continue;
    throw nested_loop_error(errc::nested_loop,
                            fmt::format("stop() of thread '{}' is called by a node of such a run, and would wait for "
                                        "itself: return from the node, and stop the run from another thread",
                                        thread_id));
  }
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
  if (!id.empty() && (id.size() > 255 || find_invalid_utf8(id) != all_valid ||
                      std::any_of(id.begin(), id.end(), [](unsigned char ch) { return ch < 0x20 || ch == 0x7f; })))
    throw config_error(errc::bad_config, "thread_id is longer than 255 bytes, not UTF-8, or has control characters");
  if (c.recursion_limit() == 0) throw config_error(errc::bad_config, "recursion_limit must be at least 1");
  if (c.timeout() && *c.timeout() <= std::chrono::nanoseconds::zero())
    throw config_error(errc::bad_config, "the timeout of a run must be positive");
  if (c.has_checkpoint() && c.checkpoint().empty())
    throw config_error(errc::bad_config,
                       "the checkpoint id is empty: the first has no parent; for the newest give none");
  if (!c.is_usual() && !c.checkpoint().empty() && c.thread_id().empty())
    throw config_error(errc::not_durable, "a checkpoint is of a thread: give RunConfig().thread_id() too");
  if (c.stream_capacity() == 0) throw config_error(errc::bad_config, "stream_capacity must be at least 1");
}

/// A run that is not stored cannot do what only a stored one can.
void check_not_durable(const RunConfig& c, const RunInput& input) {
  const char* what = nullptr;
  if (input.resume() != nullptr) what = "af::Resume";
  if (input.is_edit()) what = "update_state()";
  if (!c.checkpoint().empty()) what = "a checkpoint to start from";
  if (!c.interrupt_before().empty() || !c.interrupt_after().empty()) what = "interrupt_before or interrupt_after";
  if (what != nullptr)
    throw config_error(errc::not_durable,
                       fmt::format("{} needs a graph with a checkpointer, and RunConfig().thread_id()", what));
}

}  // namespace

RunCore::RunCore(std::shared_ptr<GraphCore> graph, RunInput&& input, const RunConfig& config, stream_mode modes,
                 CallSite made)
    : graph_(std::move(graph)),
      config_(config),
      info(config_.thread_id(), config_.context(), *graph_->options().clock()),
      engine_(*this, graph_->spec(), std::string(), 0, nullptr) {
  check(config_);
  info.run_id = RunId::make();
  info.store = graph_->options().store().get();
  info.user_type = config_.context_type();
  if (auto* tap = graph_->publishing(); modes != stream_mode::none || tap != nullptr) {
    info.events = std::make_unique<EventChannel>(modes, config_.stream_capacity(), tap);
  }
  if (graph_->logger()) {
    info.logger = std::make_unique<RunLog>(info, graph_->logger());
  }
  if (debug() != nullptr) {
    extras_ = std::make_unique<Extras>();
    extras_->made = made;
  }
  if (config_.has_thread_id() && info.thread_id.empty() && graph_->options().checkpointer())
    throw config_error(errc::bad_config,
                       "thread_id is empty: the run would not be stored. Leave it out if it need not be");
  if (graph_->options().checkpointer() && !info.thread_id.empty()) {
    journal_ = std::make_unique<Journal>(*this, graph_->options().checkpointer(), graph_->options());
    input_ = std::make_unique<RunInput>(std::move(input));
  } else {
    if (!config_.is_usual() || input.resume() != nullptr || input.is_edit()) check_not_durable(config_, input);
    StateBox state = std::move(input).initial(*graph_->spec().ops);
    count_messages(state);
    engine_.begin(std::move(state));
  }
}

std::shared_ptr<RunCore> RunCore::make(std::shared_ptr<GraphCore> graph, RunInput&& input, const RunConfig& config,
                                       stream_mode modes, CallSite made) {
  auto run = std::make_shared<RunCore>(graph, std::move(input), config, modes, made);
  graph->add(*run);
  return run;
}

RunCore::~RunCore() {
  if (debug() != nullptr && !begun_ && listed_) {
    try {
      info.logger->log(log_level::warn,
                       fmt::format("the run made at {}:{} was never begun: await it, or read its stream",
                                   extras_->made.file(), extras_->made.line()));
    } catch (...) {
      // No memory for the warning.
    }
  }
  if (!done()) graph_->remove(*this);
}

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
  start_time();
  std::exception_ptr failure;
  try {
    while (engine_.advance() != Engine::Need::nothing) {
    }
  } catch (...) {
    failure = std::current_exception();
  }
  finish(std::move(failure));
}

asio::awaitable<void> RunCore::run_in_place(const asio::any_io_executor& ex) {
  borrowed_ = &ex;
  begun_ = driven_ = attended_ = true;
  return engine_.drive(true);
}

void RunCore::launch(asio::any_io_executor ex, asio::io_context* loop) {
  if (debug() != nullptr) ex = under_watch(*this, ex);
  auto lot = ParkingLot::of(ex);
  auto self = shared_from_this();
  auto work = journal_ ? drive_durable() : engine_.drive(false);
  // Holds the run from before the driver's first step to after its last.
  auto over = [finisher = Finisher(self), loop](const std::exception_ptr&) {
    if (loop != nullptr) loop->stop();
  };
  {
    std::lock_guard lock(mutex_);
    lot_ = std::move(lot);
    executor_ = ex;
    begun_ = driven_ = true;
    launched_.store(true, std::memory_order_release);
  }
  asio::co_spawn(ex, std::move(work),
                 asio::bind_cancellation_slot(root_.slot(), asio::bind_executor(InlineExecutor(), std::move(over))));
}

void RunCore::start_time() {
  if (config_.timeout()) deadline_ = after(*info.clock, *config_.timeout());
}

asio::awaitable<void> RunCore::drive_durable() {
  co_await asio::this_coro::throw_if_cancelled(false);
  std::exception_ptr failure;
  auto closing = journal_->close(engine_, failure);  // now that there is memory for it
  try {
    started();
    co_await journal_->open(engine_, *input_);
    input_.reset();
    if (!engine_.is_done()) co_await engine_.drive_durable();
  } catch (...) {
    failure = std::current_exception();
  }
  try {
    co_await std::move(closing);
  } catch (...) {
    if (!failure) failure = std::current_exception();
  }
  finish(std::move(failure));
}

void RunCore::started() {
  start_time();
  if (deadline_ && !attended_) {
    auto fire = [weak = weak_from_this()] {
      const auto run = weak.lock();
      if (!run || run->done()) return;
      run->timed_out_ = true;
      run->note_cancellation();
      run->root_.emit(asio::cancellation_type::terminal);
    };
    timer_ = info.clock->schedule(*executor_, *deadline_, std::move(fire));
  }
  if (listening()) publish_run(chunk_kind::run_start, "run started");
}

bool RunCore::listening() noexcept { return channel() != nullptr && channel()->listens(stream_mode::debug); }

void RunCore::publish_run(chunk_kind kind, std::string text) {
  channel()->push(Chunk(kind, std::make_shared<Chunk::Origin>(info.run_id, info.thread_id, "", ""), engine_.steps(),
                        info.clock->wall_now())
                      .with_text(std::move(text)));
}

std::exception_ptr RunCore::translate(std::exception_ptr e) const {
  try {
    if (timed_out_) throw_timeout();
    if (cancel_requested())
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
  timer_.reset();
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
  timer_.reset();
  std::vector<std::shared_ptr<ParkingSpot>> waiters;
  {
    std::lock_guard lock(mutex_);
    if (engine_.status() == run_status::completed && !error_ && !engine_.is_done()) {
      error_ = loop_destroyed();
      note_cancellation();  // for what is on other threads still
    }
    done_.store(true, std::memory_order_release);
    waiters.swap(waiters_);
    // An executor must not outlive its context; handles of the run may.
    executor_.reset();
    borrowed_ = nullptr;
  }
  graph_->remove(*this);
  if (channel() != nullptr) channel()->end();
  for (auto& w : waiters) w->unpark();
}

asio::awaitable<void> RunCore::wait(const asio::any_io_executor& ex) {
  auto spot = std::make_shared<ParkingSpot>();
  auto on_cancel = [](void* self) { static_cast<RunCore*>(self)->request_cancel(); };
  auto ended = spot->park_surely(ex, on_cancel, this);
  notify(spot);
  return wait_at(std::move(spot), std::move(ended));
}

asio::awaitable<void> RunCore::wait_at([[maybe_unused]] std::shared_ptr<ParkingSpot> held,
                                       asio::awaitable<void> ended) {
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none) request_cancel();
  co_await std::move(ended);
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

void RunCore::request_cancel() noexcept {
  note_cancellation();
  std::lock_guard lock(mutex_);
  if (done() || !executor_) return;
  // Emission must happen on the run's strand: it races with completions anywhere else.
  lot_->while_open([this] {
    post_surely(*executor_, [self = shared_from_this()] { self->root_.emit(asio::cancellation_type::terminal); });
  });
}

void RunCore::request_drain() noexcept {
  if (info.stop_requested.load()) return;
  asked_ = begun_ ? Asked::drain : Asked::refuse;
  request_stop();
}

void RunCore::request_stop() noexcept {
  info.stop_requested.store(true);
  if (auto* c = channel(); c != nullptr) c->lift();
}

run_status RunCore::stop_status() const {
  switch (asked_) {
    case Asked::nothing: break;
    case Asked::drain: return run_status::drained;
    case Asked::refuse: throw graph_closed_error(errc::graph_closed, "the graph was closed before the run began");
  }
  return run_status::stopped;
}

void RunCore::spawn_background(std::string name, asio::awaitable<void> work,
                               std::optional<std::chrono::nanoseconds> limit) {
  asio::any_io_executor ex;
  {
    std::lock_guard lock(mutex_);
    if (done())
      throw cancelled_error(
          errc::cancelled,
          fmt::format("background task '{}' is not started: the run's event loop was destroyed", name));
    if (executor_) {
      ex = without_watch(*executor_);
    } else if (borrowed_ != nullptr) {
      ex = *borrowed_;
    } else {
      auto& loop = any_extras().loop;
      if (!loop) loop = std::make_unique<asio::io_context>(1);
      ex = loop->get_executor();
    }
  }
  graph_->background()->spawn(ex, std::move(name), std::move(work), limit);
}

void RunCore::rethrow() const {
  if (error_) std::rethrow_exception(error_);
}

std::uint64_t RunCore::random() {
  // SplitMix64 (Steele, Lea, Flood 2014): enough for jitter, and eight bytes.
  std::unique_lock lock(mutex_);
  std::uint64_t& state = any_extras().random;
  lock.unlock();
  if (state == 0) state = std::hash<RunId>()(info.run_id);
  std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace agentflow::detail
