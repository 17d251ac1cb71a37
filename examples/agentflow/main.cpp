// SPDX-License-Identifier: MIT
// agentflow: an agent on the command line. Without a language model it runs on a planner of its own.
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <agentflow/agentflow.hpp>

#include "models.hpp"
#include "offline_model.hpp"
#include "options.hpp"
#include "session.hpp"
#include "terminal.hpp"

namespace {

namespace af = agentflow;
using agent_cli::Options;
using agent_cli::Session;

void chat(Session& session, bool offline, bool resume) {
  if (offline) fmt::print("{}\n", agent_cli::OfflineModel::help());
  fmt::print("An empty line ends the conversation.\n");
  if (resume) session.resume();
  std::string line;
  for (;;) {
    fmt::print("> ");
    std::fflush(stdout);
    if (!std::getline(std::cin, line) || line.empty()) return;
    try {
      session.ask(line);
    } catch (const af::error& e) {
      fmt::print(stderr, "agentflow: {}\n", agent_cli::safe_text(af::describe(e)));
    }
  }
}

int run(const Options& options) {
  const auto model = agent_cli::choose_model(options);
  const bool offline = dynamic_cast<const agent_cli::OfflineModel*>(model.get()) != nullptr;
  Session session(options, model, std::cin, stdout, stderr);
  if (options.graph) {
    fmt::print("{}", session.drawing());
    return 0;
  }
  if (options.command == Options::Command::chat) {
    chat(session, offline, options.resume);
    return 0;
  }
  if (offline) fmt::print(stderr, "(the built-in offline planner answers; it is not a language model)\n");
  const bool done = options.resume ? session.resume() : session.ask(options.question);
  return done ? 0 : agent_cli::waiting_exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  const auto line = agent_cli::parse_command_line(std::vector<std::string>(argv + 1, argv + argc));
  if (!line.error.empty()) {
    fmt::print(stderr, "agentflow: {}\n", line.error);
    return agent_cli::usage_exit_code;
  }
  try {
    switch (line.options.command) {
      case Options::Command::help: fmt::print("{}", agent_cli::help_text()); return 0;
      case Options::Command::version: fmt::print("agentflow {}\n", AGENTFLOW_VERSION_STRING); return 0;
      default: return run(line.options);
    }
  } catch (const std::exception& e) {
    fmt::print(stderr, "agentflow: {}\n", agent_cli::safe_text(af::describe(e)));
    return 1;
  }
}
