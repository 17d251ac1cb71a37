// SPDX-License-Identifier: MIT
// The words of a text: how many, which matter, and a signature to compare texts by.
#include "terms.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "text.hpp"

namespace digest {
namespace {

constexpr std::uint64_t hash_seed = 0xCBF29CE484222325U;  // FNV-1a, 64 bits.
constexpr std::uint64_t hash_step = 0x100000001B3U;
constexpr std::size_t longest_word = max_term_length * 4 + 64;  // Bytes kept of a word; room for underscores around it.

constexpr std::uint64_t mix(std::uint64_t x) noexcept {  // The finaliser of SplitMix64.
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = hash_seed;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * hash_step;
  return hash;
}

// What a byte means in a word: 0 separates, 1 begins a character beyond ASCII, anything else is the folded character.
constexpr std::array<unsigned char, 256> word_bytes = [] {
  std::array<unsigned char, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    table.at(c) = static_cast<unsigned char>(c >= 0x80 ? 1 : upper ? c + 32 : plain ? c : 0);
  }
  return table;
}();

bool is_word_character(char32_t c) noexcept {
  if (c < 0xC0 || c == 0xD7 || c == 0xF7 || c == 0xFEFF || c == 0xFFFD) return false;
  const bool punctuation = (c >= 0x2000 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x303F) ||
                           (c >= 0xFE10 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF0F) ||
                           (c >= 0xFF1A && c <= 0xFF20) || (c >= 0x1F000 && c <= 0x1FAFF);
  const bool private_use = (c >= 0xE000 && c <= 0xF8FF) || c >= 0xE0000;
  return !punctuation && !private_use;
}

char32_t fold(char32_t c) noexcept {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;  // Latin-1
  if (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) return c | 1U;
  if (c >= 0x391 && c <= 0x3A9 && c != 0x3A2) return c + 32;  // Greek
  if (c >= 0x410 && c <= 0x42F) return c + 32;                // Cyrillic
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  return c;
}

struct Word {
  std::string_view text;       // Folded; cut off if it is too long to be a term.
  std::uint64_t hash = 0;      // Of the whole word.
  std::size_t characters = 0;  // Of the whole word.
};

class WordReader {
 public:
  explicit WordReader(std::string_view text) noexcept : text_(text) {}

  bool next(Word& word) {
    while (at_ < text_.size()) {
      if (word_bytes[byte()] == 0) {
        ++at_;
      } else if (read(word)) {
        return true;
      }
    }
    return false;
  }

 private:
  unsigned char byte() const noexcept { return static_cast<unsigned char>(text_[at_]); }

  // Reads from the first byte of what may be a word; moves by at least one byte.
  bool read(Word& word) {
    std::uint64_t hash = hash_seed;
    std::size_t length = 0;
    std::size_t characters = 0;
    while (at_ < text_.size()) {
      const unsigned char c = word_bytes[byte()];
      if (c == 0) break;
      if (c != 1) {
        hash = (hash ^ c) * hash_step;
        if (length < buffer_.size()) buffer_[length++] = static_cast<char>(c);
        ++at_;
      } else {
        const Decoded next = decode_utf8(text_, at_);
        if (!next.valid || !is_word_character(next.code)) {
          if (characters == 0) at_ += next.size;
          break;
        }
        at_ += next.size;
        wide_.clear();
        append_utf8(wide_, fold(next.code));
        for (const char piece : wide_) hash = (hash ^ static_cast<unsigned char>(piece)) * hash_step;
        if (length + wide_.size() <= buffer_.size()) {
          std::memcpy(buffer_.data() + length, wide_.data(), wide_.size());
          length += wide_.size();
        }
      }
      ++characters;
    }
    word = {{buffer_.data(), length}, hash, characters};
    return characters != 0;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string wide_;
  std::array<char, longest_word> buffer_{};
};

// Counts words in an open-addressed table; their text lies in one piece.
class TermTable {
 public:
  void add(std::string_view text, std::uint64_t hash) {
    if ((used_ + 1) * 2 > slots_.size()) grow();
    Slot& slot = probe(slots_, hash, text);
    if (slot.count++ != 0) return;
    slot.hash = hash;
    slot.offset = static_cast<std::uint32_t>(texts_.size());
    slot.length = static_cast<std::uint32_t>(text.size());
    texts_.append(text);
    ++used_;
  }

  // Moves the terms that are not stop words, and the sum of their counts, into `scan`.
  void finish(WordScan& scan) const {
    std::vector<std::pair<std::uint64_t, std::string_view>> found;
    found.reserve(used_);
    for (const Slot& slot : slots_) {
      if (slot.count == 0 || is_stop_word(text_of(slot))) continue;
      found.emplace_back(slot.count, text_of(slot));
      scan.term_total += slot.count;
    }
    const auto kept = static_cast<std::ptrdiff_t>(std::min(found.size(), max_terms_per_file));
    std::partial_sort(found.begin(), found.begin() + kept, found.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    scan.terms.reserve(static_cast<std::size_t>(kept));
    std::for_each(found.begin(), found.begin() + kept,
                  [&](const auto& f) { scan.terms.push_back({std::string(f.second), f.first}); });
  }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint64_t count = 0;  // 0: free.
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
  };

  std::string_view text_of(const Slot& slot) const noexcept { return {texts_.data() + slot.offset, slot.length}; }

  Slot& probe(std::vector<Slot>& slots, std::uint64_t hash, std::string_view text) const noexcept {
    const std::size_t mask = slots.size() - 1;
    std::size_t at = static_cast<std::size_t>(mix(hash)) & mask;
    while (slots[at].count != 0 && !(slots[at].hash == hash && text_of(slots[at]) == text)) at = (at + 1) & mask;
    return slots[at];
  }

  void grow() {
    std::vector<Slot> bigger(std::max<std::size_t>(256, slots_.size() * 2));
    for (const Slot& slot : slots_) {
      if (slot.count != 0) probe(bigger, slot.hash, text_of(slot)) = slot;
    }
    slots_ = std::move(bigger);
  }

  std::vector<Slot> slots_;
  std::size_t used_ = 0;
  std::string texts_;
};

// The i-th permutation of the 32-bit numbers is x -> factor[i] * x + offset[i] (mod 2^32), with an odd factor.
struct Permutations {
  std::array<std::uint32_t, std::tuple_size_v<Signature>> factor{};
  std::array<std::uint32_t, std::tuple_size_v<Signature>> offset{};
};
constexpr Permutations permutations = [] {
  Permutations made;
  for (std::uint64_t i = 0; i < made.factor.size(); ++i) {
    made.factor.at(i) = static_cast<std::uint32_t>(mix(2 * i + 1)) | 1U;
    made.offset.at(i) = static_cast<std::uint32_t>(mix(2 * i + 2));
  }
  return made;
}();

class Shingler {
 public:
  void add(std::uint64_t word_hash) noexcept {
    // A rolling polynomial in `shingle_base` over the last words' hashes: the oldest leaves, the newest enters.
    const std::uint64_t entering = mix(word_hash);
    std::uint64_t& oldest = recent_[words_++ % shingle_words];
    rolling_ = rolling_ * shingle_base + entering - oldest * leaving_factor;
    oldest = entering;
    if (words_ < shingle_words) return;
    batch_[batched_++] = static_cast<std::uint32_t>(mix(rolling_) >> 32U);
    if (batched_ == batch_.size()) flush();
  }

  void finish(WordScan& scan) noexcept {
    if (words_ < shingle_words) return;
    flush();
    scan.shingles = words_ - shingle_words + 1;
    scan.signature = signature_;
  }

 private:
  static constexpr std::uint64_t shingle_base = 0x9E3779B97F4A7C15U;
  static constexpr std::uint64_t leaving_factor = [] {
    std::uint64_t factor = 1;
    for (std::size_t i = 0; i < shingle_words; ++i) factor *= shingle_base;
    return factor;
  }();

  // Nearly all the time goes here. A batch keeps a minimum in a register, and lets the compiler use vectors.
  void flush() noexcept {
    if (batched_ == 0) return;
    // Shingles may repeat without changing a minimum, so a last, short batch is filled up with its first.
    std::fill(batch_.begin() + static_cast<std::ptrdiff_t>(batched_), batch_.end(), batch_.front());
    batched_ = 0;
    for (std::size_t i = 0; i < signature_.size(); ++i) {
      std::uint32_t least = signature_[i];
      for (const std::uint32_t x : batch_) least = std::min(least, permutations.factor[i] * x + permutations.offset[i]);
      signature_[i] = least;
    }
  }

  std::array<std::uint64_t, shingle_words> recent_{};
  std::uint64_t words_ = 0;
  std::uint64_t rolling_ = 0;
  std::array<std::uint32_t, 16> batch_{};
  std::size_t batched_ = 0;
  Signature signature_ = [] {
    Signature all{};
    all.fill(std::numeric_limits<std::uint32_t>::max());
    return all;
  }();
};

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace

WordScan scan_words(std::string_view text) {
  WordScan scan;
  TermTable table;
  Shingler shingler;
  WordReader reader(text);
  Word word;
  while (reader.next(word)) {
    const std::size_t first = word.text.find_first_not_of('_');
    if (first == std::string_view::npos) continue;  // A rule of underscores.
    ++scan.words;
    shingler.add(word.hash);
    const std::string_view term = word.text.substr(first, word.text.find_last_not_of('_') + 1 - first);
    const std::size_t characters = word.characters - (word.text.size() - term.size());
    if (characters < min_term_length || characters > max_term_length || is_digit(term.front())) continue;
    table.add(term, term.size() == word.text.size() ? word.hash : hash_of(term));
  }
  table.finish(scan);
  shingler.finish(scan);
  return scan;
}

std::string fold_case(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Decoded next = decode_utf8(text, at);
    append_utf8(out, fold(next.code));
    at += next.size;
  }
  return out;
}

double similarity(const Signature& a, const Signature& b) noexcept {
  std::size_t same = 0;
  for (std::size_t i = 0; i < a.size(); ++i) same += a[i] == b[i] ? 1U : 0U;
  return static_cast<double>(same) / static_cast<double>(a.size());
}

}  // namespace digest
