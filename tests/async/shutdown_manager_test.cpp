// SPDX-License-Identifier: MIT
// GracefulShutdownManager inside one process: stages, sections, bound operations, callbacks, the clean-up, handlers.
#include <agentflow/async/shutdown_manager.hpp>

#include <csignal>

#include <chrono>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <signal.h>

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/this_coro.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <agentflow/async/gather.hpp>
#include <agentflow/async/run.hpp>
#include <agentflow/async/sleep.hpp>
#include <agentflow/async/timeout.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/typed/state_graph.hpp>

#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using af::GracefulShutdownManager;
using af::testing::VirtualLoop;
using namespace std::chrono_literals;

namespace {

asio::awaitable<int> work(std::chrono::nanoseconds d) {
  const Alive alive;
  co_await af::sleep(d);
  co_return 7;
}
/// Asks for a shutdown after a while.
asio::awaitable<void> ask(GracefulShutdownManager& m, std::chrono::nanoseconds after) {
  co_await af::sleep(after);
  m.request_shutdown();
}

bool same(const struct sigaction& a, const struct sigaction& b) {
  bool masks = true;  // glibc leaves what follows the 64 signals as it was
  for (int s = 1; s <= 64; ++s) masks = masks && sigismember(&a.sa_mask, s) == sigismember(&b.sa_mask, s);
  return masks && a.sa_handler == b.sa_handler && a.sa_flags == b.sa_flags && a.sa_restorer == b.sa_restorer;
}
struct sigaction action_of(int signal) {
  struct sigaction a = {};
  ::sigaction(signal, nullptr, &a);
  return a;
}
int counted = 0;
void count_signal(int) { ++counted; }

}  // namespace

TEST_CASE("31 a manager that nobody asks changes nothing", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  CHECK_FALSE(m.shutdown_requested());
  CHECK(m.stage() == af::shutdown_stage::running);
  CHECK(m.exit_code() == 0);
  CHECK(m.signal() == 0);
  CHECK(loop.run(m.run_until_shutdown(work(1s))) == 7);
  CHECK_THROWS_AS(GracefulShutdownManager(loop.executor(), 0s), af::config_error);
}

TEST_CASE("35 a shutdown cancels what is bound to it, joins it, and says so", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  const long alive = Alive::count();
  try {
    loop.run(af::gather(m.run_until_shutdown(work(1h)), ask(m, 5s)));
    FAIL("no error");
  } catch (const af::shutdown_requested_error& e) {
    CHECK(e.code() == af::errc::shutdown_requested);
    CHECK(e.signal() == 0);
    CHECK(e.message() == "a shutdown was asked for: this was cancelled");
  }
  CHECK(loop.clock()->passed() == 5s);
  CHECK(Alive::count() == alive);
  CHECK(m.exit_code() == 75);
  // Nothing new is started, and what is bound to the second signal still is.
  CHECK_THROWS_AS(loop.run(m.run_until_shutdown(work(1s))), af::shutdown_requested_error);
  CHECK(loop.run(m.run_until_cancelled(work(1s))) == 7);
}

TEST_CASE("35 a run that is bound to a shutdown is cancelled, and the thread is free", "[shutdown]") {
  VirtualLoop loop;
  af::StateGraph<> graph;
  graph.add_node("agent", [](const af::AgentState&, af::NodeContext& ctx) -> asio::awaitable<std::string> {
    const Alive alive;
    co_await ctx.sleep(1h);
    co_return "never";
  });
  graph.set_entry_point("agent").add_edge("agent", "END");
  const auto app = graph.compile(af::CompileOptions().clock(loop.clock()));
  GracefulShutdownManager m(loop.executor(), 30s);
  const long alive = Alive::count();
  CHECK_THROWS_AS(loop.run(af::gather(m.run_until_shutdown(app.ainvoke("Hello")), ask(m, 5s))),
                  af::shutdown_requested_error);
  CHECK(Alive::count() == alive);
}

TEST_CASE("36 what a bound operation throws keeps its meaning", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  auto fail = []() -> asio::awaitable<void> {
    co_await af::sleep(1s);
    throw std::runtime_error("mine");
  };
  CHECK_THROWS_WITH(loop.run(m.run_until_shutdown(fail())), "mine");
  CHECK(m.exit_code() == 0);
  SECTION("its failure while it is cancelled is the cause") {
    auto clumsy = []() -> asio::awaitable<void> {
      try {
        co_await af::sleep(1h);
      } catch (const af::cancelled_error&) {
        throw std::runtime_error("torn");
      }
    };
    try {
      loop.run(af::gather(m.run_until_shutdown(clumsy()), ask(m, 1s)));
      FAIL("no error");
    } catch (const af::shutdown_requested_error& e) {
      CHECK(af::describe(e.cause()) == "torn");
    }
  }
  SECTION("its value in spite of the cancellation counts") {
    auto deaf = []() -> asio::awaitable<std::string> {
      try {
        co_await af::sleep(1h);
      } catch (const af::cancelled_error&) {
      }
      co_return "saved";
    };
    CHECK(std::get<0>(loop.run(af::gather(m.run_until_shutdown(deaf()), ask(m, 1s)))) == "saved");
    CHECK(m.exit_code() == 0);
  }
  SECTION("a cancellation from outside is none by a shutdown") {
    CHECK_THROWS_AS(loop.run(af::timeout(m.run_until_shutdown(work(1h)), 1s)), af::timeout_error);
    CHECK(m.exit_code() == 0);
  }
}

TEST_CASE("34 waiting for a shutdown takes no polling, and may be cancelled", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  loop.run(af::gather(m.wait_for_shutdown(), m.wait_for_shutdown(), ask(m, 5s)));
  CHECK(loop.clock()->passed() == 5s);
  CHECK(loop.handlers() < 40);
  loop.run(m.wait_for_shutdown());
  CHECK(m.stop_token().stop_requested());

  auto all = []() -> asio::awaitable<void> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    GracefulShutdownManager other(ex, 30s);
    const auto token = other.stop_token();
    try {
      co_await af::gather(other.wait_for_shutdown(), other.run_until_shutdown(work(1h)), ask(other, 1s));
    } catch (const af::shutdown_requested_error&) {
      CHECK(token.stop_requested());
    }
    auto clean_up = []() -> asio::awaitable<void> { co_await work(1s); };
    co_await other.finally(clean_up);
  };
  CHECK(disturb_everywhere(all) > 10);
}

TEST_CASE("33 a protected section defers: false inside, true right after", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  auto all = [&]() -> asio::awaitable<void> {
    {
      const auto outer = m.protect_section();
      {
        const auto inner = m.protect_section();
        std::thread([&] { m.request_shutdown(); }).join();
        CHECK_FALSE(m.shutdown_requested());
      }
      co_await af::sleep(1s);
      CHECK_FALSE(m.shutdown_requested());
      CHECK(co_await m.run_until_shutdown(work(1s)) == 7);
    }
    CHECK(m.shutdown_requested());
  };
  loop.run(all());
}

TEST_CASE("33 all signals that a section deferred are delivered in order", "[shutdown]") {
  VirtualLoop loop;
  loop.wait_for_threads(20s);
  GracefulShutdownManager m(loop.executor(), 30s);
  std::vector<int> seen;
  std::vector<int> forced;
  m.on_signal([&](int s) { seen.push_back(s); });
  m.on_force([&](int code) { forced.push_back(code); });
  m.register_signal_handlers({SIGUSR1});
  auto all = [&]() -> asio::awaitable<void> {
    {
      const auto section = m.protect_section();
      for (const int s : {SIGINT, SIGTERM, SIGINT, SIGUSR1, SIGTERM}) ::raise(s);
      CHECK_FALSE(m.shutdown_requested());
      CHECK(m.signal() == 0);
      co_await give_way(3);
      CHECK(seen.empty());
      CHECK_FALSE(m.shutdown_requested());
    }
    CHECK(m.shutdown_requested());
    CHECK(m.stage() == af::shutdown_stage::forced);
    co_await give_way(3);
  };
  loop.run(all());
  CHECK(seen == std::vector<int>{SIGINT, SIGTERM, SIGINT, SIGUSR1, SIGTERM});
  CHECK(m.signal() == SIGINT);
  CHECK(forced == std::vector<int>{128 + SIGINT});  // the third
  CHECK(m.exit_code() == 128 + SIGINT);
}

TEST_CASE("33 the first signal asks, the second cancels, the third forces, even without a loop", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  m.register_signal_handlers();
  ::raise(SIGINT);
  CHECK(m.shutdown_requested());  // at once: no event loop has run
  CHECK(m.stage() == af::shutdown_stage::requested);
  ::raise(SIGINT);
  CHECK(m.stage() == af::shutdown_stage::cancelling);
  ::raise(SIGTERM);
  CHECK(m.stage() == af::shutdown_stage::forced);
  CHECK(m.exit_code() == 128 + SIGTERM);
}

TEST_CASE("33 a burst of a thousand signals arrives whole and in order", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  std::vector<int> seen;
  m.on_signal([&](int s) { seen.push_back(s); });
  m.register_signal_handlers();
  std::vector<int> sent;
  {
    const auto section = m.protect_section();
    for (int i = 0; i < 1000; ++i) {
      sent.push_back(i % 3 == 0 ? SIGTERM : SIGINT);
      ::raise(sent.back());
    }
  }
  loop.run(give_way(3));
  CHECK(seen == sent);
}

TEST_CASE("36 the second signal cancels what is to be finished", "[shutdown]") {
  VirtualLoop loop;
  loop.wait_for_threads(20s);
  GracefulShutdownManager m(loop.executor(), 1h);
  m.register_signal_handlers();
  auto raise_after = [&](int s, std::chrono::nanoseconds d) -> asio::awaitable<void> {
    co_await af::sleep(d);
    ::raise(s);
    CHECK(m.shutdown_requested());  // now, and not when the thread of the signals gets to it: time is virtual here
  };
  try {
    loop.run(af::gather(m.run_until_cancelled(work(2h)), raise_after(SIGTERM, 1s), raise_after(SIGINT, 2s)));
    FAIL("no error");
  } catch (const af::shutdown_requested_error& e) {
    CHECK(e.signal() == SIGTERM);
  }
  CHECK(m.stage() == af::shutdown_stage::cancelling);
  CHECK(m.exit_code() == 75);
}

TEST_CASE("32 callbacks are called in order, and one that throws does not stop the next", "[shutdown]") {
  VirtualLoop loop;
  std::ostringstream log;
  const auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log));
  logger->set_pattern("%v");
  GracefulShutdownManager m(loop.executor(), 30s);
  m.set_logger(logger);
  std::string order;
  m.on_shutdown([&] { order += 'a'; });
  m.on_shutdown([&] {
    order += 'b';
    throw std::runtime_error("callback b");
  });
  m.on_shutdown([&] { order += 'c'; });
  m.on_signal([&](int s) { order += std::to_string(s); });
  m.request_shutdown();
  m.request_shutdown();
  CHECK(order.empty());  // they run on the executor
  loop.drain();
  CHECK(order == "abc0");
  m.on_shutdown([&] { order += 'd'; });
  loop.drain();
  CHECK(order == "abc0d");
  CHECK(log.str() == "a shutdown callback failed: callback b\n");
}

TEST_CASE("the deadline forces, whatever goes on, also in a protected section", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  std::vector<int> forced;
  m.on_force([&](int code) { forced.push_back(code); });
  auto all = [&]() -> asio::awaitable<void> {
    const auto section = m.protect_section();
    m.request_shutdown();
    co_await af::sleep(29s);
    CHECK(forced.empty());
    CHECK_FALSE(m.shutdown_requested());
    co_await af::sleep(2s);
    CHECK(forced == std::vector<int>{128 + SIGTERM});
    CHECK(m.stage() == af::shutdown_stage::forced);
  };
  loop.run(all());
  CHECK(m.exit_code() == 128 + SIGTERM);
}

TEST_CASE("37 finally cleans up in a protected section, then puts the old handlers back", "[shutdown]") {
  VirtualLoop loop;
  const auto before = action_of(SIGTERM);
  GracefulShutdownManager m(loop.executor(), 30s);
  m.register_signal_handlers();
  bool deferred = false;
  auto clean_up = [&]() -> asio::awaitable<std::string> {
    for (int i = 0; i < 4; ++i) ::raise(SIGTERM);
    co_await af::sleep(5s);
    deferred = !m.shutdown_requested();
    co_return "stats";
  };
  CHECK(loop.run(m.finally(clean_up)) == "stats");
  CHECK(deferred);
  CHECK(m.shutdown_requested());
  CHECK(m.stage() == af::shutdown_stage::cancelling);  // there was nothing left to force
  CHECK(m.exit_code() == 0);
  CHECK(same(before, action_of(SIGTERM)));
}

TEST_CASE("37 finally with a body cleans up on success, failure and cancellation", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  int cleaned = 0;
  auto clean_up = [&]() -> asio::awaitable<void> {
    co_await af::sleep(5s);
    ++cleaned;
  };
  auto fail = []() -> asio::awaitable<int> {
    throw std::runtime_error("body");
    co_return 0;
  };
  auto fail_again = [&]() -> asio::awaitable<void> {
    ++cleaned;
    throw std::logic_error("clean-up");
    co_return;
  };
  CHECK(loop.run(m.finally(work(1s), clean_up)) == 7);
  CHECK_THROWS_WITH(loop.run(m.finally(fail(), clean_up)), "body");
  CHECK_THROWS_WITH(loop.run(m.finally(fail(), fail_again)), "body");
  CHECK_THROWS_WITH(loop.run(m.finally(work(1s), fail_again)), "clean-up");
  CHECK_THROWS_AS(loop.run(af::timeout(m.finally(work(1h), clean_up), 1s)), af::timeout_error);
  CHECK(cleaned == 5);
}

TEST_CASE("38 handlers, flags, masks and SIGPIPE are put back bit by bit", "[shutdown]") {
  VirtualLoop loop;
  struct sigaction mine = {};
  mine.sa_handler = &count_signal;
  mine.sa_flags = SA_RESTART | SA_NODEFER;
  sigaddset(&mine.sa_mask, SIGUSR2);
  struct sigaction old_int = {}, old_term = {};
  ::sigaction(SIGINT, &mine, &old_int);
  ::sigaction(SIGTERM, nullptr, &old_term);
  const auto int_before = action_of(SIGINT), term_before = action_of(SIGTERM), pipe_before = action_of(SIGPIPE);
  sigset_t mask_before, mask_after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_before);
  for (int round = 0; round < 3; ++round) {
    GracefulShutdownManager m(loop.executor(), 30s);
    m.register_signal_handlers();
    m.register_signal_handlers({SIGHUP});
    CHECK_FALSE(same(int_before, action_of(SIGINT)));
    CHECK(action_of(SIGPIPE).sa_handler == SIG_IGN);
    ::raise(SIGPIPE);  // never kills
    counted = 0;
    ::raise(SIGINT);
    CHECK(counted == 0);
    CHECK(m.shutdown_requested());
    if (round > 0) m.unregister_signal_handlers();
    if (round > 1) m.unregister_signal_handlers();
  }
  CHECK(same(int_before, action_of(SIGINT)));
  CHECK(same(term_before, action_of(SIGTERM)));
  CHECK(same(pipe_before, action_of(SIGPIPE)));
  CHECK(action_of(SIGHUP).sa_handler == SIG_DFL);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask_after);
  for (int s = 1; s <= 64; ++s) CHECK(sigismember(&mask_before, s) == sigismember(&mask_after, s));
  ::raise(SIGINT);
  CHECK(counted == 1);
  ::sigaction(SIGINT, &old_int, nullptr);
}

TEST_CASE("38 handlers of others that come later stay, and signal_sets go on", "[shutdown]") {
  VirtualLoop loop;
  asio::io_context io;
  int heard = 0;
  const auto before = action_of(SIGUSR1);
  {
    asio::signal_set set(io, SIGUSR1);
    auto listen = [&](auto& self) -> void {
      set.async_wait([&](std::error_code ec, int) {
        if (ec) return;
        ++heard;
        self(self);
      });
    };
    listen(listen);
    {
      GracefulShutdownManager m(loop.executor(), 30s);
      m.register_signal_handlers({SIGUSR1});
      ::raise(SIGUSR1);
      CHECK(m.shutdown_requested());
    }
    ::raise(SIGUSR1);
    io.run_for(1s);
    CHECK(heard == 2);
  }
  CHECK(action_of(SIGUSR1).sa_handler == SIG_DFL);  // as Asio leaves it
  {
    GracefulShutdownManager m(loop.executor(), 30s);
    m.register_signal_handlers({SIGUSR1});
    ::signal(SIGUSR1, &count_signal);
  }
  CHECK(action_of(SIGUSR1).sa_handler == &count_signal);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("32 signals that ask for nothing sensible are refused, and leave nothing behind", "[shutdown]") {
  VirtualLoop loop;
  GracefulShutdownManager m(loop.executor(), 30s);
  const auto before = action_of(SIGINT);
  for (const int s : {0, -1, 1000, SIGKILL, SIGSTOP, SIGSEGV, SIGPIPE}) {
    INFO(s);
    CHECK_THROWS_AS(m.register_signal_handlers({s}), af::config_error);
    CHECK(same(before, action_of(SIGINT)));
  }
  m.unregister_signal_handlers();
}

TEST_CASE("31 two managers on two loops both hear every signal", "[shutdown]") {
  VirtualLoop first, second;
  GracefulShutdownManager a(first.executor(), 30s), b(second.executor(), 30s);
  int ca = 0, cb = 0;
  a.on_signal([&](int) { ++ca; });
  b.on_signal([&](int) { ++cb; });
  a.register_signal_handlers();
  b.register_signal_handlers({SIGUSR2});
  ::raise(SIGTERM);
  ::raise(SIGUSR2);
  CHECK(a.stage() == af::shutdown_stage::requested);
  CHECK(b.stage() == af::shutdown_stage::cancelling);
  a.unregister_signal_handlers();
  ::raise(SIGTERM);
  CHECK(a.stage() == af::shutdown_stage::requested);
  CHECK(b.stage() == af::shutdown_stage::forced);
  first.drain();
  second.drain();
  CHECK(ca == 1);
  CHECK(cb == 3);
}

TEST_CASE("54 destroying a manager unregisters, in whatever order", "[shutdown]") {
  const auto before = action_of(SIGINT);
  VirtualLoop loop;
  auto a = std::make_unique<GracefulShutdownManager>(loop.executor(), 30s);
  auto b = std::make_unique<GracefulShutdownManager>(loop.executor(), 30s);
  a->register_signal_handlers();
  b->register_signal_handlers();
  a.reset();
  CHECK_FALSE(same(before, action_of(SIGINT)));
  ::raise(SIGINT);
  CHECK(b->shutdown_requested());
  b.reset();
  CHECK(same(before, action_of(SIGINT)));
}

TEST_CASE("34 signals, sections and requests from many threads are safe", "[shutdown]") {
  auto all = []() -> asio::awaitable<std::string> {
    const asio::any_io_executor ex = co_await asio::this_coro::executor;
    int interrupted = 0;
    for (int round = 0; round < 30; ++round) {
      GracefulShutdownManager m(ex, 30s);
      m.register_signal_handlers();
      std::vector<std::thread> threads;
      for (int t = 0; t < 3; ++t)
        threads.emplace_back([&m, t] {
          for (int i = 0; i < 5; ++i) {
            const auto section = m.protect_section();
            (void)m.shutdown_requested();
            if (t == 1 && i == 3) ::raise(SIGINT);
            if (t == 2 && i == 4) m.request_shutdown();
          }
        });
      try {
        co_await m.run_until_shutdown(af::sleep(1h));
      } catch (const af::shutdown_requested_error&) {
        ++interrupted;
      }
      for (auto& t : threads) t.join();
    }
    co_return std::to_string(interrupted);
  };
  CHECK(af::run(all(), af::RunOptions().threads(4)) == "30");
}
