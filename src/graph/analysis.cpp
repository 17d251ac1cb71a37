// SPDX-License-Identifier: MIT
// Reachability, loops and joins of a frozen graph.
#include "graph/analysis.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace agentflow::detail {
namespace {

using Mask = std::vector<std::uint8_t>;

class Analysis {
 public:
  Analysis(const GraphSpec& spec, std::vector<GraphProblem>& problems)
      : g_(spec), problems_(problems), n_(spec.nodes.size()) {}

  void run() {
    if (g_.start.empty()) {
      add(errc::graph_no_entry,
          fmt::format("no entry point: call set_entry_point(\"...\") with one of: {}", names_of(all())), {});
      return;
    }
    const Mask reached = reach();
    orphans(reached);
    exits(reached);
    endless_loops();
    starving_joins();
    parallel_writers();
    inputs();
  }

 private:
  void add(errc code, std::string message, std::vector<std::string> names) {
    problems_.emplace_back(code, std::move(message), std::move(names));
  }
  std::vector<NodeId> all() const {
    std::vector<NodeId> ids(n_);
    for (std::size_t i = 0; i < n_; ++i) ids[i] = static_cast<NodeId>(i);
    return ids;
  }
  std::vector<std::string> list(const std::vector<NodeId>& ids) const {
    std::vector<std::string> names;
    for (auto id : ids) names.emplace_back(g_.name_of(id));
    return names;
  }
  std::string names_of(const std::vector<NodeId>& ids) const { return fmt::format("{}", fmt::join(list(ids), ", ")); }

  static bool anywhere(const Outgoing& out) {
    return std::any_of(out.routers.begin(), out.routers.end(), [](const RouterSpec& r) { return !r.has_map; });
  }
  /// A Command without declared destinations may lead anywhere.
  bool commands_anywhere(NodeId id) const {
    return g_.nodes[id].node->may_command() && g_.nodes[id].options.destinations().empty();
  }
  /// Calls fn(target) for each place that may follow; END as end_node.
  template <class F>
  void successors(const Outgoing& out, F&& fn) const {
    for (auto t : out.targets) fn(t);
    for (const auto& j : out.joins) fn(g_.joins[j.join].target);
    for (const auto& r : out.routers)
      for (const auto& [key, t] : r.map) fn(t);
    if (!anywhere(out)) return;
    for (auto t : all()) fn(t);
    fn(end_node);
  }
  template <class F>
  void successors(NodeId id, F&& fn) const {
    successors(g_.nodes[id].out, fn);
    for (const auto& d : g_.nodes[id].options.destinations())
      if (const auto t = g_.find(d)) fn(*t);
    if (!commands_anywhere(id)) return;
    for (auto t : all()) fn(t);
    fn(end_node);
  }

  Mask reach() const {
    Mask seen(n_);
    std::vector<NodeId> work;
    auto visit = [&](NodeId t) {
      if (t != end_node && !seen[t]) {
        seen[t] = 1;
        work.push_back(t);
      }
    };
    successors(g_.start, visit);
    while (!work.empty()) {
      const auto id = work.back();
      work.pop_back();
      successors(id, visit);
    }
    return seen;
  }

  void orphans(const Mask& reached) {
    for (NodeId id = 0; id < n_; ++id)
      if (!reached[id])
        add(errc::graph_orphan,
            fmt::format("no path from START reaches node '{}': add an edge to it, or remove it", g_.nodes[id].name),
            {g_.nodes[id].name});
  }

  void exits(const Mask& reached) {
    std::vector<std::vector<NodeId>> before(n_);
    Mask& ends = ends_;
    ends.assign(n_, 0);
    std::vector<NodeId> work;
    for (NodeId id = 0; id < n_; ++id)
      successors(id, [&](NodeId t) {
        if (t != end_node)
          before[t].push_back(id);
        else if (!ends[id]) {
          ends[id] = 1;
          work.push_back(id);
        }
      });
    while (!work.empty()) {
      const auto id = work.back();
      work.pop_back();
      for (auto b : before[id])
        if (!ends[b]) {
          ends[b] = 1;
          work.push_back(b);
        }
    }
    for (NodeId id = 0; id < n_; ++id)
      if (reached[id] && !ends[id])
        add(errc::graph_no_exit,
            fmt::format(
                "from node '{0}' no path leads to END: where a run should be over, say add_edge(\"{0}\", \"END\")",
                g_.nodes[id].name),
            {g_.nodes[id].name});
  }

  /// Static edges are always taken unless a Command replaces them: a cycle of them never ends.
  void endless_loops() {
    enum : std::uint8_t { fresh, open, done };
    Mask mark(n_, fresh);
    for (NodeId root = 0; root < n_; ++root) {
      if (mark[root] != fresh) continue;
      std::vector<std::pair<NodeId, std::size_t>> path{{root, 0}};
      mark[root] = open;
      while (!path.empty()) {
        auto& [id, next] = path.back();
        const auto& out = g_.nodes[id].out.targets;
        const bool replaceable = g_.nodes[id].node->may_command() && g_.nodes[id].options.edges() == edges::replaced;
        if (replaceable || next == out.size()) {
          mark[id] = done;
          path.pop_back();
          continue;
        }
        const auto t = out[next++];
        if (t == end_node || mark[t] == done) continue;
        if (mark[t] == fresh) {
          mark[t] = open;
          path.emplace_back(t, 0);
          continue;
        }
        std::vector<NodeId> loop;
        for (auto it = std::find_if(path.begin(), path.end(), [t = t](const auto& p) { return p.first == t; });
             it != path.end(); ++it)
          loop.push_back(it->first);
        add(errc::graph_no_exit,
            fmt::format("the loop {} -> {} has only unconditional edges and never ends: make one of them conditional",
                        fmt::join(list(loop), " -> "), g_.nodes[t].name),
            list(loop));
        return;
      }
    }
  }

  /// From which nodes a run may come to an end without ever running `s`, as far as it does not pass a join. A loop that
  /// only `s` leads out of is no such end. What leads nowhere has a problem of its own, and counts as an end here.
  Mask may_avoid(NodeId s) const {
    Mask avoid(n_);
    for (NodeId id = 0; id < n_; ++id) avoid[id] = static_cast<std::uint8_t>(ends_[id] == 0);
    const auto avoids = [&](NodeId t) { return t == end_node || avoid[t]; };
    const auto by_edges = [&](const Outgoing& out) {
      return std::all_of(out.targets.begin(), out.targets.end(), avoids) &&
             std::all_of(out.routers.begin(), out.routers.end(), [&](const RouterSpec& r) {
               return !r.has_map || r.map.empty() ||  // a defect of its own
                      std::any_of(r.map.begin(), r.map.end(), [&](const auto& m) { return avoids(m.second); });
             });
    };
    const auto by_command = [&](const NodeSpec& n) {
      if (!n.node->may_command() || n.options.edges() == edges::both) return false;
      const auto& to = n.options.destinations();
      return to.empty() || std::any_of(to.begin(), to.end(), [&](const std::string& d) {
               const auto t = g_.find(d);
               return t && avoids(*t);
             });
    };
    for (bool changed = true; changed;) {
      changed = false;
      for (auto id = static_cast<NodeId>(n_); id-- > 0;) {
        if (avoid[id] || id == s || !(by_edges(g_.nodes[id].out) || by_command(g_.nodes[id]))) continue;
        avoid[id] = 1;
        changed = true;
      }
    }
    return avoid;
  }

  /// The sets of nodes that one decision may start together.
  std::vector<std::vector<NodeId>> roots() const {
    std::vector<std::vector<NodeId>> sets{g_.start.targets};
    auto of = [&](const Outgoing& out) {
      for (const auto& r : out.routers) {
        std::vector<NodeId> targets;
        for (const auto& [key, t] : r.map) targets.push_back(t);
        if (!r.has_map) targets = all();
        if (r.router->may_fan_out())
          sets.push_back(targets);
        else
          for (auto t : targets) sets.push_back({t});
      }
    };
    of(g_.start);
    for (NodeId id = 0; id < n_; ++id) {
      of(g_.nodes[id].out);
      if (!g_.nodes[id].node->may_command()) continue;
      std::vector<NodeId> targets;
      for (const auto& d : g_.nodes[id].options.destinations())
        if (const auto t = g_.find(d)) targets.push_back(*t);
      sets.push_back(commands_anywhere(id) ? all() : targets);
    }
    return sets;
  }

  void starving_joins() {
    if (g_.joins.empty()) return;
    std::map<NodeId, Mask> avoid;
    for (const auto& join : g_.joins)
      for (auto source : join.sources)
        if (!avoid.contains(source)) avoid.emplace(source, may_avoid(source));
    Mask fed(g_.joins.size());
    for (auto running : roots()) {
      const auto sure = [&](NodeId source) {
        return std::any_of(running.begin(), running.end(),
                           [&](NodeId r) { return r != end_node && !avoid.at(source)[r]; });
      };
      Mask fed_here(g_.joins.size());
      for (bool changed = true; changed;) {
        changed = false;
        for (std::size_t j = 0; j < g_.joins.size(); ++j) {
          const auto& sources = g_.joins[j].sources;
          if (fed_here[j] || !std::all_of(sources.begin(), sources.end(), sure)) continue;
          fed[j] = fed_here[j] = 1;
          running.push_back(g_.joins[j].target);
          changed = true;
        }
      }
    }
    for (std::size_t j = 0; j < g_.joins.size(); ++j) {
      if (fed[j]) continue;
      const auto& join = g_.joins[j];
      auto names = list(join.sources);
      names.emplace_back(g_.name_of(join.target));
      add(errc::graph_join_skipped,
          fmt::format(
              "the join {{{}}} -> '{}' waits for nodes of which a conditional edge may skip one: join what always runs "
              "together, or add plain edges to '{}' and defer it",
              names_of(join.sources), names.back(), names.back()),
          names);
    }
  }

  void parallel_writers() {
    auto check = [&](const Outgoing& out) {
      std::vector<NodeId> declared;
      for (auto t : out.targets)
        if (t != end_node && !g_.nodes[t].options.writes().empty()) declared.push_back(t);
      for (std::size_t i = 0; i < declared.size(); ++i)
        for (std::size_t j = i + 1; j < declared.size(); ++j) writers(declared[i], declared[j]);
    };
    check(g_.start);
    for (const auto& n : g_.nodes) check(n.out);
  }
  void writers(NodeId a, NodeId b) {
    if (g_.nodes[a].options.defer() != g_.nodes[b].options.defer()) return;  // never in one step
    for (const auto& f : g_.nodes[a].options.writes()) {
      const auto& other = g_.nodes[b].options.writes();
      if (std::find(other.begin(), other.end(), f) == other.end() || g_.ops->rule_of(f) != field_rule::exclusive)
        continue;
      add(errc::graph_parallel_writers,
          fmt::format("nodes '{}' and '{}' run in one step and both write field '{}', which takes one writer: give it "
                      "a reducer",
                      g_.nodes[a].name, g_.nodes[b].name, f),
          {g_.nodes[a].name, g_.nodes[b].name, f});
    }
  }

  void inputs() {
    Mask bad(n_);
    auto check = [&](const Outgoing& out) {
      for (auto t : out.targets)
        if (t != end_node) bad[t] = 1;
      for (const auto& j : out.joins) bad[g_.joins[j.join].target] = 1;
    };
    check(g_.start);
    for (const auto& n : g_.nodes) check(n.out);
    for (NodeId id = 0; id < n_; ++id)
      if (bad[id] && !g_.nodes[id].takes_state)
        add(errc::graph_input_mismatch,
            fmt::format(
                "node '{}' takes an input of its own, so only a Send can start it, but a plain edge leads to it",
                g_.nodes[id].name),
            {g_.nodes[id].name});
  }

  const GraphSpec& g_;
  std::vector<GraphProblem>& problems_;
  Mask ends_;  // whether a path leads from there to END
  std::size_t n_;
};

}  // namespace

void analyse(const GraphSpec& spec, std::vector<GraphProblem>& problems) { Analysis(spec, problems).run(); }

}  // namespace agentflow::detail
