// SPDX-License-Identifier: MIT
// agentflow_bench: what the library costs.
//
//   agentflow_bench [--quick] [--json FILE] [--filter TEXT] [--no-ir] [--check] [--list]
//
// Each workload is a graph, compiled once; a line says what one run (step, branch, chunk) of it costs:
//
//   ns, min   the median and the smallest of at least five samples, each long enough for the clock. Times swing with
//   the
//             machine: compare within one report, and only on a quiet machine.
//   ir        instructions, counted by valgrind's callgrind in a process of its own (N runs and 2N, subtracted). Exact.
//   mallocs   calls of malloc and its kin, and the bytes they asked for; counted in this process on the thread that
//   runs the
//             workload, by taking malloc's place, since Asio does not allocate by operator new. Exact. For "inflight"
//             and suspended runs the bytes are those held meanwhile, overhead of the heap included; for "resident" and
//             "burst" what the process grew by.
//   floor     the ns that the bare parts (functions in a loop, awaited coroutines, a new io_context) take for the same
//   work,
//             measured in turns with the workload. Lines named "floor" show the parts one by one.
//   target    what docs/ promises, and whether it is met.
//
// Every workload verifies what its runs yield; a wrong result ends the program with status 2.
//
//   --quick        shorter and fewer samples: less than half a minute
//   --json FILE    writes the rows as JSON too: a list of objects with the columns above, null where not measured
//   --filter TEXT  only the lines whose name (workload, space, variant) contains TEXT
//   --no-ir        does not count instructions, which takes most of the time
//   --check        exits with status 1 when a counter (ir, mallocs, bytes) passes its target or cannot be had; times do
//   not
//                  matter for it, so it gives the same answer on any machine
//   --list         names the lines and exits
//   --ir NAME N    runs the workload NAME N times and exits: for callgrind and other profilers
//
// To add a workload: write it in a file beside this one (see workloads.hpp), call it below, and name the file in
// CMakeLists.txt.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <string_view>

#include "bench.hpp"
#include "workloads.hpp"

namespace {

[[noreturn]] void usage(int status) {
  std::fputs(
      "usage: agentflow_bench [--quick] [--json FILE] [--filter TEXT] [--no-ir] [--check] [--list] [--ir NAME N]\n",
      status == 0 ? stdout : stderr);
  std::exit(status);
}

bench::Options parse(int argc, char** argv) {
  bench::Options o;
  const auto value = [&](int& i) -> const char* {
    if (++i >= argc) usage(2);
    return argv[i];
  };
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--quick")
      o.quick = true;
    else if (arg == "--json")
      o.json_file = value(i);
    else if (arg == "--filter")
      o.filter = value(i);
    else if (arg == "--no-ir")
      o.callgrind = false;
    else if (arg == "--check")
      o.check = true;
    else if (arg == "--list")
      o.list = true;
    else if (arg == "--ir") {
      o.ir_name = value(i);
      o.ir_runs = std::atol(value(i));
    } else
      usage(arg == "--help" ? 0 : 2);
  }
  return o;
}

int run(bench::Session& session) {
  const auto& options = session.options();
  bench::seq(session);
  bench::chains(session);
  bench::fans(session);
  bench::inflight(session);
  if (!options.check) {  // what follows has no counter to check
    bench::grow(session);
    bench::durable(session);
    bench::streams(session);
    bench::agents(session);
#if defined(BENCH_MODELS)
    bench::models(session);
#endif
    bench::compile(session);
    bench::wide_state(session);
    bench::checkpoints(session);
    bench::burst(session);
    bench::two_threads(session);
    bench::floors(session);
  }
  if (options.list || !options.ir_name.empty()) return 0;

  std::fputs("\r\033[K", stderr);
  std::fputs(bench::table(session.rows()).c_str(), stdout);
  if (!options.json_file.empty()) {
    std::ofstream file(options.json_file);
    if (!(file << bench::json(session.rows())).flush()) {
      std::fprintf(stderr, "cannot write %s\n", options.json_file.c_str());
      return 2;
    }
  }
  if (!options.check) return 0;
  const auto missed = bench::missed_counters(session.rows());
  for (const auto& line : missed) std::fprintf(stderr, "past its target: %s\n", line.c_str());
  return missed.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    bench::Session session(parse(argc, argv));
    return run(session);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "\nagentflow_bench: %s\n", e.what());
    return 2;
  }
}
