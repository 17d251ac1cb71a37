// SPDX-License-Identifier: MIT
// The command line of digest.
#include "options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/core.h>

#include "text.hpp"

// The build names the project's folder here.
#ifndef DIGEST_DEFAULT_ROOT
#define DIGEST_DEFAULT_ROOT "."
#endif

namespace digest {
namespace {

struct Known {
  std::string_view name;
  std::string_view value;  // What the value is; empty if there is none.
  std::string_view help;
  std::string_view brief = {};
};
constexpr std::array<Known, 10> known_options{{
    {"--json", "", "print the report as JSON"},
    {"--graph", "", "print the program's own graph as Mermaid, and end"},
    {"--trace", "FILE", "write trace events to FILE, for ui.perfetto.dev"},
    {"--resume", "FILE", "keep what is done in FILE; go on where it was left off"},
    {"--jobs", "N", "read at most N files at once (default one per core)", "-j"},
    {"--top", "N", "show N files, groups, problems (default 20; 0: all)"},
    {"--max-bytes", "N", "do not read files larger than N bytes (default 8M)"},
    {"--no-progress", "", "draw no progress bar"},
    {"--help", "", "print this text", "-h"},
    {"--version", "", "print the version"},
}};

// Edits (insert, delete, replace, swap neighbours) that turn one word into the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({row[j - 1] + 1, above[j] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

// The known option that was probably meant; empty if the word resembles none.
std::string_view nearest(std::string_view word) {
  constexpr std::size_t longest = 40;  // The distance takes quadratic time.
  const std::string_view bare = word.substr(std::min(word.find_first_not_of('-'), word.size()));
  if (bare.empty() || bare.size() > longest) return {};
  std::string_view best;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const Known& known : known_options) {
    const std::string_view name = known.name.substr(2);
    // An option cut short is nearer than any other.
    const std::size_t distance = name.starts_with(bare) ? 0 : edit_distance(bare, name);
    if (distance < least && distance * 2 <= std::max(bare.size(), name.size())) {
      least = distance;
      best = known.name;
    }
  }
  return best;
}

// A whole number, with K, M or G (1024 each) where `units` are allowed.
std::optional<std::uint64_t> number(std::string_view text, bool units) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  if (units && !rest.empty()) {
    const std::size_t power = std::string_view("KMGkmg").find(rest.front());
    if (power == std::string_view::npos) return std::nullopt;
    const std::uint64_t factor = 1ULL << (10 * (power % 3 + 1));
    if (value > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
    value *= factor;
    rest.remove_prefix(1);
    if (rest == "B" || rest == "iB") rest = {};
  }
  return rest.empty() ? std::optional(value) : std::nullopt;
}

std::string unknown(std::string_view name) {
  const std::string_view guess = nearest(name);
  const std::string shown = fit(escape_terminal(name), 60);
  if (guess.empty()) return fmt::format("unknown option \"{}\"; --help lists the options", shown);
  return fmt::format("unknown option \"{}\"; did you mean \"{}\"?", shown, guess);
}

// Stores a number between two bounds, or says what is wrong.
template <class T>
std::string store(T& target, std::string_view name, std::string_view text, std::uint64_t least, std::uint64_t most,
                  bool units = false) {
  const std::optional<std::uint64_t> value = number(text, units);
  if (!value || *value < least || *value > most) {
    return fmt::format("option \"{}\" needs a whole number from {} to {}{}, not \"{}\"", name, least, most,
                       units ? ", or one such as 8M" : "", fit(escape_terminal(text), 40));
  }
  target = static_cast<T>(*value);
  return {};
}

// Sets one option. Gives what is wrong, or nothing.
std::string apply(Options& options, std::string_view name, const std::string& value) {
  if (name == "--json") options.json = true;
  if (name == "--graph") options.graph = true;
  if (name == "--no-progress") options.progress = false;
  if (name == "--help") options.help = true;
  if (name == "--version") options.version = true;
  if (name == "--jobs") return store(options.jobs, name, value, 1, max_jobs);
  if (name == "--top") return store(options.top, name, value, 0, std::numeric_limits<std::uint32_t>::max());
  if (name == "--max-bytes") return store(options.max_bytes, name, value, 1, hard_max_bytes, true);
  if (name == "--trace") {
    if (value.empty()) return "option \"--trace\" needs the name of a file";
    options.trace_file = value;
  }
  if (name == "--resume") {
    if (value.empty()) return "option \"--resume\" needs the name of a file";
    options.resume_file = value;
  }
  return {};
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments, std::size_t default_jobs) {
  CommandLine line;
  Options& options = line.options;
  options.jobs = std::clamp<std::size_t>(default_jobs, 1, max_jobs);
  const auto fail = [](std::string error) { return CommandLine{{}, std::move(error)}; };
  bool only_paths = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.empty()) return fail("a path is empty; name a file or a folder");
    if (argument.find('\0') != std::string::npos) return fail("an argument contains a NUL byte");
    if (only_paths || argument.front() != '-') {
      options.paths.push_back(argument);
      continue;
    }
    if (argument == "-") return fail("\"-\" is not supported: digest reads files and folders, not its input");
    if (argument == "--") {
      only_paths = true;
      continue;
    }
    const std::size_t equals = argument.find('=');
    const std::string_view name = std::string_view(argument).substr(0, equals);
    const auto known = std::find_if(known_options.begin(), known_options.end(),
                                    [&](const Known& k) { return k.name == name || k.brief == name; });
    if (known == known_options.end()) return fail(unknown(name));
    std::string value;
    if (known->value.empty()) {
      if (equals != std::string::npos) return fail(fmt::format("option \"{}\" takes no value", known->name));
    } else if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (++i < arguments.size()) {
      value = arguments[i];
    } else {
      return fail(fmt::format("option \"{0}\" needs a value: {0} {1}", known->name, known->value));
    }
    if (std::string error = apply(options, known->name, value); !error.empty()) return fail(std::move(error));
    if (options.help || options.version) return line;
  }
  if (options.json && options.graph) return fail("\"--json\" and \"--graph\" cannot be combined: choose one");
  return line;
}

std::size_t hardware_jobs() noexcept {
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, max_jobs);
}

std::string default_root() {
  std::error_code ignored;
  const bool there = std::filesystem::is_directory(DIGEST_DEFAULT_ROOT, ignored);
  return there ? DIGEST_DEFAULT_ROOT : ".";
}

std::string help_text() {
  std::string out =
      "usage: digest [options] [FILE|FOLDER]...\n\n"
      "Reads files and folders and prints what is in them: sizes, languages, headings,\n"
      "telling terms, near-duplicates and problems, the most important files first.\n"
      "Without a path it reads the project that it was built in.\n\noptions:\n";
  for (const Known& known : known_options) {
    const std::string_view brief = known.brief.empty() ? "  " : known.brief;
    const std::string name = fmt::format("{} {} {}", brief, known.name, known.value);
    out += fmt::format("  {:<20}{}\n", name, known.help);
  }
  return out += "\nexit codes: 0 done, 1 failed, 2 bad command line, 130 stopped by Ctrl-C\n";
}

}  // namespace digest
