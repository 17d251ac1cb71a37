// SPDX-License-Identifier: MIT
// Each graph of the corpus is cancelled, stopped, dropped and abandoned after every handler in turn.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include <asio/cancellation_signal.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/testing/virtual_time.hpp>

#include "support/catch.hpp"
#include "support/corpus.hpp"

namespace af = agentflow;
using af::testing::VirtualClock;
using af::testing::VirtualLoop;
using corpus::Case;
using corpus::Handle;
using corpus::Outcome;
using corpus::Program;
using namespace std::chrono_literals;

namespace {

/// One graph of the corpus, what is alive when none of its runs is, and how long an undisturbed run takes.
class Bench {
 public:
  explicit Bench(const Case& c) : case_(c), program_(c.make(clock_)), alive_(Alive::count()) {}
  ~Bench() {
    program_.reset();
    CHECK(Alive::settled(before_) == before_);  // before another graph counts what is alive
  }

  const Program& program() const { return *program_; }
  const std::shared_ptr<VirtualClock>& clock() const { return clock_; }

  std::unique_ptr<VirtualLoop> loop() const {
    auto l = std::make_unique<VirtualLoop>(clock_);
    if (case_.threads) l->wait_for_threads(20s);
    return l;
  }
  /// Runs it undisturbed; gives the number of handlers.
  std::uint64_t undisturbed(const std::function<asio::awaitable<Outcome>()>& work) const {
    const auto l = loop();
    const Outcome o = l->run(work());
    CHECK(o.state == case_.expected);
    CHECK(o.status == af::run_status::completed);
    return l->handlers();
  }
  std::uint64_t undisturbed() const {
    return undisturbed([this] { return program_->ainvoke(); });
  }
  /// Nothing of any run is left. Other threads may need a moment to let go, and the loop, if there is one, to hear of
  /// it.
  void settled(VirtualLoop* l = nullptr) const {
    if (l != nullptr) l->after(0, nullptr).wait_for_threads(0s).drain();
    const auto limit = std::chrono::steady_clock::now() + (case_.threads ? 20s : 0s);
    while (Alive::count() != alive_ && std::chrono::steady_clock::now() < limit) {
      std::this_thread::yield();
      if (l != nullptr) l->drain();
    }
    CHECK(Alive::count() == alive_);
    CHECK(clock_->pending() == 0);
  }
  /// The run that `work` is part of ends as expected, stopped, or cancelled; nothing else.
  void ends(VirtualLoop& l, asio::awaitable<Outcome> work, asio::cancellation_slot slot = {},
            bool may_stop = false) const {
    std::optional<Outcome> o;
    try {
      o = l.run(std::move(work), slot);
    } catch (const af::cancelled_error& e) {
      CHECK(e.code() == af::errc::cancelled);
      CHECK_FALSE(may_stop);
    }
    if (!o) return;
    if (o->status == af::run_status::completed)
      CHECK(o->state == case_.expected);
    else
      CHECK((may_stop && o->status == af::run_status::stopped));
  }

 private:
  const Case& case_;
  const long before_ = Alive::count();
  std::shared_ptr<VirtualClock> clock_ = std::make_shared<VirtualClock>();
  std::unique_ptr<Program> program_;
  long alive_;
};

/// Awaits the program in a coroutine that heeds every type of cancellation and does not throw by itself.
asio::awaitable<Outcome> heeding(const Program& p, bool stream) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await asio::this_coro::throw_if_cancelled(false);
  auto work = stream ? p.stream() : p.ainvoke();
  Outcome o = co_await std::move(work);
  co_return o;
}

/// Every one of the first fifty points, then some: what loops often does the same again and again.
std::uint64_t stride(std::uint64_t k) { return k < 50 ? 1 : 29; }

/// Calls `trial(bench, k)` for each graph and each k from 0 to past the last handler of an undisturbed run.
void each(const std::function<asio::awaitable<Outcome>(const Program&)>& work,
          const std::function<void(Bench&, std::uint64_t)>& trial, bool foreign = true) {
  std::uint64_t trials = 0;
  for (const Case& c : corpus::cases()) {
    if (c.foreign && !foreign) continue;
    INFO("graph: " << c.name);
    Bench bench(c);
    const auto last = bench.undisturbed([&] { return work(bench.program()); });
    for (std::uint64_t k = 0; k <= last; k += stride(k), ++trials) {
      INFO("handler: " << k);
      trial(bench, k);
      bench.settled();
      if (k % 4 == 0 || k == last) bench.undisturbed();
    }
  }
  CHECK(trials > 300);
}

/// Does it after handler k, and if `twice` after the next one again.
void disturb(VirtualLoop& l, std::uint64_t k, bool twice, const std::function<void()>& act) {
  l.after(k, [&l, k, twice, act] {
    act();
    if (twice) l.after(k + 1, act);
  });
}

asio::awaitable<Outcome> ainvoked(const Program& p) { return p.ainvoke(); }
asio::awaitable<Outcome> streamed(const Program& p) { return p.stream(); }

void cancel_awaiting(asio::cancellation_type type, bool stream, bool twice) {
  auto trial = [=](Bench& b, std::uint64_t k) {
    const auto l = b.loop();
    asio::cancellation_signal signal;
    // Not before the first handler: a coroutine that is cancelled before it began never runs, Asio throws in its place.
    disturb(*l, k + 1, twice, [&] { signal.emit(type); });
    b.ends(*l, heeding(b.program(), stream), signal.slot());
    b.settled(l.get());
  };
  each([stream](const Program& p) { return heeding(p, stream); }, trial);
}

void with_handle(bool twice, bool may_stop, void (Handle::*act)()) {
  auto trial = [=](Bench& b, std::uint64_t k) {
    const auto l = b.loop();
    auto handle = b.program().start(l->executor());
    disturb(*l, k, twice, [&] { (handle.get()->*act)(); });
    b.ends(*l, handle->result(), {}, may_stop);
    handle.reset();
    b.settled(l.get());
  };
  each(ainvoked, trial);
}

}  // namespace

TEST_CASE("the corpus comes to what it should", "[cancel]") {
  std::set<std::string> names;
  for (const Case& c : corpus::cases()) {
    INFO("graph: " << c.name);
    names.insert(c.name);
    Bench bench(c);
    bench.undisturbed();
    bench.settled();
    bench.undisturbed([&] { return bench.program().stream(); });
    bench.settled();
    bench.undisturbed([&] { return heeding(bench.program(), false); });
    bench.settled();
  }
  CHECK(names.size() == corpus::cases().size());
  CHECK(names.size() >= 40);
}

TEST_CASE("cancelling the awaiting coroutine: terminal", "[cancel]") {
  cancel_awaiting(asio::cancellation_type::terminal, false, false);
}
TEST_CASE("cancelling the awaiting coroutine: total, twice", "[cancel]") {
  cancel_awaiting(asio::cancellation_type::total, false, true);
}
TEST_CASE("cancelling the awaiting coroutine: partial", "[cancel]") {
  cancel_awaiting(asio::cancellation_type::partial, false, false);
}
TEST_CASE("cancelling the coroutine that reads a stream", "[cancel]") {
  cancel_awaiting(asio::cancellation_type::terminal, true, true);
}

TEST_CASE("cancelling a coroutine with Asio's defaults", "[cancel]") {
  auto trial = [](Bench& b, std::uint64_t k) {
    for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::total}) {
      const auto l = b.loop();
      asio::cancellation_signal signal;
      bool heard = true;
      disturb(*l, k, false, [&] { signal.emit(type); });
      try {
        const Outcome o = l->run(b.program().ainvoke(), signal.slot());
        heard = o.status != af::run_status::completed;
      } catch (const af::cancelled_error&) {
      } catch (const asio::system_error&) {
        CHECK(k == 0);  // before the coroutine began
      }
      if (type == asio::cancellation_type::total) CHECK_FALSE(heard);  // a coroutine does not heed it unless it says so
      b.settled(l.get());
    }
  };
  each(ainvoked, trial);
}

TEST_CASE("Run::cancel", "[cancel]") { with_handle(false, false, &Handle::cancel); }
TEST_CASE("Run::cancel, twice", "[cancel]") { with_handle(true, false, &Handle::cancel); }
TEST_CASE("Run::stop", "[cancel]") { with_handle(false, true, &Handle::stop); }
TEST_CASE("Run::stop, twice", "[cancel]") { with_handle(true, true, &Handle::stop); }

TEST_CASE("dropping the handle of a run", "[cancel]") {
  auto trial = [](Bench& b, std::uint64_t k) {
    const auto l = b.loop();
    auto handle = b.program().start(l->executor());
    l->after(k, [&] { handle.reset(); }).wait_for_threads(0s).drain();
    handle.reset();
    b.settled(l.get());
  };
  each(ainvoked, trial);
}

TEST_CASE("dropping a stream after each chunk", "[cancel]") {
  std::size_t trials = 0;
  for (const Case& c : corpus::cases()) {
    INFO("graph: " << c.name);
    Bench b(c);
    for (std::size_t k = 0;; k += stride(k), ++trials) {
      INFO("chunk: " << k);
      const auto l = b.loop();
      const auto taken = l->run(b.program().read(k));
      b.settled(l.get());
      if (taken < k) break;
    }
    b.undisturbed();
  }
  CHECK(trials > 500);
}

TEST_CASE("destroying the loop of an awaited run", "[cancel]") {
  auto trial = [](Bench& b, std::uint64_t k) {
    auto l = b.loop();
    l->stop_after(k);
    try {
      l->run(b.program().ainvoke());
    } catch (const af::testing::abandoned_error&) {
    }
    l.reset();
  };
  each(ainvoked, trial, false);
}

TEST_CASE("destroying the loop of a stream", "[cancel]") {
  auto trial = [](Bench& b, std::uint64_t k) {
    auto l = b.loop();
    l->stop_after(k);
    try {
      l->run(b.program().stream());
    } catch (const af::testing::abandoned_error&) {
    }
    l.reset();
  };
  each(streamed, trial, false);
}

TEST_CASE("destroying the loop before the handle, which then says so", "[cancel]") {
  auto trial = [](Bench& b, std::uint64_t k) {
    auto l = b.loop();
    auto handle = b.program().start(l->executor());
    try {
      l->stop_after(k).wait_for_threads(0s).drain();
    } catch (const af::testing::abandoned_error&) {
    }
    if (k % 2 == 0) handle->cancel();
    l.reset();
    handle->cancel();
    handle->stop();
    const auto other = b.loop();
    b.ends(*other, handle->result());
    handle.reset();
  };
  each(ainvoked, trial, false);
}
