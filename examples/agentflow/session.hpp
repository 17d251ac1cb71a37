// SPDX-License-Identifier: MIT
// A conversation with the agent, turn by turn.
#pragma once

#include <cstdio>
#include <iosfwd>
#include <memory>
#include <string>

#include <agentflow/agentflow.hpp>

#include "options.hpp"

namespace agent_cli {

/// The agent, and the thread it talks in. Each turn is a run: what was said, what was done, and a question that waits
/// for an answer are kept in the thread, with a name in a SQLite file, without one for as long as the session lives.
///
/// **Errors** `std::system_error` for a root that cannot be opened; `agentflow::storage_error`.
class Session {
 public:
  Session(const Options& options, std::shared_ptr<agentflow::ChatModel> model, std::istream& in, std::FILE* out,
          std::FILE* err);

  /// Runs a turn, prints it as it goes, and asks for approval where it is needed. False: an approval was left open.
  bool ask(const std::string& question);
  /// Goes on where the thread was left.
  bool resume();
  /// The agent as Mermaid.
  std::string drawing() const { return agent_.to_mermaid(); }

 private:
  bool run(agentflow::Input<agentflow::AgentState> input);

  Options options_;
  std::istream& in_;
  std::FILE* out_;
  std::FILE* err_;
  agentflow::CompiledGraph<agentflow::AgentState> agent_;
  agentflow::RunConfig config_;
};

}  // namespace agent_cli
