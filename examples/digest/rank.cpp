// SPDX-License-Identifier: MIT
// Puts the reports of all files together.
#include "rank.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "terms.hpp"

namespace digest {
namespace {

struct Usage {
  std::uint64_t files = 0;
  std::uint64_t count = 0;
  double score = 0;
};
// Looked up only, never walked through: its order would differ between libraries.
using Vocabulary = std::unordered_map<std::string_view, Usage>;

Vocabulary count_usage(const std::vector<RankedFile>& files) {
  Vocabulary vocabulary;
  for (const RankedFile& file : files) {
    for (const TermCount& term : file.report.terms) {
      Usage& usage = vocabulary[term.term];
      ++usage.files;
      usage.count += term.count;
    }
  }
  return vocabulary;
}

void keep_best(std::vector<ScoredTerm>& terms, std::size_t count) {
  const auto better = [](const ScoredTerm& a, const ScoredTerm& b) {
    return a.score != b.score ? a.score > b.score : a.term < b.term;
  };
  const auto kept = static_cast<std::ptrdiff_t>(std::min(count, terms.size()));
  std::partial_sort(terms.begin(), terms.begin() + kept, terms.end(), better);
  terms.resize(static_cast<std::size_t>(kept));
}

// Scores the terms of each file, which it adds to `vocabulary` in the order of the files: sums of doubles depend on it.
void score_terms(std::vector<RankedFile>& files, Vocabulary& vocabulary, std::size_t per_file) {
  const auto all = static_cast<double>(files.size());
  for (RankedFile& file : files) {
    std::vector<ScoredTerm> scored;
    scored.reserve(file.report.terms.size());
    for (const TermCount& term : file.report.terms) {
      Usage& usage = vocabulary.at(term.term);
      const double share = static_cast<double>(term.count) / (50 + static_cast<double>(file.report.term_total));
      const double score = share * std::log(1 + all / static_cast<double>(usage.files));
      usage.score += score;
      scored.push_back({term.term, score, usage.files, term.count});
    }
    keep_best(scored, per_file);
    file.telling = std::move(scored);
  }
}

std::vector<ScoredTerm> best_overall(const std::vector<RankedFile>& files, const Vocabulary& vocabulary,
                                     std::size_t count) {
  std::vector<ScoredTerm> terms;
  terms.reserve(vocabulary.size());
  std::unordered_map<std::string_view, bool> taken;
  for (const RankedFile& file : files) {
    for (const TermCount& term : file.report.terms) {
      if (std::exchange(taken[term.term], true)) continue;
      const Usage& usage = vocabulary.at(term.term);
      terms.push_back({term.term, usage.score, usage.files, usage.count});
    }
  }
  keep_best(terms, count);
  return terms;
}

// The folded file name without folders and extensions: "src/Foo.test.cpp" gives "foo".
std::string stem_of(std::string_view display) {
  const std::string_view file = display.substr(display.rfind('/') + 1);
  return fold_case(file.substr(0, file.find('.', 1)));
}

std::uint64_t count_mentions(const RankedFile& file, const Vocabulary& vocabulary) {
  const std::string stem = stem_of(file.report.job.display);
  const auto usage = vocabulary.find(stem);
  if (usage == vocabulary.end()) return 0;
  const auto& own = file.report.terms;
  const bool itself = std::any_of(own.begin(), own.end(), [&](const TermCount& term) { return term.term == stem; });
  return usage->second.files - (itself ? 1 : 0);
}

double guidance_of(const RankedFile& file) {
  return std::log(1 + static_cast<double>(file.report.headings.size() + file.report.comment_lines));
}

double size_of(const RankedFile& file) {
  return std::log(1 + static_cast<double>(file.report.lines - file.report.blank_lines));
}

double place_of(const RankedFile& file) {
  const std::string& path = file.report.job.display;
  const std::string stem = stem_of(path);
  if (stem == "readme" || stem == "index" || stem == "main") return 1;
  return 1 / (1 + static_cast<double>(std::count(path.begin(), path.end(), '/')));
}

// Adds one part of the importance to each file, relative to the best of all.
template <class Part>
void add_part(std::vector<RankedFile>& files, double weight, Part part) {
  double best = 0;
  for (const RankedFile& file : files) best = std::max(best, part(file));
  if (best <= 0) return;
  for (RankedFile& file : files) file.importance += weight * part(file) / best;
}

void rank_files(Digest& digest) {
  std::vector<RankedFile>& files = digest.files;
  add_part(files, 40, size_of);
  add_part(files, 30, [](const RankedFile& file) { return std::log(1 + static_cast<double>(file.mentions)); });
  add_part(files, 20, guidance_of);
  add_part(files, 10, place_of);
  std::map<std::string_view, std::pair<std::uint64_t, bool>> groups;  // The group, and whether it is a later member.
  for (std::size_t g = 0; g < digest.duplicates.size(); ++g) {
    const auto& paths = digest.duplicates[g].paths;
    for (std::size_t i = 0; i < paths.size(); ++i) groups.try_emplace(paths[i], g + 1, i != 0);
  }
  for (RankedFile& file : files) {
    const auto group = groups.find(file.report.job.display);
    if (group == groups.end()) continue;
    file.duplicate_group = group->second.first;
    if (group->second.second) file.importance /= 2;
  }
  std::stable_sort(files.begin(), files.end(),
                   [](const RankedFile& a, const RankedFile& b) { return a.importance > b.importance; });
}

void add_problem(std::vector<Problem>& problems, const FileReport& report) {
  const auto add = [&](ProblemKind kind) { problems.push_back({report.job.display, kind, report.detail}); };
  switch (report.status) {
    case Status::ok: return report.invalid_bytes != 0 ? add(ProblemKind::encoding) : void();
    case Status::empty: return add(ProblemKind::empty);
    case Status::binary: return add(ProblemKind::binary);
    case Status::too_large: return add(ProblemKind::too_large);
    case Status::unreadable: return add(ProblemKind::unreadable);
    case Status::not_regular: return add(ProblemKind::not_regular);
  }
}

void add_totals(Digest& digest) {
  digest.total.language = "Total";
  std::map<std::string_view, LanguageTotals> languages;
  for (const RankedFile& file : digest.files) {
    const LanguageTotals totals = totals_of(file.report);
    languages[file.report.language] += totals;
    digest.total += totals;
  }
  for (auto& [name, totals] : languages) digest.languages.push_back(std::move(totals));
  std::stable_sort(digest.languages.begin(), digest.languages.end(),
                   [](const LanguageTotals& a, const LanguageTotals& b) { return a.bytes > b.bytes; });
}

}  // namespace

LanguageTotals totals_of(const FileReport& r) {
  if (r.status != Status::ok) return {};
  return {r.language, 1, r.bytes, r.lines, r.blank_lines, r.comment_lines, r.words};
}

Digest rank(Collected collected, const RankOptions& options) {
  Digest digest;
  std::vector<FileReport>& reports = collected.reports;
  std::stable_sort(reports.begin(), reports.end(), [](const FileReport& a, const FileReport& b) {
    return std::tie(a.job.display, a.job.path) < std::tie(b.job.display, b.job.path);
  });
  digest.seen = reports.size();
  digest.planned = std::max(collected.planned, digest.seen);
  digest.stopped = collected.stopped || digest.seen < digest.planned;
  digest.duplicates = find_duplicates(reports);
  digest.problems = std::move(collected.problems);
  for (FileReport& report : reports) {
    add_problem(digest.problems, report);
    if (report.status == Status::ok) digest.files.push_back({std::move(report), 0, 0, {}, 0});
  }
  std::sort(digest.problems.begin(), digest.problems.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.path, a.kind, a.detail) < std::tie(b.path, b.kind, b.detail);
  });
  digest.skipped = std::move(collected.skipped);
  std::sort(digest.skipped.begin(), digest.skipped.end());

  // The vocabulary refers to the terms in `digest.files`, which stay where they are until the ranking.
  Vocabulary vocabulary = count_usage(digest.files);
  score_terms(digest.files, vocabulary, options.terms_per_file);
  digest.terms = best_overall(digest.files, vocabulary, options.terms_overall);
  for (RankedFile& file : digest.files) file.mentions = count_mentions(file, vocabulary);
  add_totals(digest);
  rank_files(digest);
  return digest;
}

}  // namespace digest
