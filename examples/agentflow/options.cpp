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

struct Flag {
  std::string_view name;
  bool Options::* member;
};
constexpr Flag flags[] = {{"--approve", &Options::approve},
                          {"--resume", &Options::resume},
                          {"--graph", &Options::graph},
                          {"--json", &Options::json},
                          {"--trace", &Options::trace}};

struct Value {
  std::string_view name;
  std::string Options::* member;
};
constexpr Value values[] = {{"--root", &Options::root},
                            {"--thread", &Options::thread},
                            {"--memory", &Options::memory},
                            {"--provider", &Options::provider},
                            {"--model", &Options::model}};

/// Takes the option at `i`, and its value after it. Gives what is wrong.
std::string take_option(const std::vector<std::string>& arguments, std::size_t& i, Options& o) {
  const std::string& a = arguments[i];
  for (const Flag& flag : flags) {
    if (a != flag.name) continue;
    o.*flag.member = true;
    return {};
  }
  for (const Value& value : values) {
    if (a == value.name) {
      if (i + 1 == arguments.size()) return fmt::format("{} needs a value", a);
      o.*value.member = arguments[++i];
    } else if (a.starts_with(value.name) && a.size() > value.name.size() && a[value.name.size()] == '=') {
      o.*value.member = a.substr(value.name.size() + 1);
    } else {
      continue;
    }
    if ((o.*value.member).empty()) return fmt::format("{} needs a value", value.name);
    return {};
  }
  return fmt::format("unknown option {}; see --help", shown(a));
}

std::string take_words(const std::vector<std::string>& words, Options& o) {
  if (words.empty()) {
    if (o.graph) o.command = Options::Command::chat;  // the graph is the same for both
    return {};
  }
  if (words.front() == "chat") {
    o.command = Options::Command::chat;
    if (words.size() > 1) return "chat takes no question: it asks you";
    if (o.json) return "--json is for ask";
  } else if (words.front() == "ask") {
    o.command = Options::Command::ask;
    for (std::size_t i = 1; i < words.size(); ++i) o.question += (i > 1 ? " " : "") + words[i];
    if (o.question.empty() && !o.graph && !o.resume) return "ask needs a question: agentflow ask \"...\"";
    if (!o.question.empty() && o.resume) return "--resume goes on with what was left, and takes no question";
  } else {
    return fmt::format("unknown command {}: use ask or chat", shown(words.front()));
  }
  if (o.resume && o.thread.empty()) return "--resume needs the thread to go on with: --thread NAME";
  if (!o.memory.empty() && o.thread.empty()) return "--memory needs a thread to keep: --thread NAME";
  return {};
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  CommandLine line;
  std::vector<std::string> words;
  bool only_words = false;
  for (std::size_t i = 0; i < arguments.size() && line.error.empty(); ++i) {
    const std::string& a = arguments[i];
    if (only_words || !a.starts_with("-") || a == "-") {
      words.push_back(a);
    } else if (a == "--") {
      only_words = true;
    } else if (a == "--help" || a == "-h") {
      line.options.command = Options::Command::help;
      return line;
    } else if (a == "--version") {
      line.options.command = Options::Command::version;
      return line;
    } else {
      line.error = take_option(arguments, i, line.options);
    }
  }
  if (line.error.empty()) line.error = take_words(words, line.options);
  return line;
}

std::string help_text() {
  return "agentflow: an agent on the command line\n"
         "\n"
         "usage: agentflow ask [options] QUESTION...\n"
         "       agentflow chat [options]\n"
         "\n"
         "  --root FOLDER    the folder whose files the tools may see (default: here)\n"
         "  --approve        offer to write new files too, and ask before each one\n"
         "  --thread NAME    go on with this conversation, or begin it; it is kept in a file\n"
         "  --memory FILE    that file (default: agentflow/memory.db in the user's state folder)\n"
         "  --resume         with --thread: go on where it was left, at a question or by a crash\n"
         "  --provider NAME  offline, openai, openai-responses, anthropic or gemini\n"
         "  --model NAME     the provider's model\n"
         "  --graph          print the agent's graph as Mermaid, and end\n"
         "  --json           ask: print the whole result as JSON\n"
         "  --trace          print every event to standard error, a line of JSON each\n"
         "  --help, --version\n"
         "\n"
         "Without --provider the environment says which model answers: OPENAI_API_KEY (or OPENAI_BASE_URL, for a "
         "server of\n"
         "your own), ANTHROPIC_API_KEY or GEMINI_API_KEY; also ..._BASE_URL and ..._MODEL. Where there is none, the "
         "offline\n"
         "planner does.\n"
         "\n" +
         OfflineModel::help() + "\n";
}

}  // namespace agent_cli
