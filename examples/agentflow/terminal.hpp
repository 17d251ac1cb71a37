// SPDX-License-Identifier: MIT
// The terminal side of the agent: what it streams, and what it asks.
#pragma once

#include <cstdio>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include <agentflow/agentflow.hpp>

namespace agent_cli {

/// Text that cannot change what a terminal does: control characters but tab and newline are left out.
std::string safe_text(std::string_view text);

/// Prints a run as it goes: the answer to `out` (null: nowhere), tool calls to `err`. With `trace` also every event to
/// `err`, a line of JSON each; the answer then follows at the end.
class Printer {
 public:
  Printer(std::FILE* out, std::FILE* err, bool trace) : out_(out), err_(err), trace_(trace) {}
  void see(const agentflow::Chunk& chunk);
  /// Ends the answer.
  void finish();

 private:
  void say(const std::string& text);
  void end_line();

  std::FILE* out_;
  std::FILE* err_;
  bool trace_;
  bool in_line_ = false;
  std::string held_;
};

/// Asks about a call, as `agentflow::interrupt_for_approval` puts it: y, n, e and other arguments as JSON, or l for
/// later, which gives nothing. So does the end of the input.
std::optional<agentflow::Approval> ask_approval(const agentflow::JsonValue& question, std::istream& in, std::FILE* out);

}  // namespace agent_cli
