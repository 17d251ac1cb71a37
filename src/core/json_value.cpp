// SPDX-License-Identifier: MIT
// Parsing and checking JSON documents.
#include <agentflow/core/json_value.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json.hpp>

#include "core/json_document.hpp"
#include "core/json_text.hpp"

namespace agentflow {
namespace {

using detail::JsonDocument;
using detail::JsonNodes;
using nlohmann::json;

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
  auto nodes = std::make_unique<const JsonNodes>(text);
  JsonValue result;
  if (nodes->root().kind != JsonKind::null) result.document_ = std::make_shared<const JsonDocument>(std::move(nodes));
  return result;
}

std::string JsonValue::dump(int indent) const { return get().dump(indent); }

const json& JsonValue::get() const {
  static const json null_document;
  return document_ ? document_->tree() : null_document;
}

JsonValue::Document JsonValue::copy(const json& document) {
  Checker().check(document);  // before the copy, which recurses however deep it is
  return document.is_null() ? nullptr : std::make_shared<const JsonDocument>(json(document));
}

JsonValue::Document JsonValue::adopt(json&& document) {
  Checker().check(document);
  return document.is_null() ? nullptr : std::make_shared<const JsonDocument>(std::move(document));
}

bool JsonValue::equal(const JsonValue& a, const JsonValue& b) { return a.get() == b.get(); }

const detail::JsonNode& JsonValue::root() const {
  static constexpr detail::JsonNode null_document{};
  return document_ ? document_->root() : null_document;
}

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
