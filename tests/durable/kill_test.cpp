// SPDX-License-Identifier: MIT
// Processes that run random graphs on a file are killed at random moments until one comes to the end: the interpreter's
// result, and a ledger in which no task stands more often than it can have been interrupted.
#include <agentflow/typed/state_graph.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>

#include "support/catch.hpp"
#include "support/folder.hpp"
#include "support/instant_clock.hpp"
#include "support/random_graph.hpp"
#include "support/trials.hpp"

#ifdef AGENTFLOW_TEST_SQLITE
#include <agentflow/sqlite/checkpointer.hpp>

namespace af = agentflow;
namespace fs = std::filesystem;
using random_graph::Book;
using random_graph::Builder;

namespace {

/// One line, with one call that the kernel does not split.
void append(const fs::path& file, const std::string& line) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(3);
  ::close(fd);
}

std::string content(const fs::path& file) {
  std::ostringstream out;
  out << std::ifstream(file).rdbuf();
  return out.str();
}

/// The life of one process.
[[noreturn]] void work(const oracle::Program& program, const fs::path& folder, std::uint64_t seed) {
  try {
    random_graph::on_node() = [&folder](const af::NodeContext& ctx) {
      if (ctx.attempt() == 1) append(folder / "ledger", ctx.idempotency_key() + "\n");
    };
    const auto store =
        af::sqlite((folder / "runs.db").string(), af::SqliteOptions().synchronous(af::sqlite_sync::normal));
    const auto app = Builder(program, std::make_shared<InstantClock>(), false, store).compile();
    const auto config = af::RunConfig()
                            .thread_id("t")
                            .recursion_limit(oracle::Interpreter::max_steps)
                            .shuffle(seed)
                            .max_concurrency(seed % 4);
    const bool begun = app.get_state("t").has_value();
    const auto result = begun ? app.invoke(af::Resume(), config) : app.invoke(Book(), config);
    append(folder / "result", random_graph::text(result.state));
    ::_exit(0);
  } catch (const std::exception& e) {
    append(folder / "error", e.what());
    ::_exit(2);
  }
}

}  // namespace

TEST_CASE("processes that are killed at any moment lose nothing and repeat little", "[durable][slow]") {
  const support::Trials trials(150);
  std::uint64_t programs = 0, kills = 0, tasks = 0, twice = 0;
  const Folder folders;
  for (auto seed = trials.first(); seed <= trials.last(); ++seed) {
    INFO("replay with AGENTFLOW_SEED=" << seed);
    std::mt19937_64 random(seed);
    const auto program = oracle::Generator(random, "", 0, 3 + static_cast<int>(random() % 10)).make();
    const auto expected = random_graph::interpret(*program);
    if (!expected || expected->steps == 0) continue;
    ++programs;
    const fs::path folder = folders.path() / std::to_string(seed);
    fs::create_directory(folder);
    std::uint64_t my_kills = 0;
    for (int status = -1; status != 0;) {
      REQUIRE(my_kills < 300);
      const auto process_seed = random();
      // Early in its life at first; later ones live longer, so that each program comes to its end.
      const auto life = static_cast<useconds_t>(3000 + random() % (4000 + 1500 * my_kills));
      const pid_t child = ::fork();
      REQUIRE(child >= 0);
      if (child == 0) work(*program, folder, process_seed);
      ::usleep(life);
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      if (WIFSIGNALED(status)) {
        ++my_kills;
        continue;
      }
      INFO(content(folder / "error"));
      REQUIRE(WEXITSTATUS(status) == 0);
    }
    // A process may have been killed after it had written its result.
    CHECK(content(folder / "result").starts_with(expected->state));
    std::map<std::string, std::uint64_t> ledger;
    std::istringstream lines(content(folder / "ledger"));
    for (std::string line; std::getline(lines, line);) ++ledger[line];
    for (const auto& [key, times] : ledger) {
      CHECK(times <= 1 + my_kills);
      twice += times - 1;
    }
    tasks += ledger.size();
    kills += my_kills;
    fs::remove_all(folder);
  }
  WARN(programs << " programs, " << tasks << " tasks, " << kills << " kills, " << twice << " tasks done once more");
  CHECK(programs * 2 >= trials.count());
}
#endif
