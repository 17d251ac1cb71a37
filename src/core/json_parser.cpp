// SPDX-License-Identifier: MIT
// Parsing JSON text (RFC 8259).
#include "core/json_parser.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>

#include <nlohmann/json.hpp>

#include "core/json_text.hpp"

namespace agentflow::detail {
namespace {

bool digit(char c) noexcept { return c >= '0' && c <= '9'; }

// By the key; equal ones by where they stand.
bool in_order(const JsonMember& a, const JsonMember& b) noexcept {
  const int order = a.key.string().compare(b.key.string());
  return order != 0 ? order < 0 : a.key.text < b.key.text;
}

char* append_utf8(char* to, unsigned c) noexcept {
  const auto put = [&to](unsigned byte) { *to++ = static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
    return to;
  }
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
  return to;
}

}  // namespace

JsonParser::JsonParser(std::string_view text, std::pmr::memory_resource& arena) : arena_(arena) {
  stack_.reserve(64);
  if (text.size() >= std::numeric_limits<std::uint32_t>::max())
    throw json_error(errc::json_limit, "the text has " + std::to_string(text.size()) + " bytes; the limit is 4 GB");
  constexpr std::size_t behind = 8;  // which find_string_end may read, and which end every search
  begin_ = at_ = static_cast<char*>(arena_.allocate(text.size() + behind, 1));
  text.copy(begin_, text.size());
  end_ = begin_ + text.size();
  std::memset(end_, 0, behind);
  if (const std::size_t bad = find_invalid_utf8(text); bad != all_valid)
    fail(errc::json_encoding, "not UTF-8", begin_ + bad);
}

JsonNode JsonParser::parse() {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (std::string_view(begin_, end_).starts_with(byte_order_mark)) at_ += byte_order_mark.size();
  value();
  while (depth_ > 0) {
    const Frame top = frames_[depth_ - 1];
    skip_space();
    if (*at_ == (top.object ? '}' : ']')) {
      close();
      continue;
    }
    if (stack_.size() > top.first) {
      if (*at_ != ',') expected(top.object ? "',' or '}'" : "',' or ']'");
      ++at_;
    }
    if (top.object) key();
    value();
  }
  skip_space();
  if (at_ != end_) expected("nothing more");
  return stack_.front();
}

void JsonParser::skip_space() noexcept {
  while (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t') ++at_;
}

void JsonParser::value() {
  skip_space();
  switch (*at_) {
    case '{': return open(true);
    case '[': return open(false);
    case '"': stack_.push_back(string()); return;
    case 'n': return literal("null", JsonNode());
    case 't':
    case 'f': {
      JsonNode node;
      node.kind = JsonKind::boolean;
      node.boolean = *at_ == 't';
      return literal(node.boolean ? "true" : "false", node);
    }
    default: stack_.push_back(number());
  }
}

void JsonParser::key() {
  skip_space();
  if (*at_ != '"') expected("a key");
  stack_.push_back(string());
  skip_space();
  if (*at_ != ':') expected("':'");
  ++at_;
}

void JsonParser::open(bool object) {
  if (depth_ == frames_.size()) fail(errc::json_limit, "deeper than " + std::to_string(max_json_depth), at_);
  ++at_;
  JsonNode node;
  node.kind = object ? JsonKind::object : JsonKind::array;
  stack_.push_back(node);
  frames_[depth_++] = Frame{stack_.size(), object};
}

void JsonParser::close() {
  ++at_;
  const Frame frame = frames_[--depth_];
  JsonNode& node = stack_[frame.first - 1];
  const std::size_t count = stack_.size() - frame.first;
  if (frame.object) {
    node.size = static_cast<std::uint32_t>(count / 2);
    close_object(node, frame.first);
  } else {
    node.size = static_cast<std::uint32_t>(count);
    auto* elements = static_cast<JsonNode*>(arena_.allocate(count * sizeof(JsonNode), alignof(JsonNode)));
    node.elements = elements;
    std::uninitialized_copy_n(stack_.data() + frame.first, count, elements);
  }
  stack_.resize(frame.first);
}

void JsonParser::close_object(JsonNode& object, std::size_t first) {
  auto* members = static_cast<JsonMember*>(arena_.allocate(object.size * sizeof(JsonMember), alignof(JsonMember)));
  object.members = members;
  for (std::size_t i = 0; i < object.size; ++i)
    ::new (members + i) JsonMember{stack_[first + 2 * i], stack_[first + 2 * i + 1]};
  JsonMember* const end = members + object.size;
  if (!std::is_sorted(members, end, in_order)) std::sort(members, end, in_order);
  const auto same = [](const JsonMember& a, const JsonMember& b) { return a.key.string() == b.key.string(); };
  if (const auto* twice = std::adjacent_find(members, end, same); twice != end)
    fail(errc::json_syntax, "the key " + quoted(twice->key.string()) + " stands twice in one object, again",
         twice[1].key.text - 1);
}

void JsonParser::literal(std::string_view word, JsonNode node) {
  for (const char c : word) {
    if (*at_ != c) expected("a value");
    ++at_;
  }
  stack_.push_back(node);
}

void JsonParser::digits() {
  if (!digit(*at_)) expected("a digit");
  while (digit(*at_)) ++at_;
}

JsonNode JsonParser::number() {
  const char* const begin = at_;
  const bool minus = *at_ == '-';
  if (!minus && !digit(*at_)) expected("a value");
  if (minus) ++at_;
  if (*at_ == '0')
    ++at_;
  else
    digits();
  const char* const integer_end = at_;
  if (*at_ == '.') {
    ++at_;
    digits();
  }
  if (*at_ == 'e' || *at_ == 'E') {
    ++at_;
    if (*at_ == '+' || *at_ == '-') ++at_;
    digits();
  }
  if (at_ != integer_end) return real(begin);
  JsonNode node;
  node.kind = JsonKind::integer;
  std::errc error;
  if (minus) {
    std::int64_t v = 0;
    error = std::from_chars(begin, at_, v).ec;
    node.integer = static_cast<std::uint64_t>(v);
    node.negative = v < 0;
  } else {
    error = std::from_chars(begin, at_, node.integer).ec;
  }
  if (error != std::errc()) fail(errc::json_type, "an integer of more than 64 bits", begin);
  return node;
}

JsonNode JsonParser::real(const char* begin) const {
  JsonNode node;
  node.kind = JsonKind::real;
  node.real = 0;
  if (std::from_chars(begin, at_, node.real).ec == std::errc()) return node;
  // Too large, or too near to zero, which is fine: from_chars says the same of both.
  const auto other = nlohmann::json::parse(begin, static_cast<const char*>(at_), nullptr, false);
  if (other.is_discarded()) fail(errc::json_type, "a number too large for a double", begin);
  node.real = other.get<double>();
  return node;
}

JsonNode JsonParser::string() {
  JsonNode node;
  node.kind = JsonKind::string;
  node.text = ++at_;
  at_ = const_cast<char*>(find_string_end(at_));
  char* to = at_;
  while (*at_ != '"') {
    if (*at_ != '\\') {
      if (at_ == end_) expected("the end of the string");
      fail(errc::json_syntax, "not JSON: a control character in a string, which has to be escaped,", at_);
    }
    unescape(to);
    const char* const run = at_;
    at_ = const_cast<char*>(find_string_end(at_));
    std::memmove(to, run, static_cast<std::size_t>(at_ - run));
    to += at_ - run;
  }
  node.size = static_cast<std::uint32_t>(to - node.text);
  ++at_;
  return node;
}

// Writes behind what was read, or over it: no escape is shorter than what it stands for.
void JsonParser::unescape(char*& to) {
  constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
  ++at_;
  if (const auto i = letters.find(*at_); i != letters.npos) {
    *to++ = meant[i];
    ++at_;
    return;
  }
  if (*at_ != 'u') expected("an escape");
  ++at_;
  const char* const begin = at_;
  unsigned c = hex();
  if (c >= 0xD800 && c < 0xDC00 && at_[0] == '\\' && at_[1] == 'u') {
    at_ += 2;
    const unsigned low = hex();
    if (low >= 0xDC00 && low < 0xE000) c = 0x10000 + ((c & 0x3FF) << 10) + (low & 0x3FF);
  }
  if (c >= 0xD800 && c < 0xE000) fail(errc::json_syntax, "not JSON: half a surrogate pair", begin);
  to = append_utf8(to, c);
}

unsigned JsonParser::hex() {
  unsigned c = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    unsigned v = 0;
    if (std::from_chars(at_, at_ + 1, v, 16).ec != std::errc()) expected("a hexadecimal digit");
    c = c << 4 | v;
  }
  return c;
}

void JsonParser::fail(errc code, const std::string& message, const char* where) const {
  throw json_error(code, message + " at byte " + std::to_string(where - begin_));
}

void JsonParser::expected(const char* what) const {
  fail(errc::json_syntax, std::string("not JSON: ") + (at_ == end_ ? "the text ends before " : "expected ") + what,
       at_);
}

}  // namespace agentflow::detail
