// SPDX-License-Identifier: MIT
// What all runs of a compiled graph share, and which there are.
#include "run/graph_core.hpp"

#include <algorithm>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "async/loop_guard.hpp"
#include "run/run_core.hpp"

namespace agentflow::detail {

namespace {

std::shared_ptr<spdlog::logger> logger_for(const CompileOptions& options, bool debug) {
  if (options.logger() || !debug) return options.logger();
  auto logger = std::make_shared<spdlog::logger>("agentflow", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(spdlog::level::warn);
  return logger;
}

/// Cancels what runs behind the graph, and waits for its end within bounds.
void close_background(const std::shared_ptr<Background>& background) {
  asio::io_context loop(1);
  auto done = [&loop](const std::exception_ptr&, const ShutdownPart&) { loop.stop(); };
  asio::co_spawn(loop, Background::close(background, std::chrono::nanoseconds::zero()), std::move(done));
  loop.run();
}

}  // namespace

GraphCore::GraphCore(std::shared_ptr<const GraphSpec> spec, CompileOptions options, CallSite made)
    : spec_(std::move(spec)),
      options_(std::move(options)),
      debug_(options_.debug() ? options_.debug() : debug_mode()),
      logger_(logger_for(options_, debug_.has_value())),
      made_(made),
      background_(std::make_shared<Background>(logger_)),
      publishing_(options_.publisher() ? std::make_unique<Publishing>(options_.publisher(), options_.published(),
                                                                      options_.publisher_capacity(), logger_)
                                       : nullptr),
      closing_(*this) {
  check_durable(*spec_, options_);
  if (options_.checkpointer()) fingerprint_ = fingerprint_of(*spec_);
}

GraphCore::~GraphCore() {
  // Runs hold the graph, so there are none.
  if (closing_.finished() || !has_run_) return;
  try {
    if (const auto running = background_->running(); running > 0) {
      warn(fmt::format("the graph is destroyed unclosed: {} background tasks are cancelled", running));
      // On a thread that runs a loop they may be waiting for that very loop: there they end later.
      if (on_loop_thread())
        background_->cancel_all();
      else
        close_background(background_);
    }
    if (debug_)
      warn(fmt::format("the graph compiled at {}:{} was destroyed without close() or aclose()", made_.file(),
                       made_.line()));
  } catch (...) {
    // No memory for it: they go on until they end.
  }
}

void GraphCore::warn(const std::string& text) const noexcept {
  if (!logger_) return;
  try {
    logger_->warn(text);
  } catch (...) {
    // A logger that throws has nobody to tell.
  }
}

std::size_t GraphCore::drain_runs() {
  std::size_t begun = 0;
  std::lock_guard lock(mutex_);
  for (RunCore* r = runs_; r != nullptr; r = r->next_) {
    r->request_drain();
    begun += r->begun_ && !r->done();
  }
  return begun;
}

template <class F>
std::vector<std::shared_ptr<RunCore>> GraphCore::runs(F which) {
  std::vector<std::shared_ptr<RunCore>> found;
  std::shared_ptr<RunCore> run;  // the last owner of a run takes this mutex: it must not be one of ours in there
  std::lock_guard lock(mutex_);
  for (RunCore* r = runs_; r != nullptr; r = r->next_) {
    if (!which(*r)) continue;
    run = r->weak_from_this().lock();
    if (run) found.push_back(run);
  }
  return found;
}

void GraphCore::cancel_runs() {
  for (const auto& r : runs([](const RunCore&) { return true; })) r->request_cancel();
}

void GraphCore::refuse_reader(std::string_view call, std::optional<std::string_view> thread_id) {
  const auto mine = runs([&](const RunCore& r) {
    return !r.done() && r.read_by() == std::this_thread::get_id() && (!thread_id || r.info.thread_id == *thread_id);
  });
  if (mine.empty()) return;
  throw nested_loop_error(errc::nested_loop,
                          fmt::format("{} is called by the thread that reads the stream of such a run, and would wait "
                                      "for itself: use Stream::stop(), and read the stream to its end",
                                      call));
}

std::size_t GraphCore::live_runs(std::shared_ptr<ParkingSpot>& place, std::shared_ptr<ParkingSpot> spot) {
  std::size_t live = 0;
  std::lock_guard lock(mutex_);
  for (const RunCore* r = runs_; r != nullptr; r = r->next_) live += r->begun_ && !r->done();
  place = live > 0 ? std::move(spot) : nullptr;
  return live;
}

ShutdownPart GraphCore::ended_runs(const ShutdownPart& counts) {
  std::lock_guard lock(mutex_);
  return counts;
}

void GraphCore::wake(const std::shared_ptr<ParkingSpot>& place) {
  std::lock_guard lock(mutex_);
  if (place) place->unpark();
}

BlockingPool& GraphCore::pool() {
  std::lock_guard lock(mutex_);
  if (!pool_) pool_ = std::make_unique<BlockingPool>(options_.blocking_threads());
  return *pool_;
}

void GraphCore::add(RunCore& run) {
  std::lock_guard lock(mutex_);
  run.listed_ = true;
  if (closing_.begun()) throw graph_closed_error(errc::graph_closed, "the graph is closed: it starts no new runs");
  has_run_.store(true, std::memory_order_relaxed);
  run.next_ = runs_;
  if (runs_ != nullptr) runs_->prev_ = &run;
  runs_ = &run;
}

void GraphCore::remove(RunCore& run) noexcept {
  if (!run.listed_) return;
  std::lock_guard lock(mutex_);
  if (run.prev_ != nullptr)
    run.prev_->next_ = run.next_;
  else if (runs_ == &run)
    runs_ = run.next_;
  if (run.next_ != nullptr) run.next_->prev_ = run.prev_;
  run.next_ = run.prev_ = nullptr;
  if (run.begun_ && !run.refused()) closing_.run_ended(run);
  if (waiting_ > 0) ended_.notify_all();
}

void GraphCore::wait_for(const RunCore& run) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  ended_.wait(lock, [&run] { return run.done(); });
  --waiting_;
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
  auto found = runs([thread_id](const RunCore& r) { return r.info.thread_id == thread_id; });
  for (auto& r : found) r->request_stop();
  // A stream that nobody has begun to read will stop at once when it is, which may be never: it is not waited for.
  std::erase_if(found, [](const auto& r) { return !r->begun_; });
  return found;
}

}  // namespace agentflow::detail
