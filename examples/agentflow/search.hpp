// SPDX-License-Identifier: MIT
// Finding the lines of files that have to do with a question.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox.hpp"

namespace agent_cli {

struct Hit {
  std::string path;
  std::size_t line = 0;  ///< From 1.
  std::string text;      ///< The line, shortened.
};

/// The words of a text that mean something: lower-case, without "the", "how", "does" and the like, each once.
std::vector<std::string> key_words(std::string_view text);

/// Whether a file is text for people: Markdown and the like.
bool is_prose(std::string_view path);

/// Gives the best lines first. A line that has the whole query, whatever the case, is better than any other; then what
/// counts is how many of its words stand in the line and near it, rare words more than common ones, and headings and
/// prose more than code and lists of changes. At most one line for every ten of a file. Where `stop` is true after a
/// file, that was the last one.
std::vector<Hit> search(const Root& root, const std::string& folder, const std::string& query, std::size_t max_hits,
                        const std::function<bool()>& stop);

}  // namespace agent_cli
