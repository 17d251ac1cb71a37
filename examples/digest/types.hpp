// SPDX-License-Identifier: MIT
// The plain values that the parts of digest hand to each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace digest {

/// Files larger than this are reported, not read, unless the user says otherwise.
inline constexpr std::uint64_t default_max_bytes = 8ULL << 20U;
/// No file above this is read, whatever the user says: offsets inside a file are 32 bits wide.
inline constexpr std::uint64_t hard_max_bytes = 1ULL << 30U;

/// One file to look at.
struct FileJob {
  std::string path;             ///< What the system opens; any bytes.
  std::string display;          ///< What people read and results are sorted by; any bytes.
  std::uint64_t index = 0;      ///< Its place in the order of `display`, from 0.
  std::uint64_t size_hint = 0;  ///< Bytes when it was found; it may have changed since.

  bool operator==(const FileJob&) const = default;
};

/// What came of reading a file.
enum class Status : std::uint8_t { ok, empty, binary, too_large, unreadable, not_regular };

/// A heading of a document.
struct Heading {
  std::uint32_t level = 1;  ///< 1 to 6.
  std::string text;         ///< Valid UTF-8, shortened to `max_heading_length`.
  std::uint64_t line = 1;   ///< From 1.

  bool operator==(const Heading&) const = default;
};

/// A word and how often a file uses it.
struct TermCount {
  std::string term;  ///< Case-folded valid UTF-8.
  std::uint64_t count = 0;

  bool operator==(const TermCount&) const = default;
};

/// MinHash of a file's five-word shingles: two files agree in about as many places as their shingles overlap.
using Signature = std::array<std::uint32_t, 64>;

/// Everything digest knows about one file. Depends on the job and the file's bytes only.
struct FileReport {
  FileJob job;
  Status status = Status::ok;
  std::string detail;               ///< Why the status is not `ok`, or what is odd about the text; may be empty.
  std::string language;             ///< "C++", "Markdown", ...; "Other" if unknown. Set for every status.
  std::uint64_t bytes = 0;          ///< Size when it was read; 0 if unknown.
  std::uint64_t lines = 0;          ///< A last line without a newline counts.
  std::uint64_t blank_lines = 0;    ///< Lines of white space only.
  std::uint64_t comment_lines = 0;  ///< Lines that begin as, or lie within, a comment.
  std::uint64_t longest_line = 0;   ///< In characters, without its line end.
  std::uint64_t invalid_bytes = 0;  ///< Bytes that are not UTF-8.
  std::uint64_t words = 0;
  std::uint64_t term_total = 0;   ///< Uses of all terms, also of those that `terms` leaves out.
  std::vector<TermCount> terms;   ///< The most frequent, by falling count, then by name.
  std::vector<Heading> headings;  ///< Of Markdown only, in order.
  std::uint64_t shingles = 0;     ///< 0: the file is too short to compare, and `signature` means nothing.
  Signature signature{};

  bool operator==(const FileReport&) const = default;
};

/// Why something was left out, or deserves a look.
enum class ProblemKind : std::uint8_t {
  missing,
  unreadable,
  broken_link,
  not_regular,
  too_large,
  binary,
  encoding,
  empty
};

/// Something that was left out of the digest or looks wrong. Never fatal.
struct Problem {
  std::string path;  ///< As in `FileJob::display`.
  ProblemKind kind = ProblemKind::missing;
  std::string detail;

  bool operator==(const Problem&) const = default;
};

/// Sums over the files of one language. Addition is commutative and associative; `LanguageTotals{}` changes nothing.
struct LanguageTotals {
  std::string language;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
  std::uint64_t blank_lines = 0;
  std::uint64_t comment_lines = 0;
  std::uint64_t words = 0;

  /// Adds the numbers; keeps its own name unless it has none.
  LanguageTotals& operator+=(const LanguageTotals& other) {
    if (language.empty()) language = other.language;
    files += other.files;
    bytes += other.bytes;
    lines += other.lines;
    blank_lines += other.blank_lines;
    comment_lines += other.comment_lines;
    words += other.words;
    return *this;
  }
  friend LanguageTotals operator+(LanguageTotals a, const LanguageTotals& b) { return a += b; }
  bool operator==(const LanguageTotals&) const = default;
};

/// Gives "ok", "empty", "binary", "too_large", "unreadable" or "not_regular".
constexpr std::string_view name_of(Status status) noexcept {
  constexpr std::array<std::string_view, 6> names{"ok", "empty", "binary", "too_large", "unreadable", "not_regular"};
  return names.at(static_cast<std::size_t>(status));
}

/// Gives the name as written in the enumeration.
constexpr std::string_view name_of(ProblemKind kind) noexcept {
  constexpr std::array<std::string_view, 8> names{"missing",   "unreadable", "broken_link", "not_regular",
                                                  "too_large", "binary",     "encoding",    "empty"};
  return names.at(static_cast<std::size_t>(kind));
}

}  // namespace digest
