// SPDX-License-Identifier: MIT
// Real signals to real processes: what they say, how they end, and that they end. A deadline that must pass is short,
// one that must not is long, and the machine may be as slow as it likes.
#include <agentflow/async/shutdown_manager.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock;

extern char** environ;

namespace {

/// A child with pipes at both ends. How it ended is its exit code, or 1000 and the signal that killed it.
class Child {
 public:
  explicit Child(const std::string& mode, std::chrono::milliseconds timeout = 60s) {
    int in[2], out[2];
    REQUIRE(::pipe2(in, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string program = AGENTFLOW_SHUTDOWN_PROGRAM, first = mode, second = std::to_string(timeout.count());
    char* args[] = {program.data(), first.data(), second.data(), nullptr};
    const int failed = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, args, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    in_ = in[1];
    out_ = out[0];
    REQUIRE(failed == 0);
    std::string first_line = line();
    while (first_line.starts_with("write: ")) said_before += first_line, first_line = line();
    REQUIRE(first_line == "ready");
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (!ended_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(in_);
    ::close(out_);
  }

  std::string said_before;

  void send(int signal) { REQUIRE(::kill(pid_, signal) == 0); }
  void tell() { REQUIRE(::write(in_, "\n", 1) == 1); }
  /// The next line; empty at the end, or when 30 s have passed.
  std::string line() {
    for (std::string text;;) {
      pollfd p{out_, POLLIN, 0};
      char c = 0;
      if (::poll(&p, 1, 30'000) <= 0 || ::read(out_, &c, 1) != 1) return text;
      if (c == '\n') return text;
      text += c;
    }
  }
  std::vector<std::string> lines() {
    std::vector<std::string> all;
    for (auto l = line(); !l.empty(); l = line()) all.push_back(l);
    return all;
  }
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = 0;
  int in_ = -1, out_ = -1;
  bool ended_ = false;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("31 one signal: the operation is interrupted, the clean-up done, exit code 75", "[signals]") {
  for (const int s : {SIGINT, SIGTERM}) {
    Child child("polite");
    child.send(s);
    CHECK(child.lines() == Lines{"interrupted by " + std::to_string(s), "clean"});
    CHECK(child.wait() == 75);
  }
}

TEST_CASE("34 one signal to a program that waits for it: drained, exit code 0", "[signals]") {
  Child child("wait");
  child.send(SIGTERM);
  CHECK(child.lines() == Lines{"clean"});
  CHECK(child.wait() == 0);
}

TEST_CASE("two signals: the second cancels what is to be finished", "[signals]") {
  Child child("drain");
  child.send(SIGTERM);
  child.send(SIGUSR1);  // another number, so that the kernel cannot merge the two; it may deliver either first
  const auto lines = child.lines();
  REQUIRE(lines.size() == 2);
  CHECK((lines[0] == "interrupted by 10" || lines[0] == "interrupted by 15"));
  CHECK(lines[1] == "clean");
  CHECK(child.wait() == 75);
}

TEST_CASE("three signals force the exit, with the number of the third", "[signals]") {
  Child child("deaf");
  child.send(SIGTERM);
  child.send(SIGUSR1);
  child.send(SIGINT);
  const auto lines = child.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("forced "));
  CHECK(child.wait() == std::stoi(lines[0].substr(7)));
}

TEST_CASE("an operation that ignores its cancellation ends with the deadline", "[signals]") {
  Child child("deaf", 300ms);
  const auto begin = Time::now();
  child.send(SIGTERM);
  CHECK(child.lines() == Lines{"forced 143"});
  CHECK(child.wait() == 143);
  CHECK(Time::now() - begin >= 300ms);
}

TEST_CASE("a function that blocks the event loop ends with the deadline, or the third signal", "[signals]") {
  {
    Child child("blocking", 300ms);
    child.send(SIGINT);
    CHECK(child.lines() == Lines{"forced 130"});
    CHECK(child.wait() == 130);
  }
  Child child("blocking");
  child.send(SIGTERM);
  child.send(SIGUSR1);
  child.send(SIGINT);
  CHECK(child.lines().size() == 1);
  CHECK(child.wait() > 128);
}

TEST_CASE("33 signals in a protected section are deferred, then delivered", "[signals]") {
  Child child("section");
  child.send(SIGINT);
  child.send(SIGTERM);
  child.tell();
  CHECK(child.lines() == Lines{"received 2", "clean"});
  CHECK(child.wait() == 0);
}

TEST_CASE("33 a section that never ends is ended by the deadline", "[signals]") {
  Child child("section", 300ms);
  child.send(SIGTERM);
  CHECK(child.lines() == Lines{"forced 143"});
  CHECK(child.wait() == 143);
}

TEST_CASE("a burst of a thousand signals: none that the kernel delivers is lost, and there is an end", "[signals]") {
  for (const std::string mode : {"polite", "deaf", "blocking"}) {
    INFO(mode);
    Child child(mode, 300ms);
    for (int i = 0; i < 1000; ++i) child.send(i % 2 == 0 ? SIGINT : SIGTERM);
    (void)child.lines();
    const int code = child.wait();
    CAPTURE(code);
    CHECK((code == 75 || code == 130 || code == 143 || code == 1000 + SIGINT || code == 1000 + SIGTERM));
  }
}

TEST_CASE("33 a burst of a thousand signals in a section arrives whole", "[signals]") {
  // Of these the kernel queues each, where of the old ones it keeps one that is pending.
  Child child("burst");
  for (int i = 0; i < 1000; ++i) child.send(i % 2 == 0 ? SIGRTMIN : SIGRTMIN + 1);
  child.tell();
  CHECK(child.lines() == Lines{"received 1000", "clean"});
  CHECK(child.wait() == 128 + SIGRTMIN);
}

TEST_CASE("32 a callback that throws stops neither the next nor the shutdown", "[signals]") {
  Child child("callback");
  child.send(SIGTERM);
  auto lines = child.lines();
  std::sort(lines.begin(), lines.end());
  CHECK(lines == Lines{"clean", "interrupted by 15", "second callback"});
  CHECK(child.wait() == 75);
}

TEST_CASE("SIGPIPE never kills while handlers are registered", "[signals]") {
  Child child("pipe");
  CHECK(child.said_before == "write: Broken pipe");
  child.send(SIGPIPE);
  child.send(SIGTERM);
  CHECK(child.lines() == Lines{"interrupted by 15", "clean"});
  CHECK(child.wait() == 75);
}

TEST_CASE("signals at any time end the program", "[signals]") {
  for (int i = 0; i < 30; ++i) {
    CAPTURE(i);
    const int signals = 1 + i % 3;
    Child child(i % 2 == 0 ? "polite" : "deaf", 200ms);
    for (int k = 0; k < signals; ++k) {
      child.send(k % 2 == 0 ? SIGTERM : SIGINT);
      for (const auto until = Time::now() + std::chrono::microseconds(i * 977 % 2000); Time::now() < until;) {
      }
    }
    (void)child.lines();
    const int code = child.wait();
    CAPTURE(code);
    CHECK((code == 75 || code == 130 || code == 143 || code == 1000 + SIGINT || code == 1000 + SIGTERM));
  }
}
