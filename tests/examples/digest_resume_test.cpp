// SPDX-License-Identifier: MIT
// The example program digest: one that is left off at any file and gone on with reports the same.
#include "digest/resume.hpp"

#include <fstream>
#include <memory>
#include <string>

#include <agentflow/memory/memory_checkpointer.hpp>

#include "support/catch.hpp"
#include "support/folder.hpp"
#include "support/on_loop.hpp"

namespace af = agentflow;
using namespace digest;

namespace {

constexpr int files = 30;

Corpus input(const Folder& folder) {
  Corpus c;
  c.roots.push_back(folder.path().native());
  return c;
}

/// Runs what there is to run, and stops after so many events; counts the files that were measured.
asio::awaitable<af::RunResult<Corpus>> run(const af::CompiledGraph<Corpus>& graph, af::Input<Corpus> in,
                                           std::string thread, int stop_after, int& measured) {
  af::RunConfig config;
  config.thread_id(std::move(thread)).context(std::make_shared<Session>()).max_concurrency(2);
  config.stream(af::stream_mode::debug);
  auto handle = graph.astream(std::move(in), config);
  int events = 0;
  for (;;) {
    const auto chunk = co_await handle.next();
    if (!chunk) break;
    measured += chunk->kind() == af::chunk_kind::node_start && chunk->node() == "measure";
    if (++events == stop_after) handle.stop();
  }
  auto ending = handle.result();
  auto result = co_await std::move(ending);
  co_return result;
}

}  // namespace

TEST_CASE("digest resume: what was left off anywhere comes to the same", "[digest]") {
  const Folder folder;
  for (int i = 0; i < files; ++i)
    std::ofstream(folder.file("file" + std::to_string(i) + ".txt")) << "some words of file " << i << "\n";
  int measured = 0;
  const auto plain = make_graph(2);
  const Digest whole = on_loop([&] { return run(plain, input(folder), "", 0, measured); }).state.digest;
  REQUIRE(whole.seen == files);
  REQUIRE(measured == files);
  int stopped = 0;
  for (int stop_after = 1; stop_after < 90; stop_after += 4) {
    INFO("stopped after " << stop_after << " events");
    const auto kept = af::memory_checkpointer();
    const auto graph = make_graph(2, kept);
    const std::string thread = thread_of(input(folder));
    measured = 0;
    const auto first = on_loop([&] { return run(graph, input(folder), thread, stop_after, measured); });
    const auto found = on_loop([&] { return left_off(graph, kept, thread); });
    const bool finished = first.status() == af::run_status::completed;
    CHECK((!found || !finished));
    stopped += !finished;
    if (finished) continue;
    af::Input<Corpus> in = af::Resume();
    if (!found) in = input(folder);
    const auto second = on_loop([&] { return run(graph, std::move(in), thread, 0, measured); });
    CHECK(second->digest == whole);
    CHECK(measured == files);  // each once, whenever
  }
  CHECK(stopped > 10);
}
