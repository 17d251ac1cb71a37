// SPDX-License-Identifier: MIT
// The text side of JSON: UTF-8, escaping, paths.
#include "core/json_text.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace agentflow {
namespace detail {
namespace {

constexpr std::size_t longest_shown_name = 64;

constexpr std::uint64_t repeat(unsigned char byte) { return 0x0101010101010101u * byte; }

// Whether any byte of `x` is zero, or below `n`: the classic carry tricks, exact about "any" and about the lowest.
constexpr std::uint64_t any_zero(std::uint64_t x) { return (x - repeat(1)) & ~x & repeat(0x80); }
constexpr std::uint64_t any_below(std::uint64_t x, unsigned char n) { return (x - repeat(n)) & ~x & repeat(0x80); }

// Eight bytes that a JSON string holds as they are.
bool eight_plain(const char* p) noexcept {
  std::uint64_t x;
  std::memcpy(&x, p, sizeof x);
  return ((x & repeat(0x80)) | any_below(x, 0x20) | any_zero(x ^ repeat('"')) | any_zero(x ^ repeat('\\'))) == 0;
}

constexpr auto plain = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0x20; c < 0x80; ++c) table[c] = c != '"' && c != '\\';
  return table;
}();

// Gives the first byte that a JSON string does not hold as it is.
const char* skip_plain(const char* p, const char* end) noexcept {
  while (end - p >= 8 && eight_plain(p)) p += 8;
  while (p != end && plain[static_cast<unsigned char>(*p)]) ++p;
  return p;
}

// So many times eight bytes.
template <std::size_t N>
bool ascii(const char* p) noexcept {
  std::uint64_t words[N], all = 0;
  std::memcpy(words, p, sizeof words);
  for (const std::uint64_t w : words) all |= w;
  return (all & repeat(0x80)) == 0;
}

// The length of the well-formed sequence (Unicode, table 3-7) that starts with the non-ASCII byte at `p`; 0 if none.
std::size_t sequence_length(const char* p, const char* end) noexcept {
  const auto at = [p](int i) { return static_cast<unsigned char>(p[i]); };
  const unsigned char lead = at(0);
  std::size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  }
  if (length == 0 || static_cast<std::size_t>(end - p) < length || at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if ((static_cast<unsigned char>(p[i]) & 0xC0) != 0x80) return 0;
  return length;
}

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      constexpr char digits[] = "0123456789abcdef";
      const char text[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
      out.append(text, sizeof text);
  }
}

bool identifier(std::string_view name) noexcept {
  for (const char c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
      return false;
  return !name.empty();
}

// `name` without a sequence cut in half at the end.
std::string_view shortened(std::string_view name) noexcept {
  if (name.size() <= longest_shown_name) return name;
  std::size_t n = longest_shown_name;
  while (n > 0 && (static_cast<unsigned char>(name[n]) & 0xC0) == 0x80) --n;
  return name.substr(0, n);
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) noexcept {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  for (const char* p = begin; p != end;) {
    if (end - p >= 32 && ascii<4>(p)) {
      p += 32;
    } else if (end - p >= 8 && ascii<1>(p)) {
      p += 8;
    } else if (static_cast<unsigned char>(*p) < 0x80) {
      ++p;
    } else {
      const std::size_t n = sequence_length(p, end);
      if (n == 0) return static_cast<std::size_t>(p - begin);
      p += n;
    }
  }
  return all_valid;
}

const char* find_string_end(const char* p) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    for (;; p += 8) {
      std::uint64_t x;
      std::memcpy(&x, p, sizeof x);
      const auto special = any_below(x, 0x20) | any_zero(x ^ repeat('"')) | any_zero(x ^ repeat('\\'));
      if (special != 0) return p + std::countr_zero(special) / 8;
    }
  }
  while (static_cast<unsigned char>(*p) >= 0x20 && *p != '"' && *p != '\\') ++p;
  return p;
}

std::size_t append_json_string(std::string& out, std::string_view text) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const char* p = skip_plain(begin, end);
  if (p == end) {  // nearly always: one call instead of three
    const std::size_t old = out.size();
    out.resize(old + text.size() + 2, '"');
    text.copy(out.data() + old + 1, text.size());
    return all_valid;
  }
  out += '"';
  const char* run = begin;  // what was seen and needs no change, not yet appended
  while (p != end) {
    const auto c = static_cast<unsigned char>(*p);
    if (c >= 0x80) {
      const std::size_t n = sequence_length(p, end);
      if (n == 0) {
        out.append(run, p);
        return static_cast<std::size_t>(p - begin);
      }
      p += n;
    } else {
      out.append(run, p);
      append_escape(out, c);
      run = ++p;
    }
    p = skip_plain(p, end);
  }
  out.append(run, p);
  out += '"';
  return all_valid;
}

std::string quoted(std::string_view name) {
  std::string out;
  const std::string_view shown = shortened(name);
  if (append_json_string(out, shown) != all_valid) return "(a name that is not UTF-8)";
  if (shown.size() != name.size()) out += "...";
  return out;
}

void append_path_member(std::string& path, std::string_view name) {
  if (name.size() <= longest_shown_name && identifier(name)) {
    if (!path.empty()) path += '.';
    path += name;
  } else {
    path += '[';
    path += quoted(name);
    path += ']';
  }
}

void append_path_index(std::string& path, std::size_t index) {
  path += '[';
  path += std::to_string(index);
  path += ']';
}

void throw_json_error(errc code, std::string message, std::string path) {
  ErrorContext context;
  context.field(std::move(path));
  throw json_error(code, std::move(message), std::move(context));
}

}  // namespace detail
}  // namespace agentflow
