// SPDX-License-Identifier: MIT
// Private: regular expressions in time linear in the text, for the keyword "pattern" of JSON Schema.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace agentflow::detail {

/// What is wrong with a pattern.
class PatternFault {
 public:
  explicit PatternFault(std::string m) : message(std::move(m)) {}
  std::string message;
};

/// A regular expression in the syntax of ECMA-262, over code points, without what needs back-tracking: look-around and
/// back-references are refused, as are Unicode properties. It is run as a set of states, so no text makes it slow.
class Pattern {
 public:
  static constexpr std::size_t max_program = 10'000;

  /// **Errors** `PatternFault`.
  explicit Pattern(std::string_view text);

  /// Whether the pattern matches anywhere in the text. Takes its steps off `budget`; with none left, gives false and
  /// leaves 0.
  bool found_in(std::string_view text, std::uint64_t& budget) const;

 private:
  friend class PatternParser;
  enum class Op : std::uint8_t { set, split, jump, begin, end, word, not_word, match };
  struct Step {
    Op op;
    int a = 0, b = 0;  // relative, so that code may be copied and moved; the number of a set
  };
  struct Set {
    std::vector<std::pair<char32_t, char32_t>> ranges;
    bool negated = false;
    bool has(char32_t c) const noexcept;
  };
  class Machine;

  std::vector<Step> program_;
  std::vector<Set> sets_;
};

}  // namespace agentflow::detail
