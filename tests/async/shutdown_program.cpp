// SPDX-License-Identifier: MIT
// The child process of shutdown_signals_test: does what its first argument says, prints what happens, takes signals.
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

namespace {

std::chrono::milliseconds timeout = 2s;

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

/// Heeds nothing, but leaves the loop free.
asio::awaitable<void> deaf() {
  for (;;) {
    try {
      co_await af::sleep(1h);
    } catch (const af::cancelled_error&) {
    }
    co_await asio::this_coro::reset_cancellation_state();
  }
}
/// Holds the loop itself.
asio::awaitable<void> blocking() {
  ::pause();
  for (;;) ::pause();
  co_return;
}

asio::awaitable<void> ready(asio::awaitable<void> work) {
  say("ready");
  co_await std::move(work);
}

asio::awaitable<int> program(std::string mode) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  af::GracefulShutdownManager shutdown(ex, timeout);
  if (mode != "burst")
    shutdown.on_force([](int code) {
      std::printf("forced %d\n", code);
      std::fflush(stdout);
      std::_Exit(code);
    });
  int received = 0;
  shutdown.on_signal([&](int) { ++received; });
  if (mode == "callback") {
    shutdown.on_shutdown([] { throw std::runtime_error("a callback"); });
    shutdown.on_shutdown([] { say("second callback"); });
  }
  shutdown.register_signal_handlers({SIGUSR1, SIGRTMIN, SIGRTMIN + 1});

  if (mode == "burst" || mode == "section") {
    {
      const auto section = shutdown.protect_section();
      say("ready");
      // The parent writes a line when it has sent them all.
      auto wait_for_parent = [] { return std::getchar(); };
      co_await af::run_blocking(wait_for_parent);
      if (shutdown.shutdown_requested()) say("not deferred");
    }
    if (!shutdown.shutdown_requested()) say("not delivered");
    co_await af::sleep(1ms);
    say("received " + std::to_string(received));
  } else {
    try {
      if (mode == "deaf") co_await shutdown.run_until_shutdown(ready(deaf()));
      if (mode == "blocking") co_await shutdown.run_until_shutdown(ready(blocking()));
      if (mode == "drain") co_await shutdown.run_until_cancelled(ready(af::sleep(1h)));
      if (mode == "pipe") {
        int ends[2];
        if (::pipe(ends) == 0) ::close(ends[0]);
        if (::write(ends[1], "x", 1) < 0) say(std::string("write: ") + std::strerror(errno));
      }
      if (mode == "polite" || mode == "callback" || mode == "pipe")
        co_await shutdown.run_until_shutdown(ready(af::sleep(1h)));
      if (mode == "wait") co_await ready(shutdown.wait_for_shutdown());
    } catch (const af::shutdown_requested_error& e) {
      say("interrupted by " + std::to_string(e.signal()));
    }
  }
  auto clean_up = [&]() -> asio::awaitable<void> {
    if (mode == "polite") co_await af::sleep(20ms);
    say("clean");
  };
  co_await shutdown.finally(clean_up);
  co_return shutdown.exit_code();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  if (argc > 2) timeout = std::chrono::milliseconds(std::atoi(argv[2]));
  return af::run(program(argv[1]));
}
