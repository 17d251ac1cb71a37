// SPDX-License-Identifier: MIT
// Writes a digest for people, and draws the progress.
#include "render.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "text.hpp"

namespace digest {
namespace {

constexpr std::string_view bold = "1";
constexpr std::string_view dim = "2";
constexpr std::string_view yellow = "33";

class TextReport {
 public:
  TextReport(const Digest& digest, const TextOptions& options)
      : digest_(digest), options_(options), width_(std::max<std::size_t>(options.width, 60)) {}

  std::string write() {
    summary();
    terms();
    languages();
    files();
    duplicates();
    problems();
    return std::move(out_);
  }

 private:
  // Writes text that is safe already, cut to the width.
  void line(std::string_view text, std::string_view color = {}) {
    const std::string cut = fit(text, width_);
    if (color.empty() || !options_.color) {
      out_ += cut;
    } else {
      fmt::format_to(std::back_inserter(out_), "\x1b[{}m{}\x1b[0m", color, cut);
    }
    out_ += '\n';
  }

  void heading(std::string_view text) {
    out_ += '\n';
    line(text, bold);
  }

  std::size_t shown(std::size_t count) const { return options_.top == 0 ? count : std::min(count, options_.top); }

  void more(std::size_t count, std::size_t listed, std::string_view what) {
    if (listed < count) line(fmt::format("  ... and {} more {}", with_commas(count - listed), what), dim);
  }

  void summary() {
    const LanguageTotals& total = digest_.total;
    line(fmt::format("{} of text, {}, {}, {}, {}", counted(total.files, "file"), human_bytes(total.bytes),
                     counted(total.lines, "line"), counted(total.words, "word"),
                     counted(digest_.languages.size(), "language")),
         bold);
    if (digest_.stopped) {
      line(fmt::format("Stopped early: {} of {} files were read; this report covers only those.",
                       with_commas(digest_.seen), with_commas(digest_.planned)),
           yellow);
    }
    if (digest_.skipped.empty()) return;
    std::string text = counted(digest_.skipped.size(), "folder") + " skipped:";
    for (const std::string& folder : digest_.skipped) {
      text += ' ' + escape_terminal(folder);
      if (text.size() > width_ * 4) break;  // More than fits.
    }
    line(text, dim);
  }

  void terms() {
    if (digest_.terms.empty()) return;
    heading("Most telling terms");
    std::string text;
    for (const ScoredTerm& term : digest_.terms) {
      const std::string word = escape_terminal(term.term);
      if (!text.empty() && display_width(text) + display_width(word) + 4 > width_) {
        line(text);
        text.clear();
      }
      text += "  " + word;
    }
    line(text);
  }

  void languages() {
    if (digest_.languages.empty()) return;
    heading("Languages");
    line(fmt::format("  {:<16}{:>8}{:>12}{:>12}{:>12}{:>12}", "", "files", "size", "lines", "comments", "blank"), dim);
    for (const LanguageTotals& totals : digest_.languages) language(totals);
    if (digest_.languages.size() > 1) language(digest_.total);
  }

  void language(const LanguageTotals& t) {
    line(fmt::format("  {}{:>8}{:>12}{:>12}{:>12}{:>12}", fit_exactly(escape_terminal(t.language), 16),
                     with_commas(t.files), human_bytes(t.bytes), with_commas(t.lines), with_commas(t.comment_lines),
                     with_commas(t.blank_lines)));
  }

  void files() {
    const std::vector<RankedFile>& files = digest_.files;
    if (files.empty()) return;
    const std::size_t count = shown(files.size());
    heading(count < files.size() ? fmt::format("The {} most important of {} files", count, with_commas(files.size()))
                                 : std::string("Files by importance"));
    // All but the path is 50 columns wide.
    const std::size_t path_width = width_ - 50;
    line(fmt::format("{:>5} {:>5}  {:<{}}  {:<12}{:>10}{:>11}", "", "score", "file", path_width, "language", "lines",
                     "size"),
         dim);
    for (std::size_t i = 0; i < count; ++i) {
      const FileReport& r = files[i].report;
      const std::string path = escape_terminal(r.job.display);
      line(fmt::format("{:>5} {:>5.1f}  {}  {}{:>10}{:>11}", i + 1, files[i].importance,
                       fit_exactly(path, path_width, Keep::tail), fit_exactly(r.language, 12), with_commas(r.lines),
                       human_bytes(r.bytes)));
      if (const std::string text = about(files[i]); !text.empty()) line("             " + text, dim);
    }
  }

  // The title of a document and the telling terms of any file.
  static std::string about(const RankedFile& file) {
    std::string text;
    if (!file.report.headings.empty()) {
      const std::string title = fit(escape_terminal(file.report.headings.front().text), 40);
      text = fmt::format("\"{}\", {}", title, counted(file.report.headings.size(), "heading"));
    }
    for (const ScoredTerm& term : file.telling) {
      text += (text.empty() ? "" : &term == &file.telling.front() ? ": " : ", ") + escape_terminal(term.term);
    }
    return text;
  }

  void duplicates() {
    constexpr std::size_t paths_shown = 6;
    const std::vector<DuplicateGroup>& groups = digest_.duplicates;
    if (groups.empty()) return;
    heading(fmt::format("Near-duplicates ({})", counted(groups.size(), "group")));
    for (std::size_t g = 0; g < shown(groups.size()); ++g) {
      const std::vector<std::string>& paths = groups[g].paths;
      const std::size_t listed = options_.top == 0 ? paths.size() : std::min(paths.size(), paths_shown);
      for (std::size_t i = 0; i < listed; ++i) {
        const std::string label = i == 0 ? fmt::format("{:>5.0f} %", groups[g].similarity * 100) : std::string(7, ' ');
        line(label + "  " + fit(escape_terminal(paths[i]), width_ - 9, Keep::tail));
      }
      if (listed < paths.size()) more(paths.size(), listed, "in this group");
    }
    more(groups.size(), shown(groups.size()), "groups");
  }

  void problems() {
    const std::vector<Problem>& problems = digest_.problems;
    if (problems.empty()) return;
    heading(fmt::format("Problems ({})", with_commas(problems.size())));
    const std::size_t path_width = width_ / 2;
    for (std::size_t i = 0; i < shown(problems.size()); ++i) {
      const Problem& p = problems[i];
      const std::string path = fit_exactly(escape_terminal(p.path), path_width, Keep::tail);
      std::string text = fmt::format("  {:<12}  {}  {}", name_of(p.kind), path, escape_terminal(p.detail));
      line(text.substr(0, text.find_last_not_of(' ') + 1), yellow);
    }
    more(problems.size(), shown(problems.size()), "problems");
  }

  const Digest& digest_;
  const TextOptions& options_;
  std::size_t width_;
  std::string out_;
};

}  // namespace

std::string render_text(const Digest& digest, const TextOptions& options) {
  return TextReport(digest, options).write();
}

std::string progress_bar(std::uint64_t done, std::uint64_t total, std::size_t width, std::string_view last_file) {
  done = std::min(done, total);
  const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  const std::string all = std::to_string(total);
  // Rounded down: 100 % is said when everything is done.
  const std::uint64_t percent = total == 0 ? 100 : done * 100 / total;
  const std::string files = fmt::format("{:>{}}/{}", done, all.size(), all);
  const std::string counts = fmt::format("{}  {:>3}%", files, percent);
  const std::size_t bar = std::clamp<std::size_t>(width / 4, 10, 30);
  if (counts.size() + bar + 4 > width) return fit_exactly(counts.size() > width ? files : counts, width);
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(bar));
  std::string drawn(filled, '=');
  if (filled < bar) drawn += '>';
  std::string out = fmt::format("[{:<{}}]  {}", drawn, bar, counts);
  const std::size_t room = width - out.size();
  if (room > 12) out += "  " + fit(escape_terminal(last_file), room - 2, Keep::tail);
  return fit_exactly(out, width);
}

}  // namespace digest
