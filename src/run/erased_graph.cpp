// SPDX-License-Identifier: MIT
// Runs as handles: blocking, awaited, streamed.
#include <agentflow/run/erased_graph.hpp>

#include <typeinfo>
#include <utility>

#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <asio/thread_pool.hpp>

#include "run/run_core.hpp"

namespace agentflow {
namespace {

/// Asio 1.22's any_io_executor::target<E>() casts without a look at the type, so that is asked first.
template <class E>
bool holds(const asio::any_io_executor& ex) {
  return ex.target_type() == typeid(E);
}

/// An executor on which nothing runs at the same time as anything else: the given one if it is a strand, else a strand.
asio::any_io_executor serial(const asio::any_io_executor& ex) {
  using Loop = asio::io_context::executor_type;
  using Pool = asio::thread_pool::executor_type;
  if (holds<asio::strand<asio::any_io_executor>>(ex) || holds<asio::strand<Loop>>(ex) || holds<asio::strand<Pool>>(ex))
    return ex;
  // Around the executor itself, not around its wrapper, where it is one of Asio's own.
  if (holds<Loop>(ex)) return asio::make_strand(*ex.target<Loop>());
  if (holds<Pool>(ex)) return asio::make_strand(*ex.target<Pool>());
  return asio::make_strand(ex);
}

/// Runs a private loop until a run is done, or a chunk has come.
template <class Until>
void pump(asio::io_context& loop, Until until) {
  while (!until())
    if (loop.run_one() == 0) break;
}

}  // namespace

// ---- ErasedRun -----------------------------------------------------------------------------------------------------

ErasedRun& ErasedRun::operator=(ErasedRun&& other) noexcept {
  ErasedRun old(std::exchange(core_, std::move(other.core_)));  // cancelled if it is under way
  return *this;
}

ErasedRun::~ErasedRun() {
  if (!core_ || core_->done()) return;
  discard_events();
  if (core_->launched()) core_->request_cancel();
}

void ErasedRun::run_blocking() {
  if (core_->graph().spec().all_sync && core_->channel() == nullptr && core_->journal() == nullptr) {
    core_->run_here();
    return;
  }
  // Only this thread runs the loop, so its executor serialises by itself.
  asio::io_context loop(1);
  core_->launch(loop.get_executor());
  pump(loop, [this] { return core_->done(); });
}

void ErasedRun::start(const asio::any_io_executor& ex) { core_->launch(serial(ex)); }

bool ErasedRun::started() const noexcept { return core_->launched() || core_->done(); }

asio::awaitable<void> ErasedRun::wait() {
  if (!started() && core_->graph().spec().all_sync && core_->channel() == nullptr && core_->journal() == nullptr) {
    co_await core_->run_in_place();
    co_return;
  }
  if (!started()) {
    auto ex = co_await asio::this_coro::executor;
    start(ex);
  }
  discard_events();
  if (!core_->done()) co_await core_->wait();
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
      if (!core_->done()) co_await core_->wait();
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
std::vector<Interrupt> ErasedRun::interrupts() const {
  const auto* journal = core_->journal();
  if (journal == nullptr || status() != run_status::interrupted) return {};
  return journal->interrupts();
}
std::string ErasedRun::checkpoint_id() const {
  const auto* journal = core_->journal();
  return journal != nullptr ? journal->checkpoint_id() : std::string();
}
std::uint64_t ErasedRun::steps() const noexcept { return core_->engine().steps(); }
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
  if (!loop_ || run_.core_ == nullptr || !run_.core_->launched() || run_.done()) return;
  // Structured: what the run started ends here, not later.
  try {
    run_.discard_events();
    run_.cancel();
    pump(loop_->io, [this] { return run_.done(); });
  } catch (...) {
    // A handler of the application's threw; the loop and all it holds are destroyed next.
  }
}

void ErasedStream::start() {
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

ErasedGraph::ErasedGraph(std::shared_ptr<const GraphSpec> spec, CompileOptions options)
    : core_(std::make_shared<detail::GraphCore>(std::move(spec), std::move(options))) {}

ErasedRun ErasedGraph::prepare(RunInput input, const RunConfig& config, stream_mode default_modes) const {
  const auto modes = config.stream().value_or(default_modes);
  return ErasedRun(std::make_shared<detail::RunCore>(core_, std::move(input), config, modes));
}

std::size_t ErasedGraph::stop(std::string_view thread_id) const {
  refuse_on_loop_thread("stop()", "co_await astop()");
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

void ErasedGraph::refuse_on_loop_thread(std::string_view call, std::string_view instead) {
  detail::refuse_on_loop_thread(call, instead);
}

}  // namespace agentflow
