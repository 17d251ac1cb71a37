// SPDX-License-Identifier: MIT
// The command line of agentflow.
#include "options.hpp"

#include <cstddef>
#include <string_view>

#include <fmt/format.h>

#include "digest/text.hpp"
#include "offline_model.hpp"

namespace agent_cli {
namespace {

std::string shown(std::string_view text) { return digest::escape_terminal(digest::valid_utf8(text, 60)); }

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  CommandLine line;
  Options& o = line.options;
  std::vector<std::string> words;
  bool only_words = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    if (only_words || !a.starts_with("-") || a == "-") {
      words.push_back(a);
    } else if (a == "--") {
      only_words = true;
    } else if (a == "--help" || a == "-h") {
      o.command = Options::Command::help;
      return line;
    } else if (a == "--version") {
      o.command = Options::Command::version;
      return line;
    } else if (a == "--approve") {
      o.approve = true;
    } else if (a == "--graph") {
      o.graph = true;
    } else if (a == "--trace") {
      o.trace = true;
    } else if (a.starts_with("--root=")) {
      o.root = a.substr(7);
    } else if (a == "--root") {
      if (++i == arguments.size()) {
        line.error = "--root needs a folder";
        return line;
      }
      o.root = arguments[i];
    } else {
      line.error = fmt::format("unknown option {}; see --help", shown(a));
      return line;
    }
  }
  if (words.empty()) {
    if (o.graph) o.command = Options::Command::chat;  // the graph is the same for both
    return line;
  }
  if (words.front() == "chat") {
    o.command = Options::Command::chat;
    if (words.size() > 1) line.error = "chat takes no question: it asks you";
  } else if (words.front() == "ask") {
    o.command = Options::Command::ask;
    for (std::size_t i = 1; i < words.size(); ++i) o.question += (i > 1 ? " " : "") + words[i];
    if (o.question.empty() && !o.graph) line.error = "ask needs a question: agentflow ask \"...\"";
  } else {
    line.error = fmt::format("unknown command {}: use ask or chat", shown(words.front()));
  }
  return line;
}

std::string help_text() {
  return "agentflow: an agent on the command line\n"
         "\n"
         "usage: agentflow ask [options] QUESTION...\n"
         "       agentflow chat [options]\n"
         "\n"
         "  --root FOLDER  the folder whose files the tools may see (default: here)\n"
         "  --approve      offer to write new files too, and ask before each one\n"
         "  --graph        print the agent's graph as Mermaid, and end\n"
         "  --trace        print every event to standard error, a line of JSON each\n"
         "  --help, --version\n"
         "\n" +
         OfflineModel::help() + "\n";
}

}  // namespace agent_cli
