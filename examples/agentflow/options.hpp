// SPDX-License-Identifier: MIT
// The command line of agentflow. Pure functions.
#pragma once

#include <string>
#include <vector>

namespace agent_cli {

inline constexpr int usage_exit_code = 2;

struct Options {
  enum class Command { ask, chat, help, version } command = Command::help;
  std::string question;    ///< Of `ask`: the words, joined.
  std::string root = ".";  ///< The folder whose files the tools may see.
  bool approve = false;    ///< Offer tools with side effects, and ask before each call.
  bool graph = false;      ///< Print the graph and end.
  bool trace = false;      ///< Print what happens to standard error.

  bool operator==(const Options&) const = default;
};

/// A command line that was understood, or what is wrong with it.
struct CommandLine {
  Options options;
  std::string error;  ///< One line, safe for a terminal. Empty: all is well.
};

/// Reads the arguments after the program's name. Options may stand anywhere; "--" ends them; "--root x" and "--root=x"
/// are the same.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

std::string help_text();

}  // namespace agent_cli
