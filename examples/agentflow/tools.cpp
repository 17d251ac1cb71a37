// SPDX-License-Identifier: MIT
// The tools, each a plain function of its parameters.
#include "tools.hpp"

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "calculator.hpp"
#include "digest/analyze.hpp"
#include "digest/rank.hpp"
#include "digest/render.hpp"
#include "digest/text.hpp"
#include "search.hpp"

namespace agent_cli {

namespace af = agentflow;

struct Calculation {
  std::string expression;
};
AGENTFLOW_PARAMS(Calculation,
                 (expression, "Such as \"(3 + 4) * sqrt(2)\"; knows + - * / % ^, pi, e, min, max, ln, ..."))

struct Folder {
  std::optional<std::string> folder;
};
AGENTFLOW_PARAMS(Folder, (folder, "A folder, relative to the root; the root itself if left out"))

struct Search {
  std::string query;
  std::optional<std::string> folder;
  std::optional<unsigned> max_results;
};
AGENTFLOW_PARAMS(Search, (query, "Words to look for; lines with the whole text come first"),
                 (folder, "Where to look, relative to the root; everywhere if left out"),
                 (max_results, "How many lines to give; 10 if left out, at most 50"))

struct Reading {
  std::string path;
  std::optional<unsigned> first_line;
  std::optional<unsigned> lines;
};
AGENTFLOW_PARAMS(Reading, (path, "A file, relative to the root"), (first_line, "Where to begin, from 1"),
                 (lines, "How many lines; 200 if left out"))

struct Writing {
  std::string path;
  std::string content;
};
AGENTFLOW_PARAMS(Writing, (path, "A new file, relative to the root; files are never replaced"), content)

namespace {

std::string clock_text(const af::ToolContext& context) {
  const auto now = std::chrono::system_clock::to_time_t(context.clock().wall_now());
  std::tm utc{};
  std::tm local{};
  ::gmtime_r(&now, &utc);
  ::localtime_r(&now, &local);
  return fmt::format("{:%A, %Y-%m-%d %H:%M:%S} UTC; here {:%A, %Y-%m-%d %H:%M:%S} {}", utc, local,
                     local.tm_zone != nullptr ? local.tm_zone : "");
}

std::string list_text(const Root& root, const Folder& where) {
  std::string out;
  for (const auto& entry : root.list(where.folder.value_or("."))) {
    const std::string name = digest::valid_utf8(entry.name, 255);
    switch (entry.kind) {
      case Root::Entry::Kind::folder: out += name + "/\n"; break;
      case Root::Entry::Kind::file: out += fmt::format("{}  ({} bytes)\n", name, entry.size); break;
      case Root::Entry::Kind::link: out += name + "  (a symbolic link, not followed)\n"; break;
      case Root::Entry::Kind::other: out += name + "  (no regular file)\n"; break;
    }
  }
  return out.empty() ? "The folder is empty." : out;
}

std::string search_text(const Root& root, const Search& what, const af::ToolContext& context) {
  if (key_words(what.query).empty() && what.query.find_first_not_of(" \t") == std::string::npos)
    throw af::tool_error("the query is empty");
  std::string out;
  for (const auto& hit :
       search(root, what.folder.value_or("."), what.query, std::min(what.max_results.value_or(10), 50U),
              [&context] { return context.cancelled(); }))
    out += fmt::format("{}:{}: {}\n", hit.path, hit.line, hit.text);
  return out.empty() ? "Nothing was found." : out;
}

std::string read_text(const Root& root, const Reading& what) {
  const std::string content = root.read(what.path);
  if (content.find('\0') != std::string::npos) throw af::tool_error("the file is binary");
  const std::size_t first = std::max(what.first_line.value_or(1), 1U);
  const std::size_t count = std::min(what.lines.value_or(200), 2'000U);
  std::string out;
  std::size_t line = 0;
  bool more = false;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t end = std::min(content.find('\n', at), content.size());
    if (++line >= first + count) {
      more = true;
      break;
    }
    if (line >= first) out += digest::valid_utf8(std::string_view(content).substr(at, end - at), 2'000) + "\n";
    at = end + 1;
  }
  if (line < first && line > 0) throw af::tool_error(fmt::format("the file has only {} lines", line));
  if (more) out += fmt::format("[the file goes on after line {}]\n", first + count - 1);
  return out.empty() ? "The file is empty." : out;
}

std::string digest_text(const Root& root, const Folder& where, af::ToolContext& context) {
  digest::Collected collected;
  const bool limited =
      root.for_each_text(where.folder.value_or("."), [&](const std::string& path, const std::string& content) {
        digest::FileJob job;
        job.path = job.display = path;
        job.index = collected.reports.size();
        collected.reports.push_back(digest::analyze_content(job, content));
        if (collected.reports.size() % 50 == 0)
          context.progress(af::to_json_value(fmt::format("{} files", collected.reports.size())));
        return !context.cancelled();
      });
  collected.planned = collected.reports.size();
  collected.stopped = limited || context.cancelled();
  digest::TextOptions text;
  text.top = 10;
  return digest::render_text(digest::rank(std::move(collected)), text);
}

}  // namespace

af::ToolSet make_tools(std::shared_ptr<const Root> root, bool may_write) {
  af::ToolSet tools;
  tools.add(af::tool("calculator", "Works out an arithmetic expression",
                     [](const Calculation& c) { return number_text(calculate(c.expression)); }));
  tools.add(af::tool("clock", "Tells the date and the time", [](af::ToolContext& ctx) { return clock_text(ctx); }));
  // The disk is slow: what reads many files does not belong on the event loop.
  tools.add(af::tool("list_files", "Lists what is in a folder",
                     af::blocking([root](const Folder& f) { return list_text(*root, f); })));
  tools.add(
      af::tool("search_files", "Finds the lines of all files that have to do with some words, best first",
               af::blocking([root](const Search& s, af::ToolContext& ctx) { return search_text(*root, s, ctx); })));
  tools.add(af::tool("read_file", "Reads lines of a text file",
                     af::blocking([root](const Reading& r) { return read_text(*root, r); })));
  tools.add(
      af::tool("digest", "Sums up a folder: languages, key terms, the files that matter most, near-duplicates",
               af::blocking([root](const Folder& f, af::ToolContext& ctx) { return digest_text(*root, f, ctx); })));
  if (may_write)
    tools.add(af::tool("write_file", "Writes a new text file", af::blocking([root](const Writing& w) {
                         root->create(w.path, w.content);
                         return fmt::format("Wrote {} bytes to {}.", w.content.size(), w.path);
                       }),
                       af::ToolOptions().side_effects()));
  return tools;
}

}  // namespace agent_cli
