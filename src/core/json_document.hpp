// SPDX-License-Identifier: MIT
// What a JsonValue holds: a parsed text as flat nodes, nlohmann's tree, or both.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include <agentflow/core/json_reader.hpp>

namespace agentflow::detail {

struct JsonMember;

/// One value. What it refers to stands in the same arena.
struct JsonNode {
  JsonKind kind = JsonKind::null;
  bool negative = false;   // an integer below zero: `integer` is its two's complement
  std::uint32_t size = 0;  // bytes of a string, elements, members
  union {
    bool boolean;
    std::uint64_t integer = 0;
    double real;
    const char* text;
    const JsonNode* elements;
    const JsonMember* members;  // in the order of the keys' bytes
  };

  std::string_view string() const noexcept { return {text, size}; }
  /// The value of the member with this name, or null. For objects only.
  const JsonNode* find(std::string_view key) const noexcept;
};

struct JsonMember {
  JsonNode key, value;
};

/// A value with all that it refers to.
class JsonNodes {
 public:
  /// Parses; `JsonValue::parse` says how, and what it throws. The limit on the length is the caller's.
  explicit JsonNodes(std::string_view text);
  /// Copies.
  explicit JsonNodes(const JsonNode& other);

  const JsonNode& root() const noexcept { return root_; }

 private:
  std::pmr::monotonic_buffer_resource arena_;
  JsonNode root_;
};

/// The value as nlohmann's type. Recurses no deeper than documents nest.
nlohmann::json to_tree(const JsonNode& node);

/// Is made from one of the two forms, and makes the other when somebody asks.
class JsonDocument {
 public:
  explicit JsonDocument(nlohmann::json&& tree);
  explicit JsonDocument(std::unique_ptr<const JsonNodes> nodes) noexcept : nodes_(nodes.release()) {}
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;
  ~JsonDocument();

  const JsonNode& root() const;
  const nlohmann::json& tree() const;
  const nlohmann::json* tree_if_made() const noexcept { return tree_.load(std::memory_order_acquire); }

 private:
  mutable std::atomic<const JsonNodes*> nodes_{nullptr};
  mutable std::atomic<const nlohmann::json*> tree_{nullptr};
};

}  // namespace agentflow::detail
