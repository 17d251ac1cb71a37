// SPDX-License-Identifier: MIT
// Freezing a graph: names become ids; every problem is reported with what was declared instead.
#include <agentflow/graph/graph_builder.hpp>

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/json_text.hpp"
#include "graph/analysis.hpp"

namespace agentflow {

ErasedNode::~ErasedNode() = default;
void ErasedNode::call(NodeIO&) { throw error(errc::internal, "this node is not a plain call"); }
asio::awaitable<void> ErasedNode::acall(NodeIO&) { throw error(errc::internal, "this node is not a coroutine"); }
StateBox ErasedNode::enter(NodeIO&) { throw error(errc::internal, "this node is not a subgraph"); }
void ErasedNode::leave(NodeIO&, StateBox) { throw error(errc::internal, "this node is not a subgraph"); }
ErasedRouter::~ErasedRouter() = default;
Route ErasedRouter::call(const void*, NodeContext&) { throw error(errc::internal, "this router is a coroutine"); }
asio::awaitable<Route> ErasedRouter::acall(const void*, NodeContext&) {
  throw error(errc::internal, "this router is not a coroutine");
}
ErasedHandler::~ErasedHandler() = default;
EventSink::~EventSink() = default;
LogSink::~LogSink() = default;

GraphBuilder::GraphBuilder(const StateOps& ops) : ops_(&ops) {}
GraphBuilder::GraphBuilder(const GraphBuilder&) = default;
GraphBuilder::GraphBuilder(GraphBuilder&&) noexcept = default;
GraphBuilder& GraphBuilder::operator=(const GraphBuilder&) = default;
GraphBuilder& GraphBuilder::operator=(GraphBuilder&&) noexcept = default;
GraphBuilder::~GraphBuilder() = default;

void GraphBuilder::add_node(std::string name, std::unique_ptr<ErasedNode> node, NodeOptions options) {
  nodes_.push_back({std::move(name), std::move(node), std::move(options)});
}
void GraphBuilder::override_node(std::string name, std::unique_ptr<ErasedNode> node) {
  overrides_.emplace_back(std::move(name), std::move(node));
}
void GraphBuilder::add_edge(std::string from, std::string to) { edges_.push_back({{std::move(from)}, std::move(to)}); }
void GraphBuilder::add_join(std::vector<std::string> from, std::string to) {
  edges_.push_back({std::move(from), std::move(to)});
}
void GraphBuilder::add_router(std::string from, std::unique_ptr<ErasedRouter> router,
                              std::optional<std::map<std::string, std::string>> path_map) {
  routers_.push_back({std::move(from), std::move(router), std::move(path_map)});
}
void GraphBuilder::on_error(std::optional<std::string> node, std::unique_ptr<ErasedHandler> handler) {
  if (node)
    handlers_[*node] = std::move(handler);
  else
    default_handler_ = std::move(handler);
}

std::optional<NodeId> GraphSpec::find(std::string_view name) const noexcept {
  if (const auto it = ids_.find(name); it != ids_.end()) return it->second;
  if (name == END) return end_node;
  return std::nullopt;
}
std::string_view GraphSpec::name_of(NodeId id) const noexcept {
  return id == end_node ? END : std::string_view(nodes[id].name);
}

/// One freeze: fills a GraphSpec and the list of problems side by side.
class GraphBuilder::Freezer {
 public:
  Freezer(const GraphBuilder& b, const NodeOptions& defaults)
      : builder_(b), defaults_(defaults), spec_(std::make_shared<GraphSpec>()) {}

  std::shared_ptr<const GraphSpec> run() {
    spec_->ops = builder_.ops_;
    for (const auto& n : builder_.nodes_) take_node(n);
    for (const auto& [name, node] : builder_.overrides_) take_override(name, node);
    for (const auto& [name, handler] : builder_.handlers_) take_handler(name, handler);
    if (builder_.nodes_.empty())
      problem(errc::graph_no_entry, "the graph is empty: add_node() and set_entry_point() first", {});
    for (const auto& e : builder_.edges_) take_edge(e);
    for (const auto& r : builder_.routers_) take_router(r);
    for (auto& n : spec_->nodes) finish(n);
    for (auto& n : spec_->nodes) n.out.is_plain = is_plain(n.out);
    for (const auto& r : spec_->start.routers) spec_->all_sync = spec_->all_sync && !r.router->is_async();
    if (!builder_.nodes_.empty()) detail::analyse(*spec_, problems_);
    if (!problems_.empty()) throw graph_error(std::move(problems_));
    return spec_;
  }

 private:
  void problem(errc code, std::string message, std::vector<std::string> names) {
    problems_.emplace_back(code, std::move(message), std::move(names));
  }

  std::string declared() const {
    std::vector<std::string_view> names;
    for (const auto& n : spec_->nodes) names.push_back(n.name);
    if (names.size() > 20) {
      const auto rest = names.size() - 20;
      names.resize(20);
      return fmt::format("{} and {} more", fmt::join(names, ", "), rest);
    }
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
  }

  void take_node(const Node& n) {
    if (n.name.empty() || n.name.size() > 255 || detail::find_invalid_utf8(n.name) != detail::all_valid ||
        std::any_of(n.name.begin(), n.name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '/'; })) {
      problem(errc::graph_bad_name,
              fmt::format("node name {} is empty, longer than 255 bytes, not UTF-8, or has a control character or '/'",
                          detail::quoted(n.name)),
              {n.name});
      return;
    }
    if (n.name == START || n.name == END) {
      problem(errc::graph_bad_name, fmt::format("'{}' is reserved: give the node another name", n.name), {n.name});
      return;
    }
    if (!spec_->ids_.emplace(n.name, static_cast<NodeId>(spec_->nodes.size())).second) {
      problem(errc::graph_bad_name,
              fmt::format("node '{}' is added twice: use another name, or override_node() to replace it", n.name),
              {n.name});
      return;
    }
    NodeSpec s;
    s.name = n.name;
    s.node = n.node;
    s.options = n.options;
    s.handler = builder_.default_handler_;
    spec_->nodes.push_back(std::move(s));
  }

  NodeSpec* named(const std::string& name, std::string_view what) {
    const auto it = spec_->ids_.find(name);
    if (it != spec_->ids_.end()) return &spec_->nodes[it->second];
    problem(errc::graph_unknown_name,
            fmt::format("{} names the unknown node '{}'; nodes are: {}", what, name, declared()), {name});
    return nullptr;
  }
  void take_override(const std::string& name, const std::shared_ptr<ErasedNode>& node) {
    if (auto* n = named(name, "override_node()")) n->node = node;
  }
  void take_handler(const std::string& name, const std::shared_ptr<ErasedHandler>& handler) {
    if (auto* n = named(name, "on_error()")) n->handler = handler;
  }

  std::optional<NodeId> target(const std::string& name, std::string_view what) {
    if (name == START) {
      problem(errc::graph_unknown_name, fmt::format("{} leads to START, which has no way in", what), {name});
      return std::nullopt;
    }
    if (const auto id = spec_->find(name)) return id;
    problem(errc::graph_unknown_name,
            fmt::format("{} leads to the unknown node '{}'; nodes are: {}", what, name, declared()), {name});
    return std::nullopt;
  }
  Outgoing* source(const std::string& name, std::string_view what) {
    if (name == START) return &spec_->start;
    if (name == END) {
      problem(errc::graph_unknown_name, fmt::format("{} leads out of END, where a run is over", what), {name});
      return nullptr;
    }
    auto* n = named(name, what);
    return n != nullptr ? &n->out : nullptr;
  }

  void take_edge(const Edge& e) {
    const auto what = e.from.size() == 1 ? fmt::format("the edge '{}' -> '{}'", e.from[0], e.to)
                                         : fmt::format("the join {{{}}} -> '{}'", fmt::join(e.from, ", "), e.to);
    const auto to = target(e.to, what);
    if (e.from.size() == 1) {
      auto* out = source(e.from[0], what);
      if (out == nullptr || !to) return;
      if (std::find(out->targets.begin(), out->targets.end(), *to) != out->targets.end())
        problem(errc::graph_duplicate_edge, what + " is added twice", {e.from[0], e.to});
      else
        out->targets.push_back(*to);
      return;
    }
    if (e.from.empty()) {
      problem(errc::graph_bad_option, fmt::format("the join to '{}' has no sources", e.to), {e.to});
      return;
    }
    JoinSpec join;
    for (const auto& name : e.from) {
      if (name == START) {
        problem(errc::graph_bad_option, what + " names START; a join waits for nodes", {name});
        return;
      }
      if (source(name, what) == nullptr) return;
      const auto id = spec_->ids_.find(name)->second;
      if (std::find(join.sources.begin(), join.sources.end(), id) != join.sources.end()) {
        problem(errc::graph_duplicate_edge, fmt::format("{} names '{}' twice", what, name), {name});
        return;
      }
      join.sources.push_back(id);
    }
    if (!to) return;
    if (*to == end_node) {
      problem(errc::graph_bad_option, what + " is a join to END; END needs none: add an edge from each node", {e.to});
      return;
    }
    join.target = *to;
    auto sources = join.sources;
    std::sort(sources.begin(), sources.end());
    if (!joins_.emplace(std::move(sources), join.target).second) {
      auto names = e.from;
      names.push_back(e.to);
      problem(errc::graph_duplicate_edge, what + " is added twice", std::move(names));
      return;
    }
    for (std::size_t s = 0; s < join.sources.size(); ++s)
      spec_->nodes[join.sources[s]].out.joins.emplace_back(static_cast<std::uint32_t>(spec_->joins.size()),
                                                           static_cast<std::uint32_t>(s));
    spec_->joins.push_back(std::move(join));
  }

  void take_router(const Router& r) {
    const auto what = fmt::format("the conditional edge from '{}'", r.from);
    auto* out = source(r.from, what);
    RouterSpec spec;
    spec.router = r.router;
    spec.has_map = r.path_map.has_value();
    if (r.path_map) {
      if (r.path_map->empty())
        problem(errc::graph_bad_option, what + " has an empty path map: it could go nowhere", {r.from});
      for (const auto& [key, name] : *r.path_map)
        if (const auto to = target(name, fmt::format("{} (key '{}')", what, key))) spec.map.emplace_back(key, *to);
    }
    if (out != nullptr) out->routers.push_back(std::move(spec));
  }

  bool is_plain(const Outgoing& out) const {
    if (out.targets.size() != 1 || !out.joins.empty() || !out.routers.empty()) return false;
    if (out.targets[0] == end_node) return true;
    const NodeSpec& next = spec_->nodes[out.targets[0]];
    return next.takes_state && !next.options.defer();
  }

  void finish(NodeSpec& n) {
    auto& o = n.options;
    if (!o.retry() && defaults_.retry()) o.retry(*defaults_.retry());
    if (!o.timeout() && defaults_.timeout()) o.timeout(*defaults_.timeout());
    if (!o.idle_timeout() && defaults_.idle_timeout()) o.idle_timeout(*defaults_.idle_timeout());
    n.kind = n.node->kind();
    const bool movable = n.kind == node_kind::sync || n.kind == node_kind::async;  // the others have a place already
    if (!o.executor() && defaults_.executor() && movable) o.executor(*defaults_.executor());
    n.takes_state = n.node->input_type() == *spec_->ops->type;
    n.plain =
        !o.retry() && !o.timeout() && !o.idle_timeout() && !o.executor() && !n.handler && n.kind != node_kind::blocking;
    check_options(n);
    const auto child = n.node->subgraph();
    n.inline_call = n.plain && n.kind != node_kind::async && (!child || child->all_sync);
    n.may_consume = !o.retry() && !n.handler;
    spec_->all_sync = spec_->all_sync && n.inline_call;
    for (const auto& r : n.out.routers) spec_->all_sync = spec_->all_sync && !r.router->is_async();
  }

  void check_options(const NodeSpec& n) {
    const auto& o = n.options;
    auto bad = [&](std::string_view why) {
      problem(errc::graph_bad_option, fmt::format("node '{}': {}", n.name, why), {n.name});
    };
    if (o.timeout() && *o.timeout() <= std::chrono::nanoseconds::zero()) bad("timeout must be positive");
    if (o.idle_timeout() && *o.idle_timeout() <= std::chrono::nanoseconds::zero()) bad("idle_timeout must be positive");
    if (o.retry())
      for (const auto& why : o.retry()->problems()) bad(why);
    for (const auto& d : o.destinations()) target(d, fmt::format("destinations of node '{}'", n.name));
    if (!o.destinations().empty() && !n.node->may_command()) bad("has destinations but never returns a Command");
    if (o.memory() != subgraph_memory::call && n.kind != node_kind::subgraph)
      bad("has a memory option and is not a subgraph");
    if (o.memory() == subgraph_memory::thread && n.kind == node_kind::subgraph && !n.node->maps_state())
      bad("shares the state of its subgraph, which so has its memory there: memory per thread is for add_subgraph()");
    if (o.executor() && n.kind == node_kind::blocking)
      bad("is af::blocking and has an executor: it can run on one of them");
    if (o.executor() && n.kind == node_kind::subgraph)
      bad("is a subgraph and has an executor: set executors on its nodes");
    for (const auto& f : o.writes())
      if (spec_->ops->rule_of(f) == field_rule::unknown)
        problem(errc::graph_unknown_name,
                fmt::format("node '{}' declares writes to '{}', which is not a field of the state", n.name, f),
                {n.name, f});
  }

  const GraphBuilder& builder_;
  const NodeOptions& defaults_;
  std::shared_ptr<GraphSpec> spec_;
  std::vector<GraphProblem> problems_;
  std::set<std::pair<std::vector<NodeId>, NodeId>> joins_;
};

std::shared_ptr<const GraphSpec> GraphBuilder::freeze(const NodeOptions& defaults) const {
  return Freezer(*this, defaults).run();
}

}  // namespace agentflow
