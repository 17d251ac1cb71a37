// SPDX-License-Identifier: MIT
// The words of a text: how many, which matter, and a signature to compare texts by. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "types.hpp"

namespace digest {

inline constexpr std::size_t max_terms_per_file = 200;
inline constexpr std::size_t min_term_length = 3;   // Characters.
inline constexpr std::size_t max_term_length = 40;  // Characters.
inline constexpr std::size_t shingle_words = 5;

/// What `scan_words` finds; the fields are those of `FileReport`.
struct WordScan {
  std::uint64_t words = 0;
  std::uint64_t term_total = 0;
  std::vector<TermCount> terms;
  std::uint64_t shingles = 0;
  Signature signature{};
};

/// Reads all words in one pass. A word is a run of letters, digits and underscores (of any script; symbols and
/// punctuation separate, and so do invalid bytes), case-folded for Latin, Greek and Cyrillic.
///
/// A term is a word of 3 to 40 characters without the underscores around it, that does not begin with a digit and is
/// not a stop word. The 200 most frequent are kept. The signature takes every run of five words and does not depend on
/// the machine; a text of fewer than five words has none (`shingles` is 0).
///
/// **Units/limits** at most `hard_max_bytes`. **Complexity/blocking** linear; never blocks.
WordScan scan_words(std::string_view text);

/// Folds case as `scan_words` does. Invalid bytes become U+FFFD.
std::string fold_case(std::string_view text);

/// Says whether a folded word is too common, in English or in programs, to tell anything.
bool is_stop_word(std::string_view folded) noexcept;

/// Estimates the Jaccard similarity of two texts' shingles, 0 to 1, from signatures of texts that have one.
double similarity(const Signature& a, const Signature& b) noexcept;

}  // namespace digest
