// SPDX-License-Identifier: MIT
// GraphBuilder: collects the parts of a graph without judging them; freeze() reports all problems at once.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/graph/graph_spec.hpp>

namespace agentflow {

/// The untyped half of `StateGraph`. Nothing throws before `freeze`, so that one error can name everything.
class AGENTFLOW_API GraphBuilder {
 public:
  explicit GraphBuilder(const StateOps& ops);
  GraphBuilder(const GraphBuilder&);
  GraphBuilder(GraphBuilder&&) noexcept;
  GraphBuilder& operator=(const GraphBuilder&);
  GraphBuilder& operator=(GraphBuilder&&) noexcept;
  ~GraphBuilder();

  void add_node(std::string name, std::unique_ptr<ErasedNode> node, NodeOptions options);
  void override_node(std::string name, std::unique_ptr<ErasedNode> node);
  void add_edge(std::string from, std::string to);
  void add_join(std::vector<std::string> from, std::string to);
  void add_router(std::string from, std::unique_ptr<ErasedRouter> router,
                  std::optional<std::map<std::string, std::string>> path_map);
  void on_error(std::optional<std::string> node, std::unique_ptr<ErasedHandler> handler);

  /// Validates and freezes. **Errors** `graph_error` with every problem found.
  std::shared_ptr<const GraphSpec> freeze(const NodeOptions& defaults) const;

  const StateOps& ops() const noexcept { return *ops_; }

 private:
  struct Node {
    std::string name;
    std::shared_ptr<ErasedNode> node;
    NodeOptions options;
  };
  struct Edge {
    std::vector<std::string> from;
    std::string to;
  };
  struct Router {
    std::string from;
    std::shared_ptr<ErasedRouter> router;
    std::optional<std::map<std::string, std::string>> path_map;
  };
  class Freezer;

  const StateOps* ops_;
  std::vector<Node> nodes_;
  std::vector<std::pair<std::string, std::shared_ptr<ErasedNode>>> overrides_;
  std::vector<Edge> edges_;
  std::vector<Router> routers_;
  std::map<std::string, std::shared_ptr<ErasedHandler>> handlers_;
  std::shared_ptr<ErasedHandler> default_handler_;
};

}  // namespace agentflow
