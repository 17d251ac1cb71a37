// SPDX-License-Identifier: MIT
// UTF-8, and text made safe for a terminal or a JSON document.
#include "text.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/core.h>

namespace digest {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Invisible characters and those that change the direction of what follows ("Trojan Source", CVE-2021-42574).
constexpr std::array<Range, 16> invisible{{{0x80, 0x9F},
                                           {0xAD, 0xAD},
                                           {0x34F, 0x34F},
                                           {0x61C, 0x61C},
                                           {0x115F, 0x1160},
                                           {0x17B4, 0x17B5},
                                           {0x180B, 0x180F},
                                           {0x200B, 0x200F},
                                           {0x2028, 0x202E},
                                           {0x2060, 0x206F},
                                           {0x3164, 0x3164},
                                           {0xFE00, 0xFE0F},
                                           {0xFEFF, 0xFEFF},
                                           {0xFFA0, 0xFFA0},
                                           {0xFFF9, 0xFFFB},
                                           {0xE0000, 0xE0FFF}}};
// Characters that terminals draw over the one before.
constexpr std::array<Range, 8> combining{{{0x300, 0x36F},
                                          {0x483, 0x489},
                                          {0x591, 0x5BD},
                                          {0x64B, 0x65F},
                                          {0x1AB0, 0x1AFF},
                                          {0x1DC0, 0x1DFF},
                                          {0x20D0, 0x20FF},
                                          {0xFE20, 0xFE2F}}};
// Characters that terminals draw, or may draw, two columns wide: East Asian wide forms and emoji.
constexpr std::array<Range, 14> wide{{{0x1100, 0x115F},
                                      {0x231A, 0x231B},
                                      {0x23E9, 0x23F3},
                                      {0x25FD, 0x25FE},
                                      {0x2600, 0x27BF},
                                      {0x2B1B, 0x2B55},
                                      {0x2E80, 0xA4CF},
                                      {0xA960, 0xA97F},
                                      {0xAC00, 0xD7A3},
                                      {0xF900, 0xFAFF},
                                      {0xFE10, 0xFE1F},
                                      {0xFE30, 0xFF60},
                                      {0xFFE0, 0xFFE6},
                                      {0x16FE0, 0x3FFFD}}};

template <std::size_t N>
bool within(const std::array<Range, N>& ranges, char32_t code) noexcept {
  return std::any_of(ranges.begin(), ranges.end(), [code](Range r) { return r.first <= code && code <= r.last; });
}

std::size_t columns_of(char32_t code) noexcept {
  if (code < 0x300) return 1;
  if (within(combining, code)) return 0;
  return within(wide, code) ? 2 : 1;
}

constexpr bool is_continuation(unsigned char byte) noexcept { return (byte & 0xC0U) == 0x80U; }

}  // namespace

Decoded decode_utf8(std::string_view text, std::size_t at) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < size) return {};
  char32_t code = lead & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_continuation(byte(i))) return {};
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  if (overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, static_cast<std::uint8_t>(size), true};
}

void append_utf8(std::string& out, char32_t code) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0U | (code >> 6U));
  } else {
    if (code < 0x10000) {
      put(0xE0U | (code >> 12U));
    } else {
      put(0xF0U | (code >> 18U));
      put(0x80U | ((code >> 12U) & 0x3FU));
    }
    put(0x80U | ((code >> 6U) & 0x3FU));
  }
  put(0x80U | (code & 0x3FU));
}

Oddities count_oddities(std::string_view text) noexcept {
  Oddities found;
  std::size_t at = 0;
  while (at < text.size()) {
    // Eight bytes at a time while they are plain: no high bit, nothing below the space.
    if (text.size() - at >= 8) {
      std::uint64_t block = 0;
      std::memcpy(&block, text.data() + at, 8);
      if ((block & 0x8080808080808080U) == 0 && (((block - 0x2020202020202020U) & ~block) & 0x8080808080808080U) == 0) {
        at += 8;
        continue;
      }
    }
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      const bool usual = byte >= 0x20 || (byte >= 0x08 && byte <= 0x0D) || byte == 0x1B;
      found.control += usual ? 0U : 1U;
      ++at;
      continue;
    }
    const Decoded next = decode_utf8(text, at);
    found.invalid += next.valid ? 0U : 1U;
    at += next.size;
  }
  return found;
}

std::size_t count_characters(std::string_view text) noexcept {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += decode_utf8(text, at).size) ++count;
  return count;
}

std::string valid_utf8(std::string_view text, std::size_t characters) {
  std::string out;
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size() && count < characters; ++count) {
    const Decoded next = decode_utf8(text, at);
    append_utf8(out, next.code);
    at += next.size;
  }
  return out;
}

std::string escape_terminal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Decoded next = decode_utf8(text, at);
    if (!next.valid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[at]));
    } else if (next.code == U'\n') {
      out += "\\n";
    } else if (next.code == U'\t') {
      out += "\\t";
    } else if (next.code == U'\r') {
      out += "\\r";
    } else if (next.code == U'\\') {
      out += "\\\\";
    } else if (next.code < 0x20 || next.code == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(next.code));
    } else if (next.code >= 0x80 && within(invisible, next.code)) {
      out += fmt::format("\\u{{{:x}}}", static_cast<unsigned>(next.code));
    } else {
      out.append(text.substr(at, next.size));
    }
    at += next.size;
  }
  return out;
}

std::size_t display_width(std::string_view escaped) noexcept {
  std::size_t columns = 0;
  for (std::size_t at = 0; at < escaped.size();) {
    const Decoded next = decode_utf8(escaped, at);
    columns += columns_of(next.code);
    at += next.size;
  }
  return columns;
}

std::string fit(std::string_view escaped, std::size_t columns, Keep keep) {
  std::size_t total = display_width(escaped);
  if (total <= columns) return std::string(escaped);
  constexpr std::string_view dots = "...";
  if (columns <= dots.size()) return std::string(dots.substr(0, columns));
  const std::size_t room = columns - dots.size();
  std::size_t used = 0;
  std::size_t at = 0;
  while (at < escaped.size()) {
    const Decoded next = decode_utf8(escaped, at);
    const std::size_t step = columns_of(next.code);
    // The head keeps what still fits; the tail drops until the rest fits.
    if (keep == Keep::head ? used + step > room : total <= room) break;
    used += step;
    total -= step;
    at += next.size;
  }
  if (keep == Keep::head) return std::string(escaped.substr(0, at)).append(dots);
  return std::string(dots).append(escaped.substr(at));
}

std::string fit_exactly(std::string_view escaped, std::size_t columns, Keep keep) {
  std::string out = fit(escaped, columns, keep);
  out.append(columns - std::min(columns, display_width(out)), ' ');
  return out;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  out.reserve(text.size() + 2);
  for (std::size_t at = 0; at < text.size();) {
    const Decoded next = decode_utf8(text, at);
    if (next.code == U'"' || next.code == U'\\') {
      out += '\\';
      out += static_cast<char>(next.code);
    } else if (next.code < 0x20 || next.code == 0x7F || next.code == 0x2028 || next.code == 0x2029) {
      out += next.code == U'\n' ? "\\n" : fmt::format("\\u{:04x}", static_cast<unsigned>(next.code));
    } else {
      append_utf8(out, next.code);
    }
    at += next.size;
  }
  return out += '"';
}

std::string with_commas(std::uint64_t number) {
  std::string out = std::to_string(number);
  for (std::size_t left = out.size(); left > 3;) out.insert(left -= 3, 1, ',');
  return out;
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", with_commas(number), noun, number == 1 ? "" : "s");
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units{"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024.0;
  std::size_t unit = 0;
  // 1023.95 would print as "1024.0": step up before that.
  while (value >= 1023.95 && unit + 1 < units.size()) {
    value /= 1024.0;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace digest
