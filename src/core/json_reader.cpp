// SPDX-License-Identifier: MIT
// Reading values out of JSON documents.
#include <agentflow/core/json_reader.hpp>

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include <agentflow/core/json_codec.hpp>

#include "core/json_text.hpp"

namespace agentflow {
namespace {

using nlohmann::json;

// Finds the value by its address. Recurses no deeper than a JsonValue nests.
bool find_path(const json& from, const json* wanted, std::string& path) {
  if (&from == wanted) return true;
  const std::size_t length = path.size();
  if (const auto* array = from.get_ptr<const json::array_t*>()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      detail::append_path_index(path, i);
      if (find_path((*array)[i], wanted, path)) return true;
      path.resize(length);
    }
  } else if (const auto* object = from.get_ptr<const json::object_t*>()) {
    for (const auto& [name, member] : *object) {
      detail::append_path_member(path, name);
      if (find_path(member, wanted, path)) return true;
      path.resize(length);
    }
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

JsonKind JsonReader::kind() const noexcept {
  switch (node_->type()) {
    case json::value_t::boolean: return JsonKind::boolean;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned: return JsonKind::integer;
    case json::value_t::number_float: return JsonKind::real;
    case json::value_t::string: return JsonKind::string;
    case json::value_t::array: return JsonKind::array;
    case json::value_t::object: return JsonKind::object;
    default: return JsonKind::null;
  }
}

bool JsonReader::as_bool() const {
  if (const auto* v = node_->get_ptr<const bool*>()) return *v;
  wrong_kind("a boolean");
}

std::int64_t JsonReader::as_int64(std::int64_t min, std::int64_t max) const {
  // nlohmann gives an unsigned number through a pointer to a signed one too: ask for unsigned first.
  std::int64_t v = 0;
  if (const auto* u = node_->get_ptr<const std::uint64_t*>()) {
    if (*u > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      fail(errc::json_type, "out of range: " + std::to_string(*u) + " is more than " + std::to_string(max));
    v = static_cast<std::int64_t>(*u);
  } else if (const auto* i = node_->get_ptr<const std::int64_t*>()) {
    v = *i;
  } else {
    wrong_kind("an integer");
  }
  if (v < min || v > max)
    fail(errc::json_type, "out of range: " + std::to_string(v) + " is not in [" + std::to_string(min) + ", " +
                              std::to_string(max) + "]");
  return v;
}

std::uint64_t JsonReader::as_uint64(std::uint64_t max) const {
  std::uint64_t v = 0;
  if (const auto* u = node_->get_ptr<const std::uint64_t*>()) {
    v = *u;
  } else if (const auto* i = node_->get_ptr<const std::int64_t*>()) {
    if (*i < 0) fail(errc::json_type, "out of range: " + std::to_string(*i) + " is negative");
    v = static_cast<std::uint64_t>(*i);
  } else {
    wrong_kind("an integer");
  }
  if (v > max) fail(errc::json_type, "out of range: " + std::to_string(v) + " is more than " + std::to_string(max));
  return v;
}

double JsonReader::as_double() const {
  if (const auto* v = node_->get_ptr<const double*>()) return *v;
  if (const auto* u = node_->get_ptr<const std::uint64_t*>()) return static_cast<double>(*u);
  if (const auto* i = node_->get_ptr<const std::int64_t*>()) return static_cast<double>(*i);
  wrong_kind("a number");
}

float JsonReader::as_float() const {
  const double v = as_double();
  // Halfway from the largest float to what would be the next: the shortest text of the largest float is past it.
  if (!(std::abs(v) < 0x1.ffffffp127)) fail(errc::json_type, "out of range: more than a float holds");
  return static_cast<float>(v);
}

std::string_view JsonReader::as_string() const {
  if (const auto* v = node_->get_ptr<const std::string*>()) return *v;
  wrong_kind("a string");
}

std::size_t JsonReader::size() const {
  if (!node_->is_structured()) wrong_kind("an array or an object");
  return node_->size();
}

std::size_t JsonReader::elements() const {
  if (!node_->is_array()) wrong_kind("an array");
  return node_->size();
}

void JsonReader::require_elements(std::size_t count) const {
  if (elements() != count)
    fail(errc::json_type, "expected " + std::to_string(count) + " elements, found " + std::to_string(elements()));
}

JsonReader JsonReader::at(std::size_t index) const {
  const auto* array = node_->get_ptr<const json::array_t*>();
  if (array == nullptr) wrong_kind("an array");
  if (index >= array->size())
    fail(errc::json_missing,
         "no element " + std::to_string(index) + ": the array has " + std::to_string(array->size()));
  return JsonReader(document_, &(*array)[index]);
}

JsonReader JsonReader::at(std::string_view key) const {
  if (const auto member = find(key)) return *member;
  std::string where = path();
  detail::append_path_member(where, key);
  detail::throw_json_error(errc::json_missing, "the member " + detail::quoted(key) + " is missing", std::move(where));
}

std::optional<JsonReader> JsonReader::find(std::string_view key) const {
  const auto* object = node_->get_ptr<const json::object_t*>();
  if (object == nullptr) wrong_kind("an object");
  const auto member = object->find(key);
  if (member == object->end()) return std::nullopt;
  return JsonReader(document_, &member->second);
}

void JsonReader::each_member(void (*fn)(void*, std::string_view, JsonReader), void* arg) const {
  const auto* object = node_->get_ptr<const json::object_t*>();
  if (object == nullptr) wrong_kind("an object");
  for (const auto& [name, member] : *object) fn(arg, name, JsonReader(document_, &member));
}

JsonValue JsonReader::value() const {
  if (node_ == &document_->get()) return *document_;
  JsonValue copy;
  if (!node_->is_null()) copy.document_ = std::make_shared<const json>(*node_);
  return copy;
}

std::string JsonReader::path() const {
  std::string path;
  find_path(document_->get(), node_, path);
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
