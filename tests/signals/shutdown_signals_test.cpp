// SPDX-License-Identifier: MIT
// A manager and a graph against real signals, in a process of their own.
#include <agentflow/async/shutdown_manager.hpp>

#include <array>
#include <csignal>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.hpp"

using Catch::Matchers::Contains;

namespace {

/// The program in tests/signals/shutdown_child.cpp.
class Child {
 public:
  explicit Child(const char* how) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execl(AGENTFLOW_SHUTDOWN_CHILD, AGENTFLOW_SHUTDOWN_CHILD, how, nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    out_ = ends[0];
    wait_for("ready");
  }
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void signal(int number) { REQUIRE(::kill(pid_, number) == 0); }
  void wait_for(const std::string& text) {
    while (output_.find(text) == std::string::npos) REQUIRE(read_more());
  }
  /// Waits for its end; gives its exit code, or minus the signal that killed it.
  int end() {
    while (read_more()) {
    }
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  const std::string& output() const noexcept { return output_; }

 private:
  bool read_more() {
    pollfd wanted{out_, POLLIN, 0};
    REQUIRE(::poll(&wanted, 1, 20'000) == 1);
    std::array<char, 4096> buffer{};
    const auto n = ::read(out_, buffer.data(), buffer.size());
    if (n > 0) output_.append(buffer.data(), static_cast<std::size_t>(n));
    return n > 0;
  }

  pid_t pid_ = 0;
  int out_ = -1;
  std::string output_;
};

}  // namespace

TEST_CASE("35 one signal drains a run at its step, and the program ends with 0", "[signals]") {
  const int number = GENERATE(SIGTERM, SIGINT);
  Child child("steps");
  child.signal(number);
  CHECK(child.end() == 0);
  CHECK_THAT(child.output(), Contains("signal " + std::to_string(number)) && Contains("drained"));
  CHECK_THAT(child.output(), Contains(R"("runs":{"status":"completed","completed":1)"));
}

TEST_CASE("35 one signal and a node that waits: cancelled at the deadline, 75", "[signals]") {
  Child child("waits");
  child.signal(SIGTERM);
  CHECK(child.end() == 75);
  CHECK_THAT(child.output(), Contains(R"("runs":{"status":"cancelled")") && Contains(R"("deadline_exceeded":true)"));
}

TEST_CASE("36 a second signal does not wait for the deadline, 75", "[signals]") {
  Child child("waits for long");
  child.signal(SIGTERM);
  child.wait_for("asked");
  child.signal(SIGINT);
  CHECK(child.end() == 75);
  CHECK_THAT(child.output(), Contains(R"("runs":{"status":"cancelled")") && Contains(R"("deadline_exceeded":false)"));
}

TEST_CASE("36 a third signal forces, even while a node blocks the loop", "[signals]") {
  Child child("blocks");
  child.signal(SIGTERM);
  child.signal(SIGINT);
  child.signal(SIGTERM);
  CHECK(child.end() == 128 + SIGTERM);
}

TEST_CASE("36 the deadline forces while a node blocks the loop", "[signals]") {
  Child child("blocks");
  child.signal(SIGINT);
  CHECK(child.end() == 128 + SIGINT);
}

TEST_CASE("35 a node that ignores its cancellation is left behind, 75", "[signals]") {
  Child child("ignores");
  child.signal(SIGTERM);
  CHECK(child.end() == 75);
  CHECK_THAT(child.output(), Contains(R"("runs":{"status":"timed_out")") && Contains(R"("abandoned":1)"));
}

TEST_CASE("35 a publisher that blocks is left behind, 75", "[signals]") {
  Child child("publisher");
  child.signal(SIGTERM);
  CHECK(child.end() == 75);
  CHECK_THAT(child.output(), Contains(R"("publisher":{"status":"timed_out")"));
}

TEST_CASE("32 a callback that throws stops nothing, 0", "[signals]") {
  Child child("callback");
  child.signal(SIGTERM);
  CHECK(child.end() == 0);
  CHECK_THAT(child.output(), Contains("asked") && Contains("drained"));
}

TEST_CASE("36 a burst of a thousand signals ends the program once, at once", "[signals]") {
  Child child("waits");
  for (int i = 0; i < 1000; ++i) child.signal(i % 2 == 0 ? SIGTERM : SIGINT);
  const int code = child.end();  // signals of one number that come too fast are one, so there may have been only two
  CHECK((code == 75 || code >= 128));
}
