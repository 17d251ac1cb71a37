// SPDX-License-Identifier: MIT
// Finds the headings of a Markdown document.
#include "markdown.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "text.hpp"

namespace digest {
namespace {

constexpr std::string_view white_space = " \t\r\f\v";

std::string_view trim(std::string_view s) noexcept {
  s.remove_prefix(std::min(s.find_first_not_of(white_space), s.size()));
  return s.substr(0, s.find_last_not_of(white_space) + 1);  // npos + 1 is 0.
}

bool consists_of(std::string_view s, char c) noexcept {
  return !s.empty() && s.find_first_not_of(c) == std::string_view::npos;
}

// What an open or closing code fence is made of: the character and how often; 0 if the line is none.
struct Fence {
  char mark = ' ';
  std::size_t length = 0;
};
Fence fence_of(std::string_view body) noexcept {
  if (body.empty() || (body.front() != '`' && body.front() != '~')) return {};
  const std::size_t length = std::min(body.find_first_not_of(body.front()), body.size());
  const bool inline_code = body.front() == '`' && body.find('`', length) != std::string_view::npos;
  return length >= 3 && !inline_code ? Fence{body.front(), length} : Fence{};
}

// The level of an ATX heading, 0 if the line is none.
std::uint32_t atx_level(std::string_view body) noexcept {
  const std::size_t level = std::min(body.find_first_not_of('#'), body.size());
  const bool ends = level == body.size() || body[level] == ' ' || body[level] == '\t';
  return level >= 1 && level <= 6 && ends ? static_cast<std::uint32_t>(level) : 0;
}

std::string_view without_closing_marks(std::string_view text) noexcept {
  const std::size_t last = text.find_last_not_of('#');
  if (last == std::string_view::npos) return {};
  const bool closing = last + 1 < text.size() && (text[last] == ' ' || text[last] == '\t');
  return closing ? trim(text.substr(0, last)) : text;
}

// Whether an underline below this line makes it a heading: not so for lists, quotes, tables and rules.
bool begins_paragraph(std::string_view body) noexcept {
  if (body.empty() || body.front() == '>' || body.front() == '|') return false;
  const bool bullet = std::string_view("-*+").find(body.front()) != std::string_view::npos;
  if (bullet && (body.size() == 1 || body[1] == ' ' || consists_of(body, body.front()))) return false;
  const std::size_t digits = body.find_first_not_of("0123456789");
  const bool numbered = digits != 0 && digits != std::string_view::npos && (body[digits] == '.' || body[digits] == ')');
  return !(numbered && digits + 1 < body.size() && body[digits + 1] == ' ');
}

class HeadingFinder {
 public:
  void line(std::string_view line, std::uint64_t number, std::vector<Heading>& out) {
    const std::string_view body = trim(line);
    const std::string_view before = std::exchange(paragraph_, {});
    const std::size_t start = line.find_first_not_of(' ');
    const bool code = start != std::string_view::npos && (start > 3 || line[start] == '\t');
    if (number == 1 && body == "---") {
      front_matter_ = true;
    } else if (front_matter_) {
      front_matter_ = body != "---" && body != "...";
    } else if (fence_.length != 0) {
      const Fence found = fence_of(body);
      if (!code && found.mark == fence_.mark && found.length >= fence_.length && consists_of(body, found.mark)) {
        fence_ = {};
      }
    } else if (comment_) {
      comment_ = line.find("-->") == std::string_view::npos;
    } else if (code) {
      paragraph_ = before.empty() ? std::string_view{} : body;  // A paragraph goes on; else it is code.
    } else if (fence_of(body).length != 0) {
      fence_ = fence_of(body);
    } else if (body.starts_with("<!--")) {
      comment_ = body.find("-->", 4) == std::string_view::npos;
    } else if (const std::uint32_t level = atx_level(body); level != 0) {
      add(out, level, without_closing_marks(trim(body.substr(level))), number);
    } else if (!before.empty() && (consists_of(body, '=') || consists_of(body, '-'))) {
      add(out, body.front() == '=' ? 1 : 2, before, number - 1);
    } else if (!before.empty() || begins_paragraph(body)) {
      paragraph_ = begins_paragraph(body) ? body : std::string_view{};
    }
  }

 private:
  static void add(std::vector<Heading>& out, std::uint32_t level, std::string_view text, std::uint64_t line) {
    out.push_back({level, valid_utf8(text, max_heading_length), line});
  }

  std::string_view paragraph_;  // The line before, if it is part of a paragraph.
  Fence fence_;
  bool front_matter_ = false;
  bool comment_ = false;
};

}  // namespace

std::vector<Heading> find_headings(std::string_view text) {
  std::vector<Heading> out;
  HeadingFinder finder;
  std::uint64_t number = 0;
  while (!text.empty() && out.size() < max_headings) {
    const std::size_t length = std::min(text.find('\n'), text.size());
    finder.line(text.substr(0, length), ++number, out);
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return out;
}

}  // namespace digest
