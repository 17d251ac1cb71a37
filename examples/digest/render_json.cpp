// SPDX-License-Identifier: MIT
// Writes a digest and trace events as JSON.
#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "render.hpp"
#include "text.hpp"

namespace digest {
namespace {

template <class... Args>
void print(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

// Writes "[...]", each item by `write(out, item)`, with `separator` between them.
template <class Items, class Write>
void list(std::string& out, const Items& items, std::string_view separator, Write write) {
  out += '[';
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += separator;
    first = false;
    write(out, item);
  }
  out += ']';
}

void write_string(std::string& out, std::string_view text) { out += json_string(text); }

void write_term(std::string& out, const ScoredTerm& t) {
  print(out, R"({{"term":{},"score":{:.6f},"files":{},"count":{}}})", json_string(t.term), t.score, t.files, t.count);
}

void write_totals(std::string& out, const LanguageTotals& t) {
  print(out, R"({{"language":{},"files":{},"bytes":{},"lines":{},"blank_lines":{},"comment_lines":{},"words":{}}})",
        json_string(t.language), t.files, t.bytes, t.lines, t.blank_lines, t.comment_lines, t.words);
}

void write_heading(std::string& out, const Heading& h) {
  print(out, R"({{"level":{},"text":{},"line":{}}})", h.level, json_string(h.text), h.line);
}

void write_file(std::string& out, const RankedFile& file) {
  const FileReport& r = file.report;
  print(out, R"({{"path":{},"language":{},"importance":{:.4f},"mentions":{},"duplicate_group":{},)",
        json_string(r.job.display), json_string(r.language), file.importance, file.mentions, file.duplicate_group);
  print(out, R"("bytes":{},"lines":{},"blank_lines":{},"comment_lines":{},"longest_line":{},"invalid_bytes":{},)",
        r.bytes, r.lines, r.blank_lines, r.comment_lines, r.longest_line, r.invalid_bytes);
  print(out, R"("words":{},)", r.words);
  out += "\"terms\":";
  list(out, file.telling, ",", write_term);
  out += ",\"headings\":";
  list(out, r.headings, ",", write_heading);
  out += '}';
}

void write_group(std::string& out, const DuplicateGroup& group) {
  print(out, R"({{"similarity":{:.4f},"paths":)", group.similarity);
  list(out, group.paths, ",", write_string);
  out += '}';
}

void write_problem(std::string& out, const Problem& p) {
  print(out, R"({{"path":{},"kind":{},"detail":{}}})", json_string(p.path), json_string(name_of(p.kind)),
        json_string(p.detail));
}

// One element a line, so that line tools and diffs work.
template <class Items, class Write>
void section(std::string& out, std::string_view name, const Items& items, Write write) {
  print(out, ",\n{}:", json_string(name));
  list(out, items, ",\n ", write);
}

}  // namespace

std::string render_json(const Digest& digest) {
  std::string out;
  print(out, "{{\"format\":\"digest/1\",\n\"stopped\":{},\n\"planned\":{},\n\"seen\":{},\n\"total\":", digest.stopped,
        digest.planned, digest.seen);
  write_totals(out, digest.total);
  section(out, "languages", digest.languages, write_totals);
  section(out, "terms", digest.terms, write_term);
  section(out, "files", digest.files, write_file);
  section(out, "duplicates", digest.duplicates, write_group);
  section(out, "problems", digest.problems, write_problem);
  section(out, "skipped", digest.skipped, write_string);
  return out += "}\n";
}

std::string render_trace(std::vector<TraceEvent> events) {
  // Perfetto nests what comes later and ends earlier; the longer of two that begin together encloses the other.
  std::sort(events.begin(), events.end(), [](const TraceEvent& a, const TraceEvent& b) {
    return std::tie(a.lane, a.start_us, b.duration_us, a.name, a.category) <
           std::tie(b.lane, b.start_us, a.duration_us, b.name, b.category);
  });
  std::set<std::uint32_t> lanes;
  for (const TraceEvent& event : events) lanes.insert(event.lane);
  std::string out = "{\"displayTimeUnit\":\"ms\",\n\"traceEvents\":[\n";
  out += R"({"ph":"M","pid":1,"tid":0,"name":"process_name","args":{"name":"digest"}})";
  for (const std::uint32_t lane : lanes) {
    print(out, ",\n{{\"ph\":\"M\",\"pid\":1,\"tid\":{0},\"name\":\"thread_name\",\"args\":{{\"name\":\"lane {0}\"}}}}",
          lane);
  }
  for (const TraceEvent& e : events) {
    print(out, ",\n{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":{},\"dur\":{},\"name\":{},\"cat\":{}}}", e.lane,
          e.start_us, e.duration_us, json_string(e.name), json_string(e.category));
  }
  return out += "]}\n";
}

}  // namespace digest
