// SPDX-License-Identifier: MIT
// A run that dies again and again and is gone on with each time by another process, until it is done. A ledger on disk
// shows that nothing was done twice.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <agentflow/sqlite/checkpointer.hpp>

namespace af = agentflow;
namespace fs = std::filesystem;

struct Work {
  int done = 0;
};
AGENTFLOW_STATE(Work, (done, af::sum))

constexpr int wanted = 12;

/// One line in the ledger, with one call that the kernel does not split.
void write_down(const fs::path& ledger, const std::string& line) {
  const int file = ::open(ledger.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
  ::close(file);
}

/// What a process does: begin the run or go on with it, and die at a random step.
int work(const fs::path& folder) {
  std::random_device random;
  af::StateGraph<Work> graph;
  graph.add_node("work", [&](const Work& w, af::NodeContext&) {
    if (random() % 3 == 0) ::_exit(9);  // as if somebody had pulled the plug
    write_down(folder / "ledger", "piece " + std::to_string(w.done) + "\n");
    return af::Update<Work>().write<&Work::done>(1);
  });
  graph.set_entry_point("work").add_conditional_edges(
      "work", [](const Work& w) { return w.done < wanted ? "work" : "END"; }, {"work", "END"});
  const auto app = graph.compile(af::CompileOptions().checkpointer(af::sqlite((folder / "runs.db").string())));
  const auto thread = af::RunConfig().thread_id("the job");
  const bool begun = app.get_state("the job").has_value();
  const auto result = begun ? app.invoke(af::Resume(), thread) : app.invoke(Work(), thread);
  return result->done == wanted ? 0 : 1;
}

int main(int argc, char** argv) {
  if (argc == 2) return work(argv[1]);

  std::string name = (fs::temp_directory_path() / "kill_and_resume_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return 1;
  const fs::path folder = name;
  int processes = 0, status = 0;
  do {
    ++processes;
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/proc/self/exe", argv[0], folder.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::waitpid(child, &status, 0);
  } while (WIFEXITED(status) && WEXITSTATUS(status) == 9 && processes < 1000);

  std::map<std::string, int> lines;
  std::ifstream ledger(folder / "ledger");
  for (std::string line; std::getline(ledger, line);) ++lines[line];
  bool once = lines.size() == wanted;
  for (const auto& [line, times] : lines) once = once && times == 1;
  std::cout << wanted << " pieces of work, " << processes << " processes, " << processes - 1
            << " of them killed: " << (once ? "each piece was done once" : "something is wrong") << "\n";
  fs::remove_all(folder);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 && once ? 0 : 1;
}
