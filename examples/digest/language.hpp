// SPDX-License-Identifier: MIT
// Guesses the language of a file and knows how its comments look. Pure functions; safe to call from any thread.
#pragma once

#include <string_view>

namespace digest {

/// A language. All views refer to constants.
struct Language {
  std::string_view name;          ///< "C++".
  std::string_view line_comment;  ///< What a comment to the end of the line begins with; may be empty.
  std::string_view block_open;    ///< What a comment over several lines begins with; may be empty.
  std::string_view block_close;   ///< What it ends with.
  std::string_view names;         ///< Space separated: extensions ".cpp", file names "Makefile", interpreters "!bash".
};

/// Finds the language by, in this order: the file's whole name, its extension (both without regard to case), and the
/// interpreter that a first line "#!..." names. A header ".h" is C++ if a line of `content` begins like C++.
/// Never fails: the answer for anything else is "Other".
const Language& detect_language(std::string_view path, std::string_view content) noexcept;

}  // namespace digest
