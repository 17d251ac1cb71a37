// SPDX-License-Identifier: MIT
// The command line of digest. Pure functions, except for the two that look at the machine and say so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "types.hpp"

namespace digest {

/// The exit code for a command line that makes no sense.
inline constexpr int usage_exit_code = 2;
inline constexpr std::size_t max_jobs = 1024;

/// What to do. The defaults are those of an empty command line, except that `jobs` comes from the machine.
struct Options {
  std::vector<std::string> paths;  ///< Empty: `default_root()`.
  bool json = false;
  bool graph = false;
  bool progress = true;
  bool help = false;
  bool version = false;
  std::string trace_file;   ///< Empty: no trace.
  std::string resume_file;  ///< Where what is done is kept; empty: nowhere.
  std::size_t jobs = 1;     ///< Files read at the same time, 1 to `max_jobs`.
  std::size_t top = 20;     ///< Entries in each list of the text report; 0: all.
  std::uint64_t max_bytes = default_max_bytes;

  bool operator==(const Options&) const = default;
};

/// A command line that was understood, or what is wrong with it.
struct CommandLine {
  Options options;
  std::string error;  ///< One line, safe for a terminal; names the nearest option where that helps. Empty: all is well.

  bool ok() const noexcept { return error.empty(); }
  bool operator==(const CommandLine&) const = default;
};

/// Reads the arguments after the program's name. Options and paths may be mixed; "--" ends the options; "--top 5" and
/// "--top=5" are the same; the last of a repeated option counts. "--help" and "--version" end the reading at once.
/// `default_jobs` is what `jobs` is without "--jobs".
CommandLine parse_command_line(const std::vector<std::string>& arguments, std::size_t default_jobs);

/// Gives the number of threads the machine runs at once, 1 to `max_jobs`.
std::size_t hardware_jobs() noexcept;

/// Gives the folder to read if none is named: the project that this program was built in, or the current folder where
/// that is no longer there. Looks at the disk.
std::string default_root();

/// Gives the text of "--help", at most 80 columns wide.
std::string help_text();

}  // namespace digest
