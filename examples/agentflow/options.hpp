// SPDX-License-Identifier: MIT
// The command line of agentflow. Pure functions.
#pragma once

#include <string>
#include <vector>

namespace agent_cli {

inline constexpr int usage_exit_code = 2;
inline constexpr int waiting_exit_code = 3;  ///< An approval was left open.

struct Options {
  enum class Command { ask, chat, help, version } command = Command::help;
  std::string question;    ///< Of `ask`: the words, joined.
  std::string root = ".";  ///< The folder whose files the tools may see.
  std::string thread;      ///< The conversation to go on with, which is kept in the memory file; empty: a new one.
  std::string memory;      ///< The SQLite file; empty: the user's own.
  std::string provider;    ///< "offline", "openai", ...; empty: what the environment has a key for, else offline.
  std::string model;       ///< Empty: the provider's default, or the environment's.
  bool approve = false;    ///< Offer tools with side effects, and ask before each call.
  bool resume = false;     ///< Go on where the thread was left.
  bool graph = false;      ///< Print the graph and end.
  bool json = false;       ///< Print the result as JSON instead of the answer.
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
