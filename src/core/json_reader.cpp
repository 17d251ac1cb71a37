// SPDX-License-Identifier: MIT
// Reading values out of JSON documents.
#include <agentflow/core/json_reader.hpp>

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include <agentflow/core/json_codec.hpp>

#include "core/json_document.hpp"
#include "core/json_text.hpp"

namespace agentflow {
namespace {

using detail::JsonNode;

// Finds the value by its address. Recurses no deeper than a JsonValue nests.
bool find_path(const JsonNode& from, const JsonNode* wanted, std::string& path) {
  if (&from == wanted) return true;
  if (from.kind != JsonKind::array && from.kind != JsonKind::object) return false;
  const std::size_t length = path.size();
  for (std::uint32_t i = 0; i < from.size; ++i) {
    if (from.kind == JsonKind::array)
      detail::append_path_index(path, i);
    else
      detail::append_path_member(path, from.members[i].key.string());
    if (find_path(from.kind == JsonKind::array ? from.elements[i] : from.members[i].value, wanted, path)) return true;
    path.resize(length);
  }
  return false;
}

}  // namespace

std::string_view to_string(JsonKind kind) noexcept {
  switch (kind) {
    case JsonKind::null: return "null";
    case JsonKind::boolean: return "a boolean";
    case JsonKind::integer: return "an integer";
    case JsonKind::real: return "a number with a fraction";
    case JsonKind::string: return "a string";
    case JsonKind::array: return "an array";
    case JsonKind::object: return "an object";
  }
  return "null";
}

JsonKind JsonReader::kind() const noexcept { return node_->kind; }

bool JsonReader::as_bool() const {
  if (node_->kind != JsonKind::boolean) wrong_kind("a boolean");
  return node_->boolean;
}

std::int64_t JsonReader::as_int64(std::int64_t min, std::int64_t max) const {
  if (node_->kind != JsonKind::integer) wrong_kind("an integer");
  if (!node_->negative && node_->integer > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    fail(errc::json_type, "out of range: " + std::to_string(node_->integer) + " is more than " + std::to_string(max));
  const auto v = static_cast<std::int64_t>(node_->integer);
  if (v < min || v > max)
    fail(errc::json_type, "out of range: " + std::to_string(v) + " is not in [" + std::to_string(min) + ", " +
                              std::to_string(max) + "]");
  return v;
}

std::uint64_t JsonReader::as_uint64(std::uint64_t max) const {
  if (node_->kind != JsonKind::integer) wrong_kind("an integer");
  const std::uint64_t v = node_->integer;
  if (node_->negative)
    fail(errc::json_type, "out of range: " + std::to_string(static_cast<std::int64_t>(v)) + " is negative");
  if (v > max) fail(errc::json_type, "out of range: " + std::to_string(v) + " is more than " + std::to_string(max));
  return v;
}

double JsonReader::as_double() const {
  if (node_->kind == JsonKind::real) return node_->real;
  if (node_->kind != JsonKind::integer) wrong_kind("a number");
  return node_->negative ? static_cast<double>(static_cast<std::int64_t>(node_->integer))
                         : static_cast<double>(node_->integer);
}

float JsonReader::as_float() const {
  const double v = as_double();
  // Halfway from the largest float to what would be the next: the shortest text of the largest float is past it.
  if (!(std::abs(v) < 0x1.ffffffp127)) fail(errc::json_type, "out of range: more than a float holds");
  return static_cast<float>(v);
}

std::string_view JsonReader::as_string() const {
  if (node_->kind != JsonKind::string) wrong_kind("a string");
  return node_->string();
}

std::size_t JsonReader::size() const {
  if (node_->kind != JsonKind::array && node_->kind != JsonKind::object) wrong_kind("an array or an object");
  return node_->size;
}

std::size_t JsonReader::elements() const {
  if (node_->kind != JsonKind::array) wrong_kind("an array");
  return node_->size;
}

void JsonReader::require_elements(std::size_t count) const {
  if (elements() != count)
    fail(errc::json_type, "expected " + std::to_string(count) + " elements, found " + std::to_string(elements()));
}

JsonReader JsonReader::at(std::size_t index) const {
  const std::size_t size = elements();
  if (index >= size)
    fail(errc::json_missing, "no element " + std::to_string(index) + ": the array has " + std::to_string(size));
  return JsonReader(document_, node_->elements + index);
}

JsonReader JsonReader::at(std::string_view key) const {
  if (const auto member = find(key)) return *member;
  std::string where = path();
  detail::append_path_member(where, key);
  detail::throw_json_error(errc::json_missing, "the member " + detail::quoted(key) + " is missing", std::move(where));
}

std::optional<JsonReader> JsonReader::find(std::string_view key) const {
  if (node_->kind != JsonKind::object) wrong_kind("an object");
  const JsonNode* member = node_->find(key);
  if (member == nullptr) return std::nullopt;
  return JsonReader(document_, member);
}

void JsonReader::each_member(void (*fn)(void*, std::string_view, JsonReader), void* arg) const {
  if (node_->kind != JsonKind::object) wrong_kind("an object");
  for (std::uint32_t i = 0; i < node_->size; ++i)
    fn(arg, node_->members[i].key.string(), JsonReader(document_, &node_->members[i].value));
}

JsonValue JsonReader::value() const {
  if (node_ == &document_->root()) return *document_;
  JsonValue copy;
  if (!is_null())
    copy.document_ = std::make_shared<const detail::JsonDocument>(std::make_unique<const detail::JsonNodes>(*node_));
  return copy;
}

nlohmann::json JsonReader::get() const { return detail::to_tree(*node_); }

std::string JsonReader::path() const {
  std::string path;
  find_path(document_->root(), node_, path);
  return path;
}

void JsonReader::fail(errc code, std::string message) const {
  detail::throw_json_error(code, std::move(message), path());
}

void JsonReader::wrong_kind(const char* expected) const {
  fail(errc::json_type, std::string("expected ") + expected + ", found " + std::string(to_string(kind())));
}

void check_members(const JsonReader& object, std::span<const std::string_view> known) {
  object.for_each_member([known](std::string_view name, const JsonReader& member) {
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    std::string names;
    for (const std::string_view k : known) names += (names.empty() ? "" : ", ") + std::string(k);
    member.fail(errc::json_unknown, "the member " + detail::quoted(name) +
                                        " is not expected; expected are: " + (names.empty() ? "none" : names));
  });
}

}  // namespace agentflow
