// SPDX-License-Identifier: MIT
// Writing JSON text: structure, numbers, paths.
#include <agentflow/core/json_writer.hpp>

#include <charconv>
#include <cmath>

#include <nlohmann/json.hpp>

#include "core/json_document.hpp"
#include "core/json_text.hpp"

namespace agentflow {

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

void JsonWriter::value(const JsonValue& v) {
  if (v.is_null()) return null();
  if (const auto* tree = v.document_->tree_if_made()) return write_node(*tree);
  write_node(v.document_->root());
}

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

void JsonWriter::write_node(const detail::JsonNode& node) {
  switch (node.kind) {
    case JsonKind::object:
      begin_object();
      for (std::uint32_t i = 0; i < node.size; ++i) {
        key(node.members[i].key.string());
        write_node(node.members[i].value);
      }
      return end_object();
    case JsonKind::array:
      begin_array();
      for (std::uint32_t i = 0; i < node.size; ++i) write_node(node.elements[i]);
      return end_array();
    case JsonKind::string: return string(node.string());
    case JsonKind::boolean: return boolean(node.boolean);
    case JsonKind::integer:
      return node.negative ? integer(static_cast<std::int64_t>(node.integer)) : unsigned_integer(node.integer);
    case JsonKind::real: return number(node.real);
    case JsonKind::null: return null();
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
