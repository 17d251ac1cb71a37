// SPDX-License-Identifier: MIT
// Parsing and checking JSON documents.
#include <agentflow/core/json_value.hpp>

#include <cmath>
#include <cstdint>
#include <iterator>
#include <vector>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json.hpp>

#include "core/json_text.hpp"

namespace agentflow {
namespace {

using nlohmann::json;

[[noreturn]] void fail_at(errc code, const std::string& message, std::size_t byte) {
  throw json_error(code, message + " at byte " + std::to_string(byte));
}

// Walks the text for nlohmann's lexer and leaves behind how far it came: its SAX interface does not tell.
class CountingCursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingCursor(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  CountingCursor& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  CountingCursor operator++(int) {
    CountingCursor before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingCursor& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// Builds the tree from nlohmann's SAX events, and refuses what its own builder lets pass: depth without bound,
// repeated keys (the last would win), integers past 64 bits (they would become doubles).
class TreeBuilder {
 public:
  explicit TreeBuilder(const char* begin) : reached_(begin), begin_(begin) {}

  const char** reached() noexcept { return &reached_; }
  json take() { return std::move(root_); }

  // The names and signatures are those of nlohmann's SAX interface.
  bool null() { return add(nullptr); }
  bool boolean(bool v) { return add(v); }
  bool number_integer(std::int64_t v) { return add(v); }
  bool number_unsigned(std::uint64_t v) { return add(v); }
  bool number_float(double v, const std::string& digits) {
    if (digits.find_first_of(".eE") == std::string::npos) fail(errc::json_type, "an integer of more than 64 bits");
    return add(v);
  }
  bool string(std::string& v) { return add(std::move(v)); }
  bool binary(json::binary_t&) { fail(errc::json_syntax, "a binary value"); }
  bool start_object(std::size_t) { return open(json::value_t::object); }
  bool start_array(std::size_t) { return open(json::value_t::array); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    auto [member, added] = open_.back()->get_ptr<json::object_t*>()->try_emplace(name);
    if (!added) fail(errc::json_syntax, "the key " + detail::quoted(name) + " stands twice in one object,");
    member_ = &member->second;
    return true;
  }
  bool parse_error(std::size_t byte, const std::string&, const json::exception& e) {
    if (e.id == 406) fail_at(errc::json_type, "a number too large for a double", byte - 1);
    fail_at(errc::json_syntax, "not JSON: " + reason(e), byte - 1);
  }

 private:
  [[noreturn]] void fail(errc code, const std::string& message) const {
    fail_at(code, message, static_cast<std::size_t>(reached_ - begin_) - 1);  // the byte read last
  }

  // The middle of "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing value -
  // invalid literal; last read: 'x'". What was read last is left out: it may be long, secret, or half a character.
  static std::string reason(const json::exception& e) {
    std::string_view text = e.what();
    text = text.substr(0, text.find("; last read"));
    if (const auto id = text.find("] "); id != text.npos) text.remove_prefix(id + 2);
    if (const auto where = text.find(": "); where != text.npos) text.remove_prefix(where + 2);
    return detail::find_invalid_utf8(text) == detail::all_valid ? std::string(text) : "syntax error";
  }

  template <class T>
  json* place(T&& v) {
    if (open_.empty()) return &(root_ = std::forward<T>(v));
    if (auto* array = open_.back()->get_ptr<json::array_t*>()) return &array->emplace_back(std::forward<T>(v));
    return &(*member_ = std::forward<T>(v));
  }
  template <class T>
  bool add(T&& v) {
    place(std::forward<T>(v));
    return true;
  }
  bool open(json::value_t type) {
    if (open_.size() == max_json_depth) fail(errc::json_limit, "deeper than " + std::to_string(max_json_depth));
    open_.push_back(place(type));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  json root_;
  std::vector<json*> open_;  // stable: a parent gets no further element while its child is open
  json* member_ = nullptr;   // where the value of the last key goes
  const char* reached_;
  const char* begin_;
};

// Checks what JsonValue promises. Recurses, but stops at the depth it checks.
class Checker {
 public:
  void check(const json& node) {
    switch (node.type()) {
      case json::value_t::string: return check_text(*node.get_ptr<const std::string*>());
      case json::value_t::number_float:
        if (!std::isfinite(*node.get_ptr<const double*>()))
          fail(errc::json_encoding, "JSON has no NaN and no infinity");
        return;
      case json::value_t::binary:
      case json::value_t::discarded: fail(errc::json_type, "not a JSON value: binary or discarded");
      case json::value_t::array:
        enter();
        for (std::size_t i = 0; i < node.size(); ++i) {
          steps_.push_back({nullptr, i});
          check(node[i]);
          steps_.pop_back();
        }
        --depth_;
        return;
      case json::value_t::object:
        enter();
        for (const auto& [name, member] : *node.get_ptr<const json::object_t*>()) {
          check_text(name);
          steps_.push_back({&name, 0});
          check(member);
          steps_.pop_back();
        }
        --depth_;
        return;
      default: return;
    }
  }

 private:
  struct Step {
    const std::string* name;  // null in an array
    std::size_t index;
  };

  void enter() {
    if (depth_++ == max_json_depth) fail(errc::json_limit, "deeper than " + std::to_string(max_json_depth));
  }
  void check_text(const std::string& text) const {
    if (const std::size_t bad = detail::find_invalid_utf8(text); bad != detail::all_valid)
      fail(errc::json_encoding, "a string is not UTF-8 at its byte " + std::to_string(bad));
  }
  [[noreturn]] void fail(errc code, std::string message) const {
    std::string path;
    for (const Step& s : steps_)
      s.name != nullptr ? detail::append_path_member(path, *s.name) : detail::append_path_index(path, s.index);
    detail::throw_json_error(code, std::move(message), std::move(path));
  }

  int depth_ = 0;
  std::vector<Step> steps_;
};

}  // namespace

JsonValue JsonValue::parse(std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes)
    throw json_error(errc::json_limit, "the text has " + std::to_string(text.size()) + " bytes; the limit is " +
                                           std::to_string(max_bytes));
  if (const std::size_t bad = detail::find_invalid_utf8(text); bad != detail::all_valid)
    fail_at(errc::json_encoding, "not UTF-8", bad);
  // nlohmann's lexer takes a NUL for the end of the text and would not look at what follows.
  if (const std::size_t nul = text.find('\0'); nul != text.npos) fail_at(errc::json_syntax, "a NUL", nul);

  TreeBuilder builder(text.data());
  json::sax_parse(CountingCursor(text.data(), builder.reached()),
                  CountingCursor(text.data() + text.size(), builder.reached()), &builder);
  JsonValue result;
  if (json root = builder.take(); !root.is_null()) result.document_ = std::make_shared<const json>(std::move(root));
  return result;
}

std::string JsonValue::dump(int indent) const { return get().dump(indent); }

const json& JsonValue::get() const noexcept {
  static const json null_document;
  return document_ ? *document_ : null_document;
}

JsonValue::Document JsonValue::copy(const json& document) {
  Checker().check(document);
  return document.is_null() ? nullptr : std::make_shared<const json>(document);
}

JsonValue::Document JsonValue::adopt(json&& document) {
  Checker().check(document);
  return document.is_null() ? nullptr : std::make_shared<const json>(std::move(document));
}

bool JsonValue::equal(const JsonValue& a, const JsonValue& b) { return a.get() == b.get(); }

namespace detail {

void rethrow_nlohmann(const json::exception& e, std::string path) {
  // Their numbers are part of nlohmann's interface: 403 is a missing key, 401 and 402 an index out of range.
  const errc code = e.id == 401 || e.id == 402 || e.id == 403 ? errc::json_missing : errc::json_type;
  std::string_view text = e.what();
  if (const auto id = text.find("] "); id != text.npos) text.remove_prefix(id + 2);
  throw_json_error(code, std::string(text), std::move(path));
}

}  // namespace detail
}  // namespace agentflow
