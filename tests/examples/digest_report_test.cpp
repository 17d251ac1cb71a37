// SPDX-License-Identifier: MIT
// The example program digest: ranking, near-duplicates, and what is printed.
#include "digest/render.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "digest/analyze.hpp"
#include "digest/text.hpp"
#include "support/catch.hpp"

using namespace digest;
using namespace std::string_literals;
using nlohmann::json;

namespace {

FileReport report(const std::string& name, const std::string& content) {
  return analyze_content({name, name, 0, content.size()}, content);
}

// Twelve hundred words that only texts of the same `topic` share; each `every`-th is another.
std::string essay(const std::string& topic, int every = 0) {
  std::string out;
  for (int i = 0; i < 1200; ++i) {
    out += (every != 0 && i % every == 0 ? "changed" : topic) + std::to_string(i * 7919) + (i % 9 == 0 ? "\n" : " ");
  }
  return out;
}

// Files of every kind, with names that a terminal should not see.
Collected sample() {
  Collected all;
  all.reports = {
      report("README.md", "# Agents as graphs\n\nThe engine runs nodes; see the reducer and the scheduler.\n"),
      report("src/scheduler.cpp",
             "// The scheduler picks what runs next.\nint pick(Reducer& reducer);\nint ready_queue;\n"),
      report("src/reducer.cpp", "// Merges deltas.\nint merge_delta(int delta);\nint delta_log;\n"),
      report("docs/a.md", essay("alpha")),
      report("docs/copy of a.md", essay("alpha")),
      report("docs/nearly a.md", essay("alpha", 100)),
      report("docs/other.md", essay("beta")),
      report("docs/latin.txt", "M\xFCnchen und K\xF6ln liegen weit auseinander\n"),
      report("\x1b[31mred\n\xFF\u202e.txt", "some scheduler notes\n"),
      report(std::string(300, 'x') + "/\u65e5\u672c\u8a9e.py", "# notes\nscheduler = 1\n"),
      report("empty.txt", ""),
      report("binary.bin", "a\0b"s),
      report("signs.txt", "!!!\n"),
  };
  all.problems = {{"gone\x07", ProblemKind::missing, "No such file or directory"}};
  all.skipped = {"build", ".git"};
  all.planned = all.reports.size();
  return all;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    out.push_back(text.substr(at, end - at));
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return out;
}

const RankedFile& file_of(const Digest& digest, const std::string& path) {
  const auto it = std::find_if(digest.files.begin(), digest.files.end(),
                               [&](const RankedFile& f) { return f.report.job.display == path; });
  REQUIRE(it != digest.files.end());
  return *it;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("digest rank: the order in which reports arrive does not matter", "[digest]") {
  const Digest expected = rank(sample());
  std::mt19937 random(7);
  for (int i = 0; i < 20; ++i) {
    Collected shuffled = sample();
    std::shuffle(shuffled.reports.begin(), shuffled.reports.end(), random);
    std::reverse(shuffled.skipped.begin(), shuffled.skipped.end());
    CHECK(rank(std::move(shuffled)) == expected);
  }
}

TEST_CASE("digest rank: totals add up", "[digest]") {
  const Digest digest = rank(sample());
  CHECK(digest.seen == 13);
  CHECK(digest.files.size() == 11);
  CHECK(digest.total.files == 11);
  LanguageTotals sum;
  for (const LanguageTotals& totals : digest.languages) sum = sum + totals;
  sum.language = "Total";
  CHECK(sum == digest.total);
  CHECK(digest.languages.front().language == "Markdown");
  CHECK(std::is_sorted(digest.languages.begin(), digest.languages.end(),
                       [](const LanguageTotals& a, const LanguageTotals& b) { return a.bytes > b.bytes; }));
  const LanguageTotals a{"C", 1, 2, 3, 4, 5, 6};
  const LanguageTotals b{"C", 10, 20, 30, 40, 50, 60};
  CHECK(a + b == LanguageTotals{"C", 11, 22, 33, 44, 55, 66});
  CHECK(a + b == b + a);
  CHECK(LanguageTotals{} + a == a);
  CHECK(totals_of(report("a.c", "")) == LanguageTotals{});
}

TEST_CASE("digest rank: telling terms are frequent here and rare elsewhere", "[digest]") {
  Collected all;
  all.reports = {report("a.md", "shared shared shared parser parser"),
                 report("b.md", "shared shared shared kernel kernel"), report("c.md", "shared window window")};
  const Digest digest = rank(std::move(all));
  CHECK(file_of(digest, "a.md").telling.front().term == "parser");
  CHECK(file_of(digest, "a.md").telling.front().count == 2);
  CHECK(file_of(digest, "b.md").telling.front().term == "kernel");
  CHECK(file_of(digest, "c.md").telling.front().files == 1);
  REQUIRE(digest.terms.size() == 4);
  const auto shared = std::find_if(digest.terms.begin(), digest.terms.end(),
                                   [](const ScoredTerm& term) { return term.term == "shared"; });
  REQUIRE(shared != digest.terms.end());
  CHECK(shared->count == 7);
  CHECK(shared->files == 3);
  // With one file, nothing is rare: the frequency decides.
  Collected one;
  one.reports = {report("a.md", "frequent frequent seldom")};
  CHECK(rank(std::move(one)).terms.front().term == "frequent");
}

TEST_CASE("digest rank: important files are long, mentioned, explained, near the top and no copies", "[digest]") {
  const Digest digest = rank(sample());
  for (std::size_t i = 0; i < digest.files.size(); ++i) {
    CHECK(digest.files[i].importance >= 0);
    CHECK(digest.files[i].importance <= 100);
    if (i > 0) CHECK(digest.files[i - 1].importance >= digest.files[i].importance);
  }
  CHECK(file_of(digest, "src/scheduler.cpp").mentions == 3);
  CHECK(file_of(digest, "src/reducer.cpp").mentions == 2);
  CHECK(file_of(digest, "docs/other.md").mentions == 0);
  const double first = file_of(digest, "docs/a.md").importance;
  CHECK(file_of(digest, "docs/copy of a.md").importance == Approx(first / 2));

  const auto higher = [](const std::string& a, const std::string& a_text, const std::string& b,
                         const std::string& b_text) {
    Collected two;
    two.reports = {report(a, a_text), report(b, b_text)};
    return rank(std::move(two)).files.front().report.job.display;
  };
  CHECK(higher("a.c", "int a;\n", "b.c", "int b;\nint c;\n") == "b.c");
  CHECK(higher("a.c", "int a;\n", "b.c", "// b\n") == "b.c");
  CHECK(higher("x/a.c", "int a;\n", "y.c", "int a;\n") == "y.c");
  CHECK(higher("a.c", "int a;\n", "x/y/readme.c", "int a;\n") == "a.c");
  CHECK(higher("x/a.c", "int a;\n", "x/readme.c", "int a;\n") == "x/readme.c");
}

TEST_CASE("digest rank: near-duplicates", "[digest]") {
  const Digest digest = rank(sample());
  REQUIRE(digest.duplicates.size() == 1);
  CHECK(digest.duplicates[0].paths == std::vector<std::string>{"docs/a.md", "docs/copy of a.md", "docs/nearly a.md"});
  CHECK(digest.duplicates[0].similarity >= 0.7);
  CHECK(digest.duplicates[0].similarity < 1);
  CHECK(file_of(digest, "docs/nearly a.md").duplicate_group == 1);
  CHECK(file_of(digest, "docs/other.md").duplicate_group == 0);

  std::vector<FileReport> many;
  for (int i = 0; i < 3000; ++i)
    many.push_back(report("copy" + std::to_string(10000 + i), "one two three four five six"));
  many.push_back(report("a", "quite another text of seven words here"));
  many.push_back(report("b", "quite another text of seven words here"));
  many.push_back(report("short", "too short"));
  many.push_back(report("short too", "too short"));
  const std::vector<DuplicateGroup> groups = find_duplicates(many);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].paths.size() == 3000);
  CHECK(groups[0].similarity == 1.0);
  CHECK(groups[1].paths == std::vector<std::string>{"a", "b"});
  // 20 changes spoil 100 of 1,196 shingles: 1096/1296 = 0.85. 55 spoil 275: 0.63, a candidate below the threshold.
  CHECK(find_duplicates({report("a", essay("x")), report("b", essay("x", 60))}).size() == 1);
  CHECK(find_duplicates({report("a", essay("x")), report("b", essay("x", 22))}).empty());
  CHECK(find_duplicates({}).empty());
}

TEST_CASE("digest rank: problems are listed, and an early stop is said", "[digest]") {
  Digest digest = rank(sample());
  CHECK_FALSE(digest.stopped);
  REQUIRE(digest.problems.size() == 4);
  CHECK(digest.problems[0] == Problem{"binary.bin", ProblemKind::binary, "NUL byte at offset 1"});
  CHECK(digest.problems[1] == Problem{"docs/latin.txt", ProblemKind::encoding, "2 bytes not UTF-8"});
  CHECK(digest.problems[2] == Problem{"empty.txt", ProblemKind::empty, ""});
  CHECK(digest.problems[3].kind == ProblemKind::missing);
  CHECK(digest.skipped == std::vector<std::string>{".git", "build"});
  Collected partial = sample();
  partial.planned = 20;
  digest = rank(std::move(partial));
  CHECK(digest.stopped);
  CHECK(has(render_text(digest), "Stopped early: 13 of 20 files"));
  CHECK(json::parse(render_json(digest))["stopped"] == true);

  const Digest nothing = rank({});
  CHECK(nothing.files.empty());
  CHECK(lines_of(render_text(nothing)).size() == 1);
  CHECK(json::parse(render_json(nothing))["files"].empty());
}

TEST_CASE("digest render: text keeps to the width and is harmless", "[digest]") {
  const Digest digest = rank(sample());
  for (const std::size_t width : {60U, 80U, 100U, 200U}) {
    for (const std::string& line : lines_of(render_text(digest, {0, width, false}))) {
      INFO(line);
      CHECK(display_width(line) <= width);
      CHECK(std::none_of(line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }));
      CHECK(count_oddities(line).invalid == 0);
      CHECK_FALSE(has(line, "\u202e"));
    }
  }
  const std::string text = render_text(digest);
  CHECK(has(text, "\\x1b[31mred\\n\\xff\\u{202e}.txt"));
  CHECK(has(text, "\"Agents as graphs\", 1 heading"));
  CHECK(has(text, "Near-duplicates (1 group)"));
  CHECK(has(text, "Problems (4)"));
  const std::string two = render_text(digest, {2, 100, false});
  CHECK(has(two, "The 2 most important of 11 files"));
  CHECK(has(two, "... and 2 more problems"));
  CHECK(has(text, "\n    3 "));
  CHECK_FALSE(has(two, "\n    3 "));
}

TEST_CASE("digest render: colours are all that colours add", "[digest]") {
  const Digest digest = rank(sample());
  std::string colored = render_text(digest, {20, 100, true});
  CHECK(has(colored, "\x1b[1m"));
  for (std::size_t at = 0; (at = colored.find('\x1b', at)) != std::string::npos;) {
    colored.erase(at, colored.find('m', at) + 1 - at);
  }
  CHECK(colored == render_text(digest, {20, 100, false}));
}

TEST_CASE("digest render: JSON is valid and complete", "[digest]") {
  const Digest digest = rank(sample());
  const json parsed = json::parse(render_json(digest));
  CHECK(parsed["format"] == "digest/1");
  CHECK(parsed["seen"] == 13);
  CHECK(parsed["total"]["files"] == 11);
  REQUIRE(parsed["files"].size() == digest.files.size());
  for (std::size_t i = 0; i < digest.files.size(); ++i) {
    const json& file = parsed["files"][i];
    const RankedFile& ranked = digest.files[i];
    CHECK(file["path"] == valid_utf8(ranked.report.job.display, 1000));
    CHECK(file["lines"] == ranked.report.lines);
    CHECK(file["words"] == ranked.report.words);
    CHECK(file["importance"].get<double>() == Approx(ranked.importance).margin(0.0001));
    CHECK(file["terms"].size() == ranked.telling.size());
    CHECK(file["headings"].size() == ranked.report.headings.size());
  }
  CHECK(parsed["problems"].size() == 4);
  CHECK(parsed["problems"][0] ==
        json::parse(R"({"path": "binary.bin", "kind": "binary", "detail": "NUL byte at offset 1"})"));
  CHECK(parsed["duplicates"][0]["paths"].size() == 3);
}

TEST_CASE("digest render: the progress bar has exactly its width", "[digest]") {
  CHECK(progress_bar(3, 4, 60, "docs/a.md") == "[===========>   ]  3/4   75%  docs/a.md                     ");
  CHECK(progress_bar(4, 4, 60, "") == "[===============]  4/4  100%                                ");
  CHECK(progress_bar(1, 200, 30, "a").substr(0, 12) == "[>         ]");
  CHECK(progress_bar(1, 200, 20, "a") == "  1/200    0%       ");
  CHECK(progress_bar(1, 200, 12, "a") == "  1/200     ");
  CHECK(has(progress_bar(199, 200, 60, ""), " 99%"));
  CHECK(progress_bar(9, 4, 60, "") == progress_bar(4, 4, 60, ""));
  for (std::size_t width = 0; width < 130; ++width) {
    for (const std::uint64_t done : {0U, 1U, 50U, 99U, 100U, 200U}) {
      const std::string bar = progress_bar(done, 100, width, "\x1b]0;\n\u65e5\u672c\u8a9e/" + std::string(99, 'x'));
      CHECK(display_width(bar) == width);
      CHECK(std::none_of(bar.begin(), bar.end(), [](unsigned char c) { return c < 0x20; }));
    }
    CHECK(display_width(progress_bar(0, 0, width, "")) == width);
  }
}

TEST_CASE("digest render: trace events open in a viewer", "[digest]") {
  std::vector<TraceEvent> events{
      {"read \"a\"\n\xFF", "read", 20, 5, 2}, {"inner", "step", 10, 5, 1}, {"outer", "step", 10, 30, 1}};
  const std::string text = render_trace(events);
  const json parsed = json::parse(text);
  const json& list = parsed["traceEvents"];
  REQUIRE(list.size() == 6);
  CHECK(list[0]["args"]["name"] == "digest");
  CHECK(list[1] == json::parse(R"({"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"lane 1"}})"));
  CHECK(list[3] == json::parse(R"({"ph":"X","pid":1,"tid":1,"ts":10,"dur":30,"name":"outer","cat":"step"})"));
  CHECK(list[4]["name"] == "inner");
  CHECK(list[5]["name"] == "read \"a\"\n\uFFFD");
  std::reverse(events.begin(), events.end());
  CHECK(render_trace(events) == text);
  CHECK(json::parse(render_trace({}))["traceEvents"].size() == 1);
}
