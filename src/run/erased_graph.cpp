// SPDX-License-Identifier: MIT
// Runs as handles: blocking, awaited, streamed.
#include <agentflow/run/erased_graph.hpp>

#include <typeinfo>
#include <utility>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/this_coro.hpp>

#include "async/serial.hpp"
#include "run/run_core.hpp"

namespace agentflow {
namespace {

/// Runs a private loop until a run is done, or a chunk has come.
template <class Until>
void pump(asio::io_context& loop, Until until) {
  while (!until())
    if (loop.run_one() == 0) break;
}

/// Lets what was started on a private loop go on, within bounds.
void finish_background(detail::GraphCore& graph, asio::io_context& loop) {
  const auto& background = graph.background();
  if (background->empty() || background->running_on(loop.get_executor()) == 0) return;
  loop.restart();
  auto closing = background->close_on(loop.get_executor(), graph.options().shutdown_timeout());
  auto done = [&loop](const std::exception_ptr&, const ShutdownPart&) { loop.stop(); };
  asio::co_spawn(loop, std::move(closing), std::move(done));
  loop.run();
}

}  // namespace

// ---- ErasedRun -----------------------------------------------------------------------------------------------------

ErasedRun& ErasedRun::operator=(ErasedRun&& other) noexcept {
  ErasedRun old(std::exchange(core_, std::move(other.core_)));  // cancelled if it is under way
  return *this;
}

ErasedRun::~ErasedRun() {
  if (!core_ || core_->done()) return;
  if (core_->attended()) {
    core_->close_up();
    return;
  }
  discard_events();
  if (core_->launched()) core_->request_cancel();
}

void ErasedRun::run_blocking() {
  core_->caller = detail::BlockingNode::current();
  if (core_->graph().spec().all_sync && core_->channel() == nullptr && core_->journal() == nullptr) {
    core_->run_here();
    if (auto* loop = core_->own_loop(); loop != nullptr) finish_background(core_->graph(), *loop);
    return;
  }
  asio::io_context loop(1);
  core_->launch(loop.get_executor(), &loop);
  loop.run();
  finish_background(core_->graph(), loop);
}

void ErasedRun::start(const asio::any_io_executor& ex) { core_->launch(detail::serial(ex)); }

bool ErasedRun::started() const noexcept { return core_->launched() || core_->done(); }

asio::awaitable<void> ErasedRun::attend(const asio::any_io_executor& ex) {
  // A run that is watched or stored, or that a close must be able to cancel, has a driver of its own.
  const bool here = core_->channel() == nullptr && core_->debug() == nullptr && core_->journal() == nullptr &&
                    !core_->graph().options().has_shutdown_timeout() &&
                    (core_->graph().spec().all_sync || (!core_->config().timeout() && detail::is_serial(ex)));
  return here ? core_->run_in_place(ex) : wait();
}

asio::awaitable<void> ErasedRun::wait() {
  if (!started() && core_->graph().spec().all_sync && core_->channel() == nullptr && core_->debug() == nullptr &&
      core_->journal() == nullptr) {
    auto ex = co_await asio::this_coro::executor;
    co_await core_->run_in_place(ex);
    co_return;
  }
  if (core_->done()) co_return;
  const auto ex = co_await asio::this_coro::executor;
  auto ended = core_->wait(ex);  // what has begun is waited for: so this first, while there is memory
  if (!started()) start(ex);
  discard_events();
  co_await std::move(ended);
}

asio::awaitable<std::optional<Chunk>> ErasedRun::next() {
  auto* channel = core_->channel();
  if (!started()) {
    auto ex = co_await asio::this_coro::executor;
    start(ex);
  }
  for (;;) {
    std::optional<Chunk> chunk;
    if (channel != nullptr) chunk = channel->try_next();
    if (chunk) co_return chunk;
    if (channel == nullptr || channel->ended()) {
      if (!core_->done()) {
        auto ended = core_->wait(co_await asio::this_coro::executor);
        co_await std::move(ended);
      }
      core_->rethrow();
      co_return chunk;
    }
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() == asio::cancellation_type::none) {
      co_await channel->wait();
      state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() == asio::cancellation_type::none) continue;
    }
    core_->request_cancel();
    throw cancelled_error(errc::cancelled, "the wait for the next chunk was cancelled, and the run with it");
  }
}

void ErasedRun::discard_events() noexcept {
  if (auto* channel = core_->channel(); channel != nullptr) channel->abandon();
}

void ErasedRun::stop() noexcept { core_->request_stop(); }
void ErasedRun::cancel() { core_->request_cancel(); }
bool ErasedRun::done() const noexcept { return core_->done(); }
void ErasedRun::rethrow() const { core_->rethrow(); }
StateBox ErasedRun::take_state() { return core_->engine().take_state(); }
run_status ErasedRun::status() const noexcept { return core_->engine().status(); }
std::shared_ptr<const RunEnd> ErasedRun::end() const {
  if (thread_id().empty()) return nullptr;
  auto end = std::make_shared<RunEnd>();
  end->thread_id = thread_id();
  if (const auto* journal = core_->journal(); journal != nullptr) {
    if (status() == run_status::interrupted) end->interrupts = journal->interrupts();
    end->checkpoint_id = journal->checkpoint_id();
  }
  return end;
}
std::uint64_t ErasedRun::steps() const noexcept { return core_->engine().steps(); }
std::size_t ErasedRun::messages_before() const noexcept { return core_->messages_before; }
const RunId& ErasedRun::run_id() const noexcept { return core_->info.run_id; }
const std::string& ErasedRun::thread_id() const noexcept { return core_->info.thread_id; }

// ---- ErasedStream --------------------------------------------------------------------------------------------------

struct ErasedStream::Loop {
  asio::io_context io{1};
};

ErasedStream::ErasedStream(ErasedRun run) : loop_(std::make_unique<Loop>()), run_(std::move(run)) {}
ErasedStream::ErasedStream(ErasedStream&&) noexcept = default;
ErasedStream& ErasedStream::operator=(ErasedStream&& other) noexcept {
  ErasedStream old(std::move(*this));  // cancelled and joined if it is under way
  loop_ = std::move(other.loop_);
  run_ = std::move(other.run_);
  return *this;
}

ErasedStream::~ErasedStream() {
  if (!loop_ || run_.core_ == nullptr || !run_.core_->launched()) return;
  // Structured: what the run started ends here, not later.
  try {
    if (!run_.done()) {
      run_.discard_events();
      run_.cancel();
      pump(loop_->io, [this] { return run_.done(); });
    }
    finish_background(run_.core_->graph(), loop_->io);
  } catch (...) {
    // A handler of the application's threw; the loop and all it holds are destroyed next.
  }
}

void ErasedStream::start() {
  run_.core_->note_reader();
  if (!run_.started()) run_.core_->launch(loop_->io.get_executor());
}

std::optional<Chunk> ErasedStream::next() {
  ErasedGraph::refuse_on_loop_thread("Stream::next() of stream()", "co_await astream(...).next()");
  start();
  auto* channel = run_.core_->channel();  // none where no mode was asked for
  std::optional<Chunk> chunk;
  pump(loop_->io, [&] {
    if (!chunk && channel != nullptr) chunk = channel->try_next();
    return chunk.has_value() || run_.done();
  });
  if (!chunk && channel != nullptr) chunk = channel->try_next();
  if (!chunk) run_.rethrow();
  return chunk;
}

void ErasedStream::finish() {
  ErasedGraph::refuse_on_loop_thread("Stream::result() of stream()", "co_await astream(...).result()");
  start();
  run_.discard_events();
  pump(loop_->io, [this] { return run_.done(); });
}

// ---- ErasedGraph ---------------------------------------------------------------------------------------------------

ErasedGraph::ErasedGraph(std::shared_ptr<const GraphSpec> spec, CompileOptions options, CallSite made)
    : core_(std::make_shared<detail::GraphCore>(std::move(spec), std::move(options), made)) {}

ErasedRun ErasedGraph::prepare(RunInput&& input, const RunConfig& config, stream_mode default_modes,
                               CallSite made) const {
  const auto modes = config.stream().value_or(default_modes);
  return ErasedRun(detail::RunCore::make(core_, std::move(input), config, modes, made));
}

std::size_t ErasedGraph::stop(std::string_view thread_id) const {
  refuse_on_loop_thread("stop()", "co_await astop()");
  detail::BlockingNode::refuse_own(*core_, thread_id);
  core_->refuse_reader("stop()", thread_id);
  const auto runs = core_->request_stop(thread_id);
  for (const auto& r : runs) r->wait_blocking();
  return runs.size();
}

asio::awaitable<std::size_t> ErasedGraph::astop(std::string thread_id) const {
  const auto core = core_;
  const auto runs = core->request_stop(thread_id);
  for (const auto& r : runs) {
    const auto spot = std::make_shared<detail::ParkingSpot>();
    r->notify(spot);
    while (!r->done()) {
      co_await spot->park();
      const auto state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none)
        throw cancelled_error(errc::cancelled, "astop() was cancelled; the runs still stop");
    }
  }
  co_return runs.size();
}

const std::shared_ptr<const GraphSpec>& ErasedGraph::spec() const noexcept { return core_->shared_spec(); }

asio::awaitable<ShutdownStats> ErasedGraph::aclose() const { return detail::Closing::close(core_); }

ShutdownStats ErasedGraph::close() const {
  refuse_on_loop_thread("close()", "co_await aclose()");
  core_->refuse_reader("close()", std::nullopt);
  asio::io_context loop(1);
  ShutdownStats stats;
  std::exception_ptr failure;
  auto done = [&](std::exception_ptr e, ShutdownStats s) {
    failure = std::move(e);
    stats = std::move(s);
    loop.stop();
  };
  asio::co_spawn(loop, aclose(), std::move(done));
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return stats;
}

bool ErasedGraph::closed() const noexcept { return core_->closing().begun(); }
BackgroundTasks ErasedGraph::background_tasks() const { return BackgroundTasks(core_->background()); }

void ErasedGraph::refuse_on_loop_thread(std::string_view call, std::string_view instead) {
  detail::refuse_on_loop_thread(call, instead);
}

}  // namespace agentflow
