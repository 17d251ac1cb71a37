// SPDX-License-Identifier: MIT
// What JsonValue::parse is held against: nlohmann's parser, and the strictness that it lacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <agentflow/core/json.hpp>

namespace json_reference {

using nlohmann::json;

/// Builds the tree from nlohmann's events; each gives false for what is to be refused.
class Builder {
 public:
  json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool v) { return add(v); }
  bool number_integer(std::int64_t v) { return add(v); }
  bool number_unsigned(std::uint64_t v) { return add(v); }
  bool number_float(double v, const std::string& digits) {
    return digits.find_first_of(".eE") != std::string::npos && add(v);
  }
  bool string(std::string& v) { return add(std::move(v)); }
  bool binary(json::binary_t&) { return false; }
  bool start_object(std::size_t) { return open(json::object()); }
  bool start_array(std::size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    auto [member, added] = open_.back()->get_ptr<json::object_t*>()->try_emplace(name);
    member_ = &member->second;
    return added;
  }
  bool parse_error(std::size_t, const std::string&, const json::exception&) { return false; }

 private:
  json* place(json v) {
    if (open_.empty()) return &(root_ = std::move(v));
    if (auto* array = open_.back()->get_ptr<json::array_t*>()) return &array->emplace_back(std::move(v));
    return &(*member_ = std::move(v));
  }
  bool add(json v) {
    place(std::move(v));
    return true;
  }
  bool open(json v) {
    if (open_.size() == agentflow::max_json_depth) return false;
    open_.push_back(place(std::move(v)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  json root_;
  std::vector<json*> open_;
  json* member_ = nullptr;
};

/// The value of a text, if it is one.
inline std::optional<json> parse(std::string_view text) {
  if (text.find('\0') != text.npos) return std::nullopt;  // the end of the text, for nlohmann
  Builder builder;
  if (!json::sax_parse(text, &builder)) return std::nullopt;
  return builder.take();
}

inline std::optional<agentflow::JsonValue> ours(std::string_view text) {
  try {
    return agentflow::JsonValue::parse(text);
  } catch (const agentflow::json_error&) {
    return std::nullopt;
  }
}

/// What differs between the two parsers for a text, or between the ways to the parsed value; empty if nothing.
inline std::string difference(std::string_view text) {
  const auto wanted = parse(text);
  const auto found = ours(text);
  if (wanted.has_value() != found.has_value()) return wanted ? "refused" : "accepted";
  if (!wanted) return {};
  const std::string dumped = wanted->dump();  // tells 1 from 1.0
  agentflow::JsonWriter written;
  written.value(*found);
  if (json::parse(written.text()).dump() != dumped) return "written as " + written.text();
  if (found->dump() != dumped) return "read as " + found->dump();
  const agentflow::JsonReader in(*found);
  if (!in.is_array() && !in.is_object()) return {};
  std::size_t members = 0;
  const auto part = [&](const agentflow::JsonReader& at, const json& part_wanted) {
    if (at.get().dump() != part_wanted.dump() || at.value().dump() != part_wanted.dump()) ++members;
  };
  if (in.is_array())
    for (std::size_t i = 0; i < in.size(); ++i) part(in.at(i), (*wanted)[i]);
  else
    in.for_each_member([&](std::string_view key, const agentflow::JsonReader& at) {
      part(at, wanted->at(std::string(key)));
      if (in.at(key).path() != at.path()) ++members;
    });
  return members == 0 && in.size() == wanted->size() ? "" : "parts differ";
}

}  // namespace json_reference
