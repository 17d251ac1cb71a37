// SPDX-License-Identifier: MIT
// A parser of regular expressions, and the machine that runs them as sets of states.
#include "core/pattern.hpp"

#include <optional>

namespace agentflow::detail {
namespace {

using Ranges = std::vector<std::pair<char32_t, char32_t>>;

constexpr char32_t last_code_point = 0x10FFFF;
const Ranges digits = {{'0', '9'}};
const Ranges word_characters = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const Ranges spaces = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                       {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const Ranges line_ends = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

Ranges complement(const Ranges& sorted) {
  Ranges out;
  char32_t next = 0;
  for (const auto& [from, to] : sorted) {
    if (from > next) out.emplace_back(next, from - 1);
    next = to + 1;
  }
  if (next <= last_code_point) out.emplace_back(next, last_code_point);
  return out;
}

bool is_word(char32_t c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

/// The texts are UTF-8 already: JsonValue sees to that.
std::u32string code_points(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    const int more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    char32_t c = more == 0 ? lead : lead & (0x3Fu >> more);
    for (int k = 0; k < more && i < text.size(); ++k) c = (c << 6) | (static_cast<unsigned char>(text[i++]) & 0x3Fu);
    out.push_back(c);
  }
  return out;
}

}  // namespace

/// Recursive descent; what it emits can be copied as it is, because jumps are relative.
class PatternParser {
 public:
  PatternParser(Pattern& out, std::string_view text) : out_(out), text_(code_points(text)) {}

  void parse() {
    alternatives();
    if (!at_end()) fail("a ')' that nothing opened");
    emit({Op::match});
  }

 private:
  using Op = Pattern::Op;
  using Step = Pattern::Step;

  [[noreturn]] static void fail(const std::string& message) { throw PatternFault(message); }
  bool at_end() const noexcept { return at_ == text_.size(); }
  char32_t peek(std::size_t ahead = 0) const noexcept { return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0; }
  bool eat(char32_t c) noexcept {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool eat(std::u32string_view word) noexcept {
    if (std::u32string_view(text_).substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  void emit(Step step) {
    if (out_.program_.size() == Pattern::max_program) fail("it is too large");
    out_.program_.push_back(step);
  }
  void insert(std::size_t at, Step step) {
    if (out_.program_.size() == Pattern::max_program) fail("it is too large");
    out_.program_.insert(out_.program_.begin() + static_cast<std::ptrdiff_t>(at), step);
  }
  void emit_set(Ranges ranges, bool negated = false) {
    emit({Op::set, static_cast<int>(out_.sets_.size())});
    out_.sets_.push_back({std::move(ranges), negated});
  }
  int length_from(std::size_t begin) const noexcept { return static_cast<int>(out_.program_.size() - begin); }

  void alternatives() {
    if (++depth_ > 64) fail("its groups nest deeper than 64");
    std::size_t begin = out_.program_.size();
    std::vector<std::size_t> jumps;
    sequence();
    while (eat('|')) {
      insert(begin, {Op::split, 1, length_from(begin) + 2});
      jumps.push_back(out_.program_.size());
      emit({Op::jump});
      begin = out_.program_.size();
      sequence();
    }
    for (const std::size_t j : jumps) out_.program_[j].a = length_from(j);
    --depth_;
  }

  void sequence() {
    while (!at_end() && peek() != '|' && peek() != ')') {
      const std::size_t begin = out_.program_.size();
      atom();
      quantifiers(begin);
    }
  }

  void quantifiers(std::size_t begin) {
    if (eat('*')) {
      repeat(begin, 0, std::nullopt);
    } else if (eat('+')) {
      repeat(begin, 1, std::nullopt);
    } else if (eat('?')) {
      repeat(begin, 0, 1);
    } else if (const auto bounds = braces()) {
      repeat(begin, bounds->first, bounds->second);
    } else {
      return;
    }
    eat('?');  // lazy or not: it matches the same texts
    if (peek() == '*' || peek() == '+' || peek() == '?' || braces()) fail("a quantifier after a quantifier");
  }

  std::optional<std::size_t> number() {
    if (peek() < '0' || peek() > '9') return std::nullopt;
    std::size_t n = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_)
      if (n <= Pattern::max_program) n = n * 10 + (peek() - '0');
    return n;
  }

  /// `{m}`, `{m,}` or `{m,n}`; anything else is text.
  std::optional<std::pair<std::size_t, std::optional<std::size_t>>> braces() {
    const std::size_t start = at_;
    if (eat('{')) {
      if (const auto min = number()) {
        std::optional<std::size_t> max = min;
        if (eat(',')) max = number();
        if (eat('}')) return std::pair(*min, max);
      }
    }
    at_ = start;
    return std::nullopt;
  }

  void repeat(std::size_t begin, std::size_t min, std::optional<std::size_t> max) {
    if (max && *max < min) fail("a quantifier whose bounds are the wrong way round");
    const std::vector<Step> body(out_.program_.begin() + static_cast<std::ptrdiff_t>(begin), out_.program_.end());
    out_.program_.resize(begin);
    const int length = static_cast<int>(body.size());
    const std::size_t copies = max ? *max : min + 1;
    if (copies * (body.size() + 2) > Pattern::max_program) fail("it is too large");
    const auto copy = [&] {
      for (const Step& s : body) emit(s);
    };
    for (std::size_t i = 0; i < min; ++i) copy();
    if (!max) {
      emit({Op::split, 1, length + 2});
      copy();
      emit({Op::jump, -(length + 1)});
      return;
    }
    for (std::size_t i = min; i < *max; ++i) {
      emit({Op::split, 1, length + 1});
      copy();
    }
  }

  void atom() {
    const char32_t c = text_[at_++];
    switch (c) {
      case '(': return group();
      case '[': return set();
      case '.': return emit_set(line_ends, true);
      case '^': return emit({Op::begin});
      case '$': return emit({Op::end});
      case '*':
      case '+':
      case '?': fail("a quantifier with nothing before it");
      case '\\': return escape();
      default: return emit_set({{c, c}});
    }
  }

  void group() {
    if (eat(U"?=") || eat(U"?!") || eat(U"?<=") || eat(U"?<!")) fail("look-around is not supported");
    if (eat(U"?<")) {
      while (!at_end() && peek() != '>') ++at_;
      if (!eat('>')) fail("the name of a group has no end");
    } else if (!eat(U"?:") && peek() == '?') {
      fail("a '(?' of an unknown kind");
    }
    alternatives();
    if (!eat(')')) fail("a '(' that nothing closes");
  }

  void escape() {
    if (at_end()) fail("a '\\' at the end");
    const char32_t c = peek();
    if (c == 'b' || c == 'B') {
      ++at_;
      return emit({c == 'b' ? Op::word : Op::not_word});
    }
    if ((c >= '1' && c <= '9') || c == 'k') fail("back-references are not supported");
    emit_set(escaped());
  }

  /// What an escape stands for, inside and outside of brackets.
  Ranges escaped() {
    const char32_t c = text_[at_++];
    switch (c) {
      case 'd': return digits;
      case 'D': return complement(digits);
      case 'w': return word_characters;
      case 'W': return complement(word_characters);
      case 's': return spaces;
      case 'S': return complement(spaces);
      case 't': return {{'\t', '\t'}};
      case 'n': return {{'\n', '\n'}};
      case 'r': return {{'\r', '\r'}};
      case 'v': return {{'\v', '\v'}};
      case 'f': return {{'\f', '\f'}};
      case '0': return {{0, 0}};
      case 'x': return one(hex(2));
      case 'u': return one(unicode());
      case 'p':
      case 'P': fail("Unicode properties are not supported");
      case 'c': {
        const char32_t letter = at_end() ? 0 : text_[at_++];
        if (!((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))) fail("'\\c' without a letter");
        return one(letter & 31u);
      }
      default: return one(c);
    }
  }
  static Ranges one(char32_t c) { return {{c, c}}; }

  char32_t hex(int count) {
    char32_t value = 0;
    for (int i = 0; i < count; ++i) {
      const char32_t c = at_end() ? 0 : text_[at_++];
      const int digit = c >= '0' && c <= '9'   ? static_cast<int>(c - '0')
                        : c >= 'a' && c <= 'f' ? static_cast<int>(c - 'a') + 10
                        : c >= 'A' && c <= 'F' ? static_cast<int>(c - 'A') + 10
                                               : -1;
      if (digit < 0) fail("an escape with too few hexadecimal digits");
      value = value * 16 + static_cast<char32_t>(digit);
    }
    return value;
  }
  char32_t unicode() {
    if (!eat('{')) {
      const char32_t high = hex(4);
      if (high < 0xD800 || high > 0xDBFF || !eat(U"\\u")) return high;
      const char32_t low = hex(4);
      if (low < 0xDC00 || low > 0xDFFF) fail("half a surrogate pair");
      return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }
    char32_t value = 0;
    int count = 0;
    for (; !at_end() && peek() != '}' && count < 8; ++count) value = value * 16 + hex(1);
    if (!eat('}') || count == 0 || value > last_code_point) fail("an escape that is no code point");
    return value;
  }

  void set() {
    const bool negated = eat('^');
    Ranges ranges;
    while (!at_end() && peek() != ']') {
      const Ranges low = set_member();
      const bool single = low.size() == 1 && low[0].first == low[0].second;
      if (peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size() && single) {
        ++at_;
        const Ranges high = set_member();
        if (high.size() != 1 || high[0].first != high[0].second || high[0].first < low[0].first)
          fail("a range whose ends are the wrong way round");
        ranges.emplace_back(low[0].first, high[0].first);
      } else {
        ranges.insert(ranges.end(), low.begin(), low.end());
      }
    }
    if (!eat(']')) fail("a '[' that nothing closes");
    emit_set(std::move(ranges), negated);
  }
  Ranges set_member() {
    const char32_t c = text_[at_++];
    if (c != '\\') return one(c);
    if (at_end()) fail("a '\\' at the end");
    if (eat('b')) return one('\b');
    return escaped();
  }

  Pattern& out_;
  const std::u32string text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

Pattern::Pattern(std::string_view text) { PatternParser(*this, text).parse(); }

bool Pattern::Set::has(char32_t c) const noexcept {
  for (const auto& [from, to] : ranges)
    if (c >= from && c <= to) return !negated;
  return negated;
}

/// The states a text has led to so far.
class Pattern::Machine {
 public:
  Machine(const Pattern& pattern, std::u32string text, std::uint64_t& budget)
      : pattern_(pattern), text_(std::move(text)), budget_(budget), seen_(pattern.program_.size(), 0) {}

  bool run() {
    std::vector<std::size_t> now, next;
    for (at_ = 0;; ++at_) {
      // A match may begin anywhere. States that are there already are not added twice: `now` was filled at this place.
      if (at_ == 0) ++mark_;
      if (follow(0, now)) return true;
      if (at_ == text_.size() || budget_ == 0) return false;
      ++mark_;
      const char32_t c = text_[at_];
      ++at_;
      for (const std::size_t state : now)
        if (pattern_.sets_[static_cast<std::size_t>(pattern_.program_[state].a)].has(c) && follow(state + 1, next))
          return true;
      --at_;
      now.swap(next);
      next.clear();
    }
  }

 private:
  /// Adds all states that are reached from one without a character; true for a match.
  bool follow(std::size_t state, std::vector<std::size_t>& into) {
    stack_.push_back(state);
    while (!stack_.empty()) {
      state = stack_.back();
      stack_.pop_back();
      if (budget_ == 0) {
        stack_.clear();
        return false;
      }
      --budget_;
      if (seen_[state] == mark_) continue;
      seen_[state] = mark_;
      const Step& s = pattern_.program_[state];
      const auto to = [&](int offset) {
        stack_.push_back(static_cast<std::size_t>(static_cast<std::ptrdiff_t>(state) + offset));
      };
      switch (s.op) {
        case Op::match: stack_.clear(); return true;
        case Op::set: into.push_back(state); break;
        case Op::jump: to(s.a); break;
        case Op::split:
          to(s.b);
          to(s.a);
          break;
        case Op::begin:
          if (at_ == 0) to(1);
          break;
        case Op::end:
          if (at_ == text_.size()) to(1);
          break;
        case Op::word:
        case Op::not_word:
          if (between_words() == (s.op == Op::word)) to(1);
          break;
      }
    }
    return false;
  }
  bool between_words() const noexcept {
    const bool before = at_ > 0 && is_word(text_[at_ - 1]);
    const bool after = at_ < text_.size() && is_word(text_[at_]);
    return before != after;
  }

  const Pattern& pattern_;
  const std::u32string text_;
  std::uint64_t& budget_;
  std::vector<std::uint64_t> seen_;
  std::vector<std::size_t> stack_;
  std::uint64_t mark_ = 0;
  std::size_t at_ = 0;
};

bool Pattern::found_in(std::string_view text, std::uint64_t& budget) const {
  return Machine(*this, code_points(text), budget).run();
}

}  // namespace agentflow::detail
