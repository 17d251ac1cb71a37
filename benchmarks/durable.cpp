// SPDX-License-Identifier: MIT
// ckpt_seq: what storing a run costs; ckpt_grow(N): whether a stored step gets dearer with the history, what a message
// takes on the disk, and how long a resume takes.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <agentflow/memory/memory_checkpointer.hpp>
#ifdef AGENTFLOW_BENCH_SQLITE
#include <agentflow/sqlite/checkpointer.hpp>
#endif

#include "workloads.hpp"

namespace bench {

struct Talk {
  af::List<af::Message> messages;
  int wanted = 0;
};
AGENTFLOW_STATE(Talk, (messages, af::add_messages), wanted)

namespace {

using Mark = std::chrono::steady_clock::time_point;

const std::string text(100, 'x');

double nanoseconds(Mark from, Mark to) { return std::chrono::duration<double, std::nano>(to - from).count(); }

/// A new thread for each run, and a new store now and then, so that it does not fill the memory.
template <class Node>
void stored_runs(Node node, int length, long runs) {
  const auto graph = chain_graph(length, node);
  for (long done = 0; done < runs;) {
    const auto app = graph.compile(af::CompileOptions().checkpointer(af::memory_checkpointer()));
    for (const long end = std::min(runs, done + 500); done < end; ++done) {
      const auto config = af::RunConfig()
                              .thread_id("thread " + std::to_string(done))
                              .recursion_limit(static_cast<std::uint64_t>(length));
      verify(app.invoke(Counter(), config)->counter == length, "ckpt_seq: the counter");
    }
  }
}

/// One thread that gets a message of 100 characters in each of `length` steps.
void history(Session& session, int length, const std::string& variant, const std::shared_ptr<af::Checkpointer>& store,
             const std::filesystem::path& folder) {
  const std::string workload = "ckpt_grow(" + std::to_string(length) + ")";
  std::vector<Mark> marks;
  marks.reserve(static_cast<std::size_t>(length) + 1);
  af::StateGraph<Talk> graph;
  graph.add_node("say", [&marks](const Talk&) {
    marks.push_back(std::chrono::steady_clock::now());
    return af::Message::from_text(text, af::Role::assistant);
  });
  const auto router = [](const Talk& s) {
    return s.messages.size() == static_cast<std::size_t>(s.wanted) ? af::END : std::string_view("say");
  };
  graph.set_entry_point("say").add_conditional_edges("say", router, std::vector<std::string>{"say", "END"});
  const auto app = graph.compile(af::CompileOptions().checkpointer(store));
  Talk input;
  input.wanted = length;
  const auto config = af::RunConfig().thread_id("t").recursion_limit(static_cast<std::uint64_t>(length));
  app.invoke(std::move(input), config);

  // Snapshots come ever more seldom and are ever larger: only windows that grow with the history hold their share.
  const auto at = [&](int step) { return marks[static_cast<std::size_t>(std::min(step, length - 1))]; };
  const double early = nanoseconds(at(length / 40), at(length / 10)) / (length / 10.0 - length / 40.0);
  const double late = nanoseconds(at(length / 4), at(length)) / (length - length / 4.0);
  session.add(Row{
      .workload = workload, .variant = variant + ", from 10 % back to a quarter of that", .unit = "step", .ns = early});
  session.add(
      Row{.workload = workload, .variant = variant + ", from the end back to a quarter", .unit = "step", .ns = late});
  session.add(Row{.workload = workload,
                  .variant = variant + ", late against early",
                  .unit = "ratio",
                  .ratio = late / early,
                  .target = {.ratio = 1.1}});

  std::vector<double> resumes;
  for (int i = 0; i < (session.quick() ? 3 : 9); ++i) {
    const Mark begin = std::chrono::steady_clock::now();
    verify(app.invoke(af::Resume(), config)->messages.size() == static_cast<std::size_t>(length),
           "ckpt_grow: a resume");
    resumes.push_back(nanoseconds(begin, std::chrono::steady_clock::now()));
  }
  session.add(Row{.workload = workload,
                  .variant = variant + ", resume",
                  .unit = "run",
                  .ns = median(resumes),
                  .target = {.ns = 20e6}});
  if (folder.empty()) return;
  double bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) bytes += static_cast<double>(file.file_size());
  session.add(Row{.workload = workload,
                  .variant = variant + ", files",
                  .unit = "message",
                  .bytes = bytes / length,
                  .target = {.bytes = 1024}});
}

}  // namespace

void durable(Session& session) {
  session.measure(
      Case{.workload = "ckpt_seq", .run = [](long n) { stored_runs(add_one, 3, n); }, .count_instructions = true});
  session.measure(Case{.workload = "ckpt_chain(100)",
                       .unit = "step",
                       .run = [](long n) { stored_runs(add_one, 100, n); },
                       .units = 100,
                       .count_instructions = true});
  if (session.wants("ckpt_grow memory")) history(session, 10'000, "memory", af::memory_checkpointer(), {});
#ifdef AGENTFLOW_BENCH_SQLITE
  if (session.wants("ckpt_grow sqlite")) {
    std::string folder = (std::filesystem::temp_directory_path() / "agentflow_bench_XXXXXX").string();
    verify(::mkdtemp(folder.data()) != nullptr, "ckpt_grow: a temporary folder");
    const auto options = af::SqliteOptions().synchronous(af::sqlite_sync::normal);
    history(session, 10'000, "sqlite, normal", af::sqlite(folder + "/bench.db", options), folder);
    std::filesystem::remove_all(folder);
  }
#endif
}

}  // namespace bench
