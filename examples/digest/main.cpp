// SPDX-License-Identifier: MIT
// digest: reads files and folders and prints what is in them. Ctrl-C ends it with what it has.
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <fmt/format.h>

#include <agentflow/agentflow.hpp>

#include "graph.hpp"
#include "observer.hpp"
#include "options.hpp"
#include "render.hpp"
#include "resume.hpp"

namespace {

namespace af = agentflow;

/// The first Ctrl-C stops the run where it is, the second cancels it, the third is the system's own.
class Interrupts {
 public:
  Interrupts(asio::io_context& loop, af::Run<digest::Corpus>& run, digest::Session& session)
      : signals_(loop, SIGINT, SIGTERM), run_(run), session_(session) {
    wait();
  }
  int signal() const noexcept { return signal_; }
  void end() { signals_.cancel(); }

 private:
  void wait() {
    signals_.async_wait([this](const std::error_code& error, int number) {
      if (error) return;
      if (signal_ == 0) {
        signal_ = number;
        session_.stop.request_stop();
        run_.stop();
        wait();
      } else {
        run_.cancel();
        signals_.clear();
      }
    });
  }

  asio::signal_set signals_;
  af::Run<digest::Corpus>& run_;
  digest::Session& session_;
  int signal_ = 0;
};

void print(const digest::Options& options, const digest::Digest& result) {
  digest::TextOptions text;
  text.top = options.top;
  text.color = isatty(STDOUT_FILENO) != 0;
  const auto report = options.json ? digest::render_json(result) : digest::render_text(result, text);
  std::fwrite(report.data(), 1, report.size(), stdout);
}

/// Reads, reports, and gives the exit code.
asio::awaitable<int> run(asio::io_context& loop, const digest::Options& options) {
  const auto kept = options.resume_file.empty() ? nullptr : digest::open_kept(options.resume_file);
  const auto graph = digest::make_graph(options.jobs, kept);
  const auto session = std::make_shared<digest::Session>();
  digest::Corpus input;
  input.roots = options.paths.empty() ? std::vector<std::string>(1, digest::default_root()) : options.paths;
  input.max_bytes = options.max_bytes;

  af::RunConfig config;
  config.max_concurrency(options.jobs).context(session).stream(af::stream_mode::debug | af::stream_mode::custom);
  digest::Observer observer(options.progress && isatty(STDERR_FILENO) != 0);
  bool going_on = false;
  if (kept) {
    config.thread_id(digest::thread_of(input));
    auto look = digest::left_off(graph, kept, config.thread_id());
    const auto known = co_await std::move(look);
    going_on = known.has_value();
    if (known) observer.expect(known->planned);
  }
  af::Input<digest::Corpus> first = af::Resume();
  if (!going_on) first = std::move(input);
  auto run = graph.astream(std::move(first), config);
  Interrupts interrupts(loop, run, *session);

  while (auto chunk = co_await run.next()) observer.see(*chunk);
  observer.finish();
  auto result = co_await run.result();
  interrupts.end();

  const bool stopped = result.status() == af::run_status::stopped;
  if (stopped && kept) fmt::print(stderr, "digest: left off; the same command goes on with it\n");
  const auto report = stopped ? digest::digest_of(std::move(result.state), true) : std::move(result.state.digest);
  print(options, report);
  if (!options.trace_file.empty() && !observer.write_trace(options.trace_file)) {
    fmt::print(stderr, "digest: cannot write the trace to {}\n", options.trace_file);
    co_return 1;
  }
  co_return stopped ? 128 + interrupts.signal() : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto line =
      digest::parse_command_line(std::vector<std::string>(argv + 1, argv + argc), digest::hardware_jobs());
  if (!line.ok()) {
    fmt::print(stderr, "digest: {}\n", line.error);
    return digest::usage_exit_code;
  }
  const auto& options = line.options;
  if (options.help) {
    fmt::print("{}", digest::help_text());
    return 0;
  }
  if (options.version) {
    fmt::print("digest (agentflow {})\n", AGENTFLOW_VERSION_STRING);
    return 0;
  }
  if (options.graph) {
    fmt::print("{}", digest::make_graph(options.jobs).to_mermaid());
    return 0;
  }
  int code = 1;
  try {
    asio::io_context loop(1);
    std::exception_ptr failure;
    asio::co_spawn(loop, run(loop, options), [&](std::exception_ptr error, int value) {
      failure = std::move(error);
      code = value;
      loop.stop();
    });
    loop.run();
    if (failure) std::rethrow_exception(failure);
  } catch (const af::cancelled_error&) {
    fmt::print(stderr, "digest: cancelled\n");
    return 130;
  } catch (const std::exception& e) {
    fmt::print(stderr, "digest: {}\n", af::describe(e));
    return 1;
  }
  return code;
}
