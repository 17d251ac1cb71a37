// SPDX-License-Identifier: MIT
// Puts the reports of all files together: totals, telling terms, near-duplicates, problems, and a ranking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "types.hpp"

namespace digest {

/// What is known when the reading ends, in any order.
struct Collected {
  std::vector<FileReport> reports;   ///< One for each `job.display`.
  std::vector<Problem> problems;     ///< Those of the walk.
  std::vector<std::string> skipped;  ///< Folders that the walk passed over.
  std::uint64_t planned = 0;         ///< Files found; more than `reports` if the reading was stopped.
  bool stopped = false;              ///< Whether walk or reading ended early.

  bool operator==(const Collected&) const = default;
};

/// A term and how telling it is.
struct ScoredTerm {
  std::string term;
  double score = 0;
  std::uint64_t files = 0;  ///< In how many files.
  std::uint64_t count = 0;  ///< How often: in the file, or in all files.

  bool operator==(const ScoredTerm&) const = default;
};

/// A file with its place among the others.
struct RankedFile {
  FileReport report;
  double importance = 0;              ///< 0 to 100.
  std::uint64_t mentions = 0;         ///< Other files that use this file's name, without extension, as a term.
  std::vector<ScoredTerm> telling;    ///< The most telling first.
  std::uint64_t duplicate_group = 0;  ///< From 1, a place in `Digest::duplicates`; 0: in none.

  bool operator==(const RankedFile&) const = default;
};

/// Files with much the same text.
struct DuplicateGroup {
  std::vector<std::string> paths;  ///< Sorted; two or more.
  double similarity = 0;           ///< The weakest of the links that hold the group together, 0.7 to 1.

  bool operator==(const DuplicateGroup&) const = default;
};

/// The whole result. Equal for equal reports, in whatever order they came.
struct Digest {
  std::vector<RankedFile> files;           ///< Those that were read and have text, the most important first.
  std::vector<LanguageTotals> languages;   ///< The most bytes first. Files with text only.
  LanguageTotals total;                    ///< Named "Total".
  std::vector<ScoredTerm> terms;           ///< Of all files, the most telling first.
  std::vector<DuplicateGroup> duplicates;  ///< The largest first.
  std::vector<Problem> problems;           ///< By path.
  std::vector<std::string> skipped;        ///< Sorted.
  std::uint64_t planned = 0;
  std::uint64_t seen = 0;  ///< Files with a report of whatever status.
  bool stopped = false;

  bool operator==(const Digest&) const = default;
};

struct RankOptions {
  std::size_t terms_per_file = 6;
  std::size_t terms_overall = 24;
};

/// Makes the digest of what was collected.
///
/// **Terms.** In a file, a term's score is tf * idf, with tf = uses / (50 + uses of all terms), the 50 so that a file
/// of three words does not outshine the rest, and idf = ln(1 + files with text / files that use the term). Overall it
/// is the sum over the files. A file is taken to use the terms that its report lists.
///
/// **Importance**, 0 to 100, is a weighted sum of four parts between 0 and 1, each relative to the best of these files:
///   40 size        ln(1 + lines that are not blank)
///   30 mentions    ln(1 + other files that use the file's name without extension as a term)
///   20 guidance    ln(1 + headings + comment lines)
///   10 place       1 / (1 + folders above it); whole for README, index and main files
/// The second and later members of a duplicate group, by path, get half.
///
/// **Thread safety** pure; safe to call from any thread. **Complexity/blocking** O(n log n) in files and terms, and
/// quadratic in the number of different files that share a band of a signature; never blocks.
Digest rank(Collected collected, const RankOptions& options = {});

/// The totals of one file's language that this file adds: nothing unless its status is `ok`.
LanguageTotals totals_of(const FileReport& report);

/// Finds groups of files that are linked by an estimated similarity of 0.7 or more. Candidates share one of sixteen
/// bands of four rows of their signatures; that finds a pair of similarity 0.7 with a chance of 98.8 %, of 0.8 with
/// 99.98 %. Reports without shingles are in no group. The largest group comes first, then by first path.
std::vector<DuplicateGroup> find_duplicates(const std::vector<FileReport>& reports);

}  // namespace digest
