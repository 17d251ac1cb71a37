// SPDX-License-Identifier: MIT
// ckpt_seq: what storing a run costs; ckpt_grow(N): whether a stored step gets dearer with the history, what a message
// takes on the disk, and how long a resume takes.
#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
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

/// What all threads of this process have computed so far: unlike the time on the wall it does not count what other
/// processes did meanwhile, which on a busy machine is several times as much.
double processor_ns() {
  timespec t{};
  verify(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0, "the processor time");
  return 1e9 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec);
}

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

/// One node that adds a message of 100 characters until there are as many as wanted. Notes when it does which of them.
af::StateGraph<Talk> talk_graph(std::map<int, double>* marks = nullptr) {
  af::StateGraph<Talk> graph;
  graph.add_node("say", [marks](const Talk& s) {
    if (marks != nullptr) {
      if (const auto mark = marks->find(static_cast<int>(s.messages.size())); mark != marks->end())
        mark->second = processor_ns();
    }
    return af::Message::from_text(text, af::Role::assistant);
  });
  const auto router = [](const Talk& s) {
    return s.messages.size() == static_cast<std::size_t>(s.wanted) ? af::END : std::string_view("say");
  };
  graph.set_entry_point("say").add_conditional_edges("say", router, std::vector<std::string>{"say", "END"});
  return graph;
}

af::RunConfig one_thread(int length) {
  return af::RunConfig().thread_id("t").recursion_limit(static_cast<std::uint64_t>(length));
}

/// What a Resume of a finished thread takes, which loads its state; `check` is called with the state.
template <class S, class F>
void resumes(Session& session, const std::string& workload, const std::string& variant, const af::CompiledGraph<S>& app,
             Target target, F check) {
  std::vector<double> times, computed;
  for (int i = 0; i < (session.quick() ? 3 : 9); ++i) {
    const Mark begin = std::chrono::steady_clock::now();
    const double processor = processor_ns();
    verify(check(*app.invoke(af::Resume(), one_thread(1))), "a resume");
    computed.push_back(processor_ns() - processor);
    times.push_back(nanoseconds(begin, std::chrono::steady_clock::now()));
  }
  const auto report = [&](const std::string& what, std::vector<double>& ns, Target limit) {
    session.add(Row{.workload = workload,
                    .variant = variant + what,
                    .unit = "run",
                    .ns = median(ns),
                    .min_ns = *std::min_element(ns.begin(), ns.end()),
                    .target = limit});
  };
  report(", resume", times, {});
  report(", resume, processor time", computed, target);
}

/// One thread that gets a message of 100 characters in each of `length` steps.
void history(Session& session, int length, const std::string& variant, std::shared_ptr<af::Checkpointer> store) {
  const std::string workload = "ckpt_grow(" + std::to_string(length) + ")";
  // Snapshots come ever more seldom and are ever larger: only windows that grow with the history hold their share.
  std::map<int, double> at{{length / 40, 0}, {length / 10, 0}, {length / 4, 0}, {length - 1, 0}};
  const auto app = talk_graph(&at).compile(af::CompileOptions().checkpointer(std::move(store)));
  Talk input;
  input.wanted = length;
  app.invoke(std::move(input), one_thread(length));

  const auto step = [&](int from, int to) { return (at.at(to) - at.at(from)) / (to - from); };
  const double early = step(length / 40, length / 10), late = step(length / 4, length - 1);
  const auto report = [&](const std::string& what, double ns) {
    session.add(Row{.workload = workload, .variant = variant + what + ", processor time", .unit = "step", .ns = ns});
  };
  report(", from 10 % back to a quarter of that", early);
  report(", from the end back to a quarter", late);
  session.add(Row{.workload = workload,
                  .variant = variant + ", late against early",
                  .unit = "ratio",
                  .ratio = late / early,
                  .target = {.ratio = 1.1}});
  resumes(session, workload, variant, app, {.ns = 20e6},
          [length](const Talk& s) { return s.messages.size() == static_cast<std::size_t>(length); });
}

/// One thread of `length` steps whose state stays small.
void long_thread(Session& session, int length, const std::string& variant, std::shared_ptr<af::Checkpointer> store) {
  af::StateGraph<Counter> graph;
  graph.add_node("count", [](Counter c) {
    ++c.counter;
    return c;
  });
  const auto router = [length](const Counter& c) { return c.counter < length ? std::string_view("count") : af::END; };
  graph.set_entry_point("count").add_conditional_edges("count", router, std::vector<std::string>{"count", "END"});
  const auto app = graph.compile(af::CompileOptions().checkpointer(std::move(store)));
  app.invoke(Counter(), one_thread(length));
  resumes(session, "ckpt_count(" + std::to_string(length) + ")", variant, app, {.ns = 20e6},
          [length](const Counter& c) { return c.counter == length; });
}

/// What a run asks of the heap for each message it adds, which must not depend on how many there are.
void heap_per_message(Session& session) {
  const auto measure = [&session](int length, Target target) {
    const auto run = [length](long runs) {
      for (; runs > 0; --runs) {
        const auto app = talk_graph().compile(af::CompileOptions().checkpointer(af::memory_checkpointer()));
        Talk input;
        input.wanted = length;
        verify(app.invoke(std::move(input), one_thread(length))->messages.size() == static_cast<std::size_t>(length),
               "ckpt_talk: the messages");
      }
    };
    return session.measure(Case{.workload = "ckpt_talk(" + std::to_string(length) + ")",
                                .unit = "step",
                                .run = run,
                                .target = target,
                                .units = static_cast<double>(length)});
  };
  const auto few = measure(500, {});
  Target target;
  if (few && few->mallocs && few->bytes) {
    target.mallocs = *few->mallocs * 1.1;
    target.bytes = *few->bytes * 1.1;
  }
  measure(4000, target);
}

#ifdef AGENTFLOW_BENCH_SQLITE
void on_disk(Session& session) {
  std::string folder = (std::filesystem::temp_directory_path() / "agentflow_bench_XXXXXX").string();
  verify(::mkdtemp(folder.data()) != nullptr, "ckpt_grow: a temporary folder");
  const auto options = af::SqliteOptions().synchronous(af::sqlite_sync::normal);
  const int length = 10'000;
  history(session, length, "sqlite, normal", af::sqlite(folder + "/bench.db", options));
  session.add(Row{.workload = "ckpt_grow(" + std::to_string(length) + ")",
                  .variant = "sqlite, file",
                  .unit = "message",
                  .bytes = static_cast<double>(std::filesystem::file_size(folder + "/bench.db")) / length,
                  .target = {.bytes = 1024}});
  long_thread(session, length, "sqlite, normal", af::sqlite(folder + "/count.db", options));
  std::filesystem::remove_all(folder);
}
#endif

}  // namespace

void durable(Session& session) {
  session.measure(
      Case{.workload = "ckpt_seq", .run = [](long n) { stored_runs(add_one, 3, n); }, .count_instructions = true});
  session.measure(Case{.workload = "ckpt_chain(100)",
                       .unit = "step",
                       .run = [](long n) { stored_runs(add_one, 100, n); },
                       .target = {.mallocs = 12},
                       .units = 100,
                       .count_instructions = true});
  heap_per_message(session);
  if (session.wants("ckpt_grow memory")) {
    history(session, 10'000, "memory", af::memory_checkpointer());
    long_thread(session, 10'000, "memory", af::memory_checkpointer());
  }
#ifdef AGENTFLOW_BENCH_SQLITE
  if (session.wants("ckpt_grow sqlite")) on_disk(session);
#endif
}

}  // namespace bench
