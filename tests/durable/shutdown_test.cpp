// SPDX-License-Identifier: MIT
// Processes with stored runs get SIGTERM and SIGINT at random moments. They end in time with the code that says how,
// and another process goes on with every run: nothing that had an effect has it again.
#include <agentflow/async/shutdown_manager.hpp>
#include <agentflow/typed/state_graph.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <agentflow/async/run.hpp>

#include "support/catch.hpp"
#include "support/durable.hpp"
#include "support/trials.hpp"

#ifdef AGENTFLOW_TEST_SQLITE

namespace af = agentflow;
namespace fs = std::filesystem;
using support::Notes;
using namespace std::chrono_literals;

namespace {

constexpr int threads = 6, steps = 10;
constexpr auto graph_timeout = 300ms;

void append(const fs::path& file, const std::string& line) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(3);
  ::close(fd);
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// A loop of `steps` steps, each of which waits and then has an effect; step 3 of thread 0 may wait for ever.
af::CompiledGraph<Notes> make_graph(const fs::path& folder, bool stubborn) {
  af::StateGraph<Notes> g;
  g.add_node("work", [folder, stubborn](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
    const std::string thread = ctx.thread_id();
    std::chrono::nanoseconds time = 1ms;
    if (stubborn && thread == "0" && s.n == 3) time = 1h;
    co_await ctx.sleep(time);
    append(folder / "effects", thread + ":" + std::to_string(s.n) + "\n");
    s.log.push_back(std::to_string(s.n));
    ++s.n;
    co_return s;
  });
  const auto router = [](const Notes& s) { return s.n < steps ? "work" : "END"; };
  g.set_entry_point("work").add_conditional_edges("work", router, {"work", "END"});
  const auto store =
      af::sqlite((folder / "runs.db").string(), af::SqliteOptions().synchronous(af::sqlite_sync::normal));
  return g.compile(af::CompileOptions().checkpointer(store).shutdown_timeout(graph_timeout));
}

asio::awaitable<int> serve(fs::path folder, bool stubborn, int ready) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  af::GracefulShutdownManager manager(executor, 2s);
  manager.on_force([](int code) { ::_exit(code); });
  manager.register_signal_handlers();
  const auto app = make_graph(folder, stubborn);
  std::vector<af::Run<Notes>> runs;
  for (int i = 0; i < threads; ++i)
    runs.push_back(app.start(executor, support::input("t"), support::on(std::to_string(i))));
  if (::write(ready, "r", 1) != 1) ::_exit(3);
  co_await manager.wait_for_shutdown();
  auto closing = manager.close_until_cancelled(app.aclose());
  const auto stats = co_await std::move(closing);
  const int code = manager.exit_code();
  co_return code == 0 && !stats.clean() ? 75 : code;
}

/// Goes on with what is there and starts what is not; tells of anything that does not come to its end.
asio::awaitable<int> finish(fs::path folder) {
  const auto app = make_graph(folder, false);
  std::string expected = "t";
  for (int i = 0; i < steps; ++i) expected += " " + std::to_string(i);
  expected += " =" + std::to_string(steps);
  for (int i = 0; i < threads; ++i) {
    const auto config = support::on(std::to_string(i));
    auto look = app.aget_state(std::to_string(i));
    const bool begun = (co_await std::move(look)).has_value();
    auto work = begun ? app.ainvoke(af::Resume(), config) : app.ainvoke(support::input("t"), config);
    const af::RunResult<Notes> result = co_await std::move(work);
    if (text(*result) != expected) append(folder / "error", text(*result) + "\n");
  }
  co_return 0;
}

/// A process, and how it ended: its exit code, or minus the signal.
template <class F>
pid_t in_child(const fs::path& folder, F make) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid != 0) return pid;
  // Not Catch's: what comes after the manager's end, or before its beginning, is of no interest.
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  try {
    ::_exit(af::run(make()));
  } catch (const std::exception& e) {
    append(folder / "error", std::string(e.what()) + "\n");
    ::_exit(2);
  }
}
int end_of(pid_t pid) {
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("a process that is told to end leaves runs that another goes on with", "[durable][slow]") {
  const support::Trials trials(60);
  std::map<std::string, std::uint64_t> ends;
  std::uint64_t twice = 0, left_over = 0;
  std::chrono::nanoseconds longest{0};
  const Folder folders;
  for (auto seed = trials.first(); seed <= trials.last(); ++seed) {
    INFO("replay with AGENTFLOW_SEED=" << seed);
    std::mt19937_64 random(seed);
    const fs::path folder = folders.path() / std::to_string(seed);
    fs::create_directory(folder);
    const bool stubborn = random() % 3 == 0;
    const auto signals = 1 + random() % 3;
    std::array<int, 2> ready{};
    REQUIRE(::pipe2(ready.data(), O_CLOEXEC) == 0);
    const pid_t child = in_child(folder, [&] { return serve(folder, stubborn, ready[1]); });
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
    ::close(ready[1]);
    ::usleep(static_cast<useconds_t>(random() % 120'000));
    const auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < signals; ++i) {
      ::kill(child, random() % 2 == 0 ? SIGTERM : SIGINT);
      ::usleep(static_cast<useconds_t>(random() % 20'000));
    }
    const int code = end_of(child);
    longest = std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - begin);
    const bool forced = code == 128 + SIGTERM || code == 128 + SIGINT;
    CHECK((code == 0 || code == 75 || (forced && signals == 3)));
    ++ends[code == 0 ? "drained" : code == 75 ? "cancelled" : "forced"];
    const auto before = lines_of(folder / "effects").size();
    left_over += static_cast<std::uint64_t>(threads * steps) - before;

    CHECK(end_of(in_child(folder, [&] { return finish(folder); })) == 0);
    for (const auto& line : lines_of(folder / "error")) FAIL_CHECK(line);
    std::map<std::string, std::uint64_t> effects;
    for (const auto& line : lines_of(folder / "effects")) ++effects[line];
    CHECK(effects.size() == threads * steps);
    std::uint64_t repeated = 0;
    for (const auto& [what, times] : effects) repeated += times - 1;
    CHECK(repeated <= (forced ? threads : 0));  // what is forced is as good as killed
    twice += repeated;
    fs::remove_all(folder);
  }
  CHECK(longest < 10s);
  WARN(trials.count() << " processes: " << ends["drained"] << " drained, " << ends["cancelled"] << " cancelled, "
                      << ends["forced"] << " forced; " << left_over << " steps gone on with, " << twice
                      << " effects repeated; the longest end took "
                      << std::chrono::duration_cast<std::chrono::milliseconds>(longest).count() << " ms");
  if (trials.count() >= 60) CHECK((ends["drained"] > 0 && ends["cancelled"] > 0));
}
#endif
