// SPDX-License-Identifier: MIT
// GraphSpec: a graph after compile(): validated, immutable, over dense node ids.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/graph/node.hpp>
#include <agentflow/graph/options.hpp>

namespace agentflow {

/// A node's place in the order of declaration.
using NodeId = std::uint32_t;
/// Stands for END where a target is meant.
inline constexpr NodeId end_node = ~NodeId{0};

/// A router and where its answers lead.
class RouterSpec {
 public:
  std::shared_ptr<ErasedRouter> router;
  bool has_map = false;
  std::vector<std::pair<std::string, NodeId>> map;
};

/// A node's part in a join.
class JoinSlot {
 public:
  JoinSlot(std::uint32_t j, std::uint32_t s) noexcept : join(j), source(s) {}
  std::uint32_t join;    ///< Which join of the graph.
  std::uint32_t source;  ///< Which of its sources this node is.
};

/// What follows a node: static targets, joins it takes part in, routers.
class Outgoing {
 public:
  std::vector<NodeId> targets;
  std::vector<JoinSlot> joins;
  std::vector<RouterSpec> routers;
  bool is_plain = false;  ///< One target, END or a node that is triggered like most, and nothing to ask.
  bool empty() const noexcept { return targets.empty() && joins.empty() && routers.empty(); }
};

class NodeSpec {
 public:
  std::string name;
  std::shared_ptr<ErasedNode> node;
  std::shared_ptr<ErasedHandler> handler;
  NodeOptions options;
  Outgoing out;
  node_kind kind = node_kind::sync;
  bool takes_state = true;  ///< Its input is the graph's state type.
  bool plain = true;        ///< No option asks for more than a call.
  bool inline_call = true;  ///< Can run without a coroutine.
  bool may_consume = true;  ///< Nothing needs the state again that an attempt started from.
};

/// Waits for all sources, then starts the target once.
class JoinSpec {
 public:
  std::vector<NodeId> sources;
  NodeId target = end_node;
};

/// A validated graph. Immutable, and so shared by any number of runs on any number of threads.
class AGENTFLOW_API GraphSpec {
 public:
  const StateOps* ops = nullptr;
  std::vector<NodeSpec> nodes;
  Outgoing start;
  std::vector<JoinSpec> joins;
  bool all_sync = true;  ///< Every node and router is a plain call: a run needs no event loop.

  /// The id of a node, or nothing. END is `end_node`.
  std::optional<NodeId> find(std::string_view name) const noexcept;
  std::string_view name_of(NodeId id) const noexcept;

  std::string to_mermaid() const;
  std::string to_dot() const;
  std::string to_json() const;

 private:
  friend class GraphBuilder;
  std::map<std::string, NodeId, std::less<>> ids_;
};

}  // namespace agentflow
