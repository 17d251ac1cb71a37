// SPDX-License-Identifier: MIT
// Writing JSON text: escaping, UTF-8, numbers, paths.
#include <agentflow/core/json_writer.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include <nlohmann/json.hpp>

#include "core/json_text.hpp"

namespace agentflow {
namespace detail {
namespace {

constexpr std::size_t longest_shown_name = 64;

constexpr std::uint64_t repeat(unsigned char byte) { return 0x0101010101010101u * byte; }

// Whether any byte of `x` is zero, or below `n`: the classic carry tricks, exact about "any".
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

bool eight_ascii(const char* p) noexcept {
  std::uint64_t x;
  std::memcpy(&x, p, sizeof x);
  return (x & repeat(0x80)) == 0;
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
    if (end - p >= 8 && eight_ascii(p)) {
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

void JsonWriter::fail(errc code, std::string message) const {
  detail::throw_json_error(code, std::move(message), path());
}

void JsonWriter::before_value() {
  if (depth_ == 0) {
    if (started_) fail(errc::json_syntax, "a second value after the document");
    started_ = true;
    return;
  }
  Frame& top = frames_[depth_ - 1];
  if (top.object != 0) {
    if (!after_key_) fail(errc::json_syntax, "a value where a key belongs");
    after_key_ = false;
  } else {
    if (top.at != 0) *out_ += ',';
    top.at = top.at + 1;
  }
}

void JsonWriter::open(bool object, char bracket) {
  before_value();
  if (depth_ == max_json_depth) fail(errc::json_limit, "deeper than " + std::to_string(max_json_depth));
  *out_ += bracket;
  frames_[depth_++] = Frame{object, 0};
}

void JsonWriter::close(bool object, char bracket) {
  if (depth_ == 0 || (frames_[depth_ - 1].object != 0) != object || after_key_)
    fail(errc::json_syntax, std::string("'") + bracket + "' closes what is not open or not complete");
  *out_ += bracket;
  --depth_;
}

void JsonWriter::raw(std::string_view json) {
  before_value();
  out_->append(json);
}

void JsonWriter::begin_object() { open(true, '{'); }
void JsonWriter::end_object() { close(true, '}'); }
void JsonWriter::begin_array() { open(false, '['); }
void JsonWriter::end_array() { close(false, ']'); }

void JsonWriter::key(std::string_view name) {
  if (depth_ == 0 || frames_[depth_ - 1].object == 0 || after_key_) fail(errc::json_syntax, "a key where none belongs");
  Frame& top = frames_[depth_ - 1];
  if (top.at != 0) *out_ += ',';
  const std::size_t start = out_->size();
  if (const std::size_t bad = detail::append_json_string(*out_, name); bad != detail::all_valid) {
    top.at = 0;  // so that the path is that of the object
    fail(errc::json_encoding, "a key is not UTF-8 at its byte " + std::to_string(bad));
  }
  top.at = (start + 1) & (~std::uint64_t{0} >> 1);
  *out_ += ':';
  after_key_ = true;
}

void JsonWriter::null() {
  before_value();
  *out_ += "null";
}

void JsonWriter::boolean(bool v) {
  before_value();
  *out_ += v ? "true" : "false";
}

template <class T>
void JsonWriter::write_integer(T v) {
  before_value();
  char digits[24];
  out_->append(digits, std::to_chars(digits, digits + sizeof digits, v).ptr);
}
void JsonWriter::integer(std::int64_t v) { write_integer(v); }
void JsonWriter::unsigned_integer(std::uint64_t v) { write_integer(v); }

template <class T>
void JsonWriter::write_real(T v) {
  before_value();
  if (!std::isfinite(v)) fail(errc::json_encoding, "JSON has no NaN and no infinity");
  char digits[32];
  const std::string_view text(digits, std::to_chars(digits, digits + sizeof digits, v).ptr);
  *out_ += text;
  if (text.find_first_of(".e") == std::string_view::npos) *out_ += ".0";
}
void JsonWriter::number(double v) { write_real(v); }
void JsonWriter::number(float v) { write_real(v); }

void JsonWriter::string(std::string_view v) {
  before_value();
  if (const std::size_t bad = detail::append_json_string(*out_, v); bad != detail::all_valid)
    fail(errc::json_encoding, "a string is not UTF-8 at its byte " + std::to_string(bad));
}

void JsonWriter::value(const JsonValue& v) { write_node(v.get()); }

// Recurses, but no deeper than the frames there are.
void JsonWriter::write_node(const nlohmann::json& node) {
  switch (node.type()) {
    case nlohmann::json::value_t::object:
      begin_object();
      for (const auto& [name, member] : *node.get_ptr<const nlohmann::json::object_t*>()) {
        key(name);
        write_node(member);
      }
      return end_object();
    case nlohmann::json::value_t::array:
      begin_array();
      for (const auto& element : *node.get_ptr<const nlohmann::json::array_t*>()) write_node(element);
      return end_array();
    case nlohmann::json::value_t::string: return string(*node.get_ptr<const std::string*>());
    case nlohmann::json::value_t::boolean: return boolean(*node.get_ptr<const bool*>());
    case nlohmann::json::value_t::number_integer: return integer(*node.get_ptr<const std::int64_t*>());
    case nlohmann::json::value_t::number_unsigned: return unsigned_integer(*node.get_ptr<const std::uint64_t*>());
    case nlohmann::json::value_t::number_float: return number(*node.get_ptr<const double*>());
    default: return null();  // a JsonValue holds no binary and no discarded values
  }
}

std::string JsonWriter::path() const {
  std::string path;
  for (int i = 0; i < depth_ && frames_[i].at != 0; ++i) {
    const std::size_t at = frames_[i].at - 1;
    if (frames_[i].object == 0) {
      detail::append_path_index(path, at);
      continue;
    }
    // Keys are kept only as they were written: read the key back.
    std::size_t end = at + 1;
    while ((*out_)[end] != '"') end += (*out_)[end] == '\\' ? 2 : 1;
    const auto name = nlohmann::json::parse(std::string_view(*out_).substr(at, end + 1 - at));
    detail::append_path_member(path, name.get_ref<const std::string&>());
  }
  return path;
}

}  // namespace agentflow
