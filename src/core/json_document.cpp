// SPDX-License-Identifier: MIT
// The two forms of a JSON document, and the way from one to the other.
#include "core/json_document.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/json_parser.hpp"

namespace agentflow::detail {
namespace {

using nlohmann::json;

/// What a value refers to takes so much.
struct Footprint {
  std::size_t nodes = 0, bytes = 0;

  void add(const JsonNode& n) {
    if (n.kind == JsonKind::string) {
      bytes += n.size;
    } else if (n.kind == JsonKind::array) {
      nodes += n.size;
      for (std::uint32_t i = 0; i < n.size; ++i) add(n.elements[i]);
    } else if (n.kind == JsonKind::object) {
      nodes += 2 * std::size_t{n.size};
      for (std::uint32_t i = 0; i < n.size; ++i) {
        add(n.members[i].key);
        add(n.members[i].value);
      }
    }
  }
  std::size_t total() const noexcept { return nodes * sizeof(JsonNode) + bytes; }
};

Footprint footprint(const JsonNode& n) {
  Footprint f;
  f.add(n);
  return f;
}

/// Copies a value into an arena.
class Copier {
 public:
  explicit Copier(std::pmr::memory_resource& arena) : arena_(arena) {}

  JsonNode copy(const JsonNode& from) {
    JsonNode to = from;
    if (from.kind == JsonKind::string) {
      auto* text = static_cast<char*>(arena_.allocate(from.size, 1));
      from.string().copy(text, from.size);
      to.text = text;
    } else if (from.kind == JsonKind::array) {
      auto* elements = make<JsonNode>(from.size);
      for (std::uint32_t i = 0; i < from.size; ++i) elements[i] = copy(from.elements[i]);
      to.elements = elements;
    } else if (from.kind == JsonKind::object) {
      auto* members = make<JsonMember>(from.size);
      for (std::uint32_t i = 0; i < from.size; ++i)
        members[i] = JsonMember{copy(from.members[i].key), copy(from.members[i].value)};
      to.members = members;
    }
    return to;
  }

 private:
  template <class T>
  T* make(std::size_t n) {
    auto* first = static_cast<T*>(arena_.allocate(n * sizeof(T), alignof(T)));
    std::uninitialized_default_construct_n(first, n);
    return first;
  }

  std::pmr::memory_resource& arena_;
};

/// Stores what was made, unless another thread was first; gives what is stored.
template <class T>
const T& publish(std::atomic<const T*>& slot, std::unique_ptr<const T> made) {
  const T* stored = nullptr;
  if (slot.compare_exchange_strong(stored, made.get(), std::memory_order_acq_rel)) return *made.release();
  return *stored;
}

}  // namespace

const JsonNode* JsonNode::find(std::string_view key) const noexcept {
  const JsonMember* const end = members + size;
  constexpr std::uint32_t few = 16;
  if (size <= few) {
    for (const JsonMember* m = members; m != end; ++m)
      if (m->key.string() == key) return &m->value;
    return nullptr;
  }
  const auto before = [](const JsonMember& m, std::string_view wanted) { return m.key.string() < wanted; };
  const JsonMember* m = std::lower_bound(members, end, key, before);
  return m != end && m->key.string() == key ? &m->value : nullptr;
}

JsonNodes::JsonNodes(std::string_view text)
    : arena_(JsonParser::expected_bytes(text.size())), root_(JsonParser(text, arena_).parse()) {}

JsonNodes::JsonNodes(const JsonNode& other)
    : arena_(footprint(other).total() + alignof(JsonNode)), root_(Copier(arena_).copy(other)) {}

json to_tree(const JsonNode& node) {
  switch (node.kind) {
    case JsonKind::null: return nullptr;
    case JsonKind::boolean: return node.boolean;
    case JsonKind::integer:
      if (node.negative) return static_cast<std::int64_t>(node.integer);
      return node.integer;
    case JsonKind::real: return node.real;
    case JsonKind::string: return std::string(node.string());
    case JsonKind::array: {
      json out = json::array();
      auto& elements = out.get_ref<json::array_t&>();
      elements.reserve(node.size);
      for (std::uint32_t i = 0; i < node.size; ++i) elements.push_back(to_tree(node.elements[i]));
      return out;
    }
    case JsonKind::object: {
      json out = json::object();
      auto& members = out.get_ref<json::object_t&>();
      for (std::uint32_t i = 0; i < node.size; ++i)
        members.emplace_hint(members.end(), std::string(node.members[i].key.string()), to_tree(node.members[i].value));
      return out;
    }
  }
  return nullptr;
}

JsonDocument::JsonDocument(json&& tree) : tree_(new json(std::move(tree))) {}

JsonDocument::~JsonDocument() {
  delete nodes_.load(std::memory_order_acquire);
  delete tree_.load(std::memory_order_acquire);
}

const JsonNode& JsonDocument::root() const {
  if (const auto* nodes = nodes_.load(std::memory_order_acquire)) return nodes->root();
  return publish(nodes_, std::make_unique<const JsonNodes>(tree().dump())).root();
}

const json& JsonDocument::tree() const {
  if (const auto* tree = tree_if_made()) return *tree;
  return publish(tree_, std::make_unique<const json>(to_tree(root())));
}

}  // namespace agentflow::detail
