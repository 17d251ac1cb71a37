// SPDX-License-Identifier: MIT
// A graph as a picture (Mermaid, Graphviz) and as JSON.
#include <functional>
#include <string>

#include <fmt/format.h>

#include <agentflow/core/json_writer.hpp>
#include <agentflow/graph/graph_spec.hpp>

namespace agentflow {
namespace {

std::string escaped(std::string_view text, bool mermaid) {
  std::string out;
  for (char c : text) {
    if (c == '"')
      out += mermaid ? "#quot;" : "\\\"";
    else if (c == '\\' && !mermaid)
      out += "\\\\";
    else if (c == '<' && mermaid)
      out += "#lt;";
    else if (c == '>' && mermaid)
      out += "#gt;";
    else
      out += c;
  }
  return out;
}

/// One edge as a drawing shows it.
struct Edge {
  std::string from, to, label;
  enum Style { plain, conditional, join } style;
};

/// Calls fn for each edge of one graph; `id` makes the drawing's ids.
template <class Id, class F>
void each_edge(const GraphSpec& g, const Id& id, const std::string& start, const std::string& end, F&& fn) {
  auto to = [&](NodeId t) { return t == end_node ? end : id(t); };
  auto of = [&](const std::string& from, const Outgoing& out) {
    for (auto t : out.targets) fn(Edge{from, to(t), "", Edge::plain});
    for (const auto& r : out.routers) {
      for (const auto& [key, t] : r.map)
        fn(Edge{from, to(t), key == g.name_of(t) ? std::string() : key, Edge::conditional});
      if (!r.has_map) {
        for (NodeId t = 0; t < g.nodes.size(); ++t) fn(Edge{from, id(t), "", Edge::conditional});
        fn(Edge{from, end, "", Edge::conditional});
      }
    }
  };
  of(start, g.start);
  for (NodeId n = 0; n < g.nodes.size(); ++n) {
    of(id(n), g.nodes[n].out);
    const auto& o = g.nodes[n].options;
    const char* both = o.edges() == edges::both ? "and" : "";
    for (const auto& d : o.destinations())
      if (const auto t = g.find(d)) fn(Edge{id(n), to(*t), both, Edge::conditional});
  }
  for (const auto& j : g.joins)
    for (auto s : j.sources) fn(Edge{id(s), id(j.target), "join", Edge::join});
}

std::string notes(const NodeSpec& n) {
  std::string out;
  auto add = [&out](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
  if (n.options.defer()) add("deferred");
  if (n.node->may_command() && n.options.edges() == edges::both) add("command and edges");
  if (n.node->may_command() && n.options.destinations().empty()) add("command: any");
  if (n.options.memory() == subgraph_memory::thread) add("memory per thread");
  if (n.options.memory() == subgraph_memory::none) add("no memory");
  if (n.options.retry()) add(fmt::format("{} attempts", n.options.retry()->attempts()));
  return out;
}

void mermaid(const GraphSpec& g, const std::string& prefix, const std::string& indent, std::string& out) {
  auto id = [&](NodeId n) { return fmt::format("{}n{}", prefix, n); };
  const auto start = prefix + "start", end = prefix + "stop";
  out += fmt::format("{}{}([\"START\"])\n", indent, start);
  for (NodeId n = 0; n < g.nodes.size(); ++n) {
    const auto& node = g.nodes[n];
    if (const auto child = node.node->subgraph()) {
      const char* memory = node.options.memory() == subgraph_memory::thread ? ", memory per thread"
                           : node.options.memory() == subgraph_memory::none ? ", no memory"
                                                                            : "";
      out += fmt::format("{}subgraph {}[\"{}{}\"]\n", indent, id(n), escaped(node.name, true), memory);
      mermaid(*child, id(n) + "_", indent + "  ", out);
      out += indent + "end\n";
      continue;
    }
    const auto note = notes(node);
    out += fmt::format("{}{}[\"{}{}\"]\n", indent, id(n), escaped(node.name, true),
                       note.empty() ? "" : "<br/><i>" + note + "</i>");
  }
  out += fmt::format("{}{}([\"END\"])\n", indent, end);
  each_edge(g, id, start, end, [&](const Edge& e) {
    const char* arrow = e.style == Edge::conditional ? "-.->" : e.style == Edge::join ? "==>" : "-->";
    const auto label =
        e.label.empty() || e.style == Edge::join ? std::string() : fmt::format("|\"{}\"|", escaped(e.label, true));
    out += fmt::format("{}{} {}{} {}\n", indent, e.from, arrow, label, e.to);
  });
}

void dot(const GraphSpec& g, const std::string& prefix, const std::string& indent, std::string& out) {
  auto id = [&](NodeId n) { return fmt::format("{}n{}", prefix, n); };
  const auto start = prefix + "start", end = prefix + "stop";
  out += fmt::format("{}{} [label=\"START\", shape=oval];\n{}{} [label=\"END\", shape=oval];\n", indent, start, indent,
                     end);
  for (NodeId n = 0; n < g.nodes.size(); ++n) {
    const auto& node = g.nodes[n];
    const auto note = notes(node);
    out += fmt::format("{}{} [label=\"{}{}\", shape=box];\n", indent, id(n), escaped(node.name, false),
                       note.empty() ? "" : "\\n" + note);
    if (const auto child = node.node->subgraph()) {
      out += fmt::format("{}subgraph \"cluster_{}\" {{\n{}  label=\"{}\";\n", indent, id(n), indent,
                         escaped(node.name, false));
      dot(*child, id(n) + "_", indent + "  ", out);
      out += indent + "}\n";
      out += fmt::format("{}{} -> {}_start [style=dotted];\n", indent, id(n), id(n));
    }
  }
  each_edge(g, id, start, end, [&](const Edge& e) {
    const char* style = e.style == Edge::conditional ? "dashed" : e.style == Edge::join ? "bold" : "solid";
    out += fmt::format("{}{} -> {} [style={}, label=\"{}\"];\n", indent, e.from, e.to, style,
                       e.style == Edge::join ? "" : escaped(e.label, false));
  });
}

const char* kind_name(node_kind kind) {
  switch (kind) {
    case node_kind::sync: return "function";
    case node_kind::async: return "coroutine";
    case node_kind::blocking: return "blocking";
    case node_kind::subgraph: return "subgraph";
  }
  return "unknown";
}

void json(const GraphSpec& g, JsonWriter& w) {
  w.begin_object();
  w.key("nodes");
  w.begin_array();
  for (const auto& n : g.nodes) {
    w.begin_object();
    w.key("name");
    w.string(n.name);
    w.key("kind");
    w.string(kind_name(n.kind));
    if (n.options.defer()) {
      w.key("defer");
      w.boolean(true);
    }
    if (n.options.memory() != subgraph_memory::call) {
      w.key("memory");
      w.string(n.options.memory() == subgraph_memory::thread ? "thread" : "none");
    }
    if (n.node->may_command()) {
      w.key("command_edges");
      w.string(n.options.edges() == edges::both ? "both" : "replaced");
    }
    if (!n.options.metadata().empty()) {
      w.key("metadata");
      w.begin_object();
      for (const auto& [key, value] : n.options.metadata()) {
        w.key(key);
        w.string(value);
      }
      w.end_object();
    }
    if (const auto child = n.node->subgraph()) {
      w.key("graph");
      json(*child, w);
    }
    w.end_object();
  }
  w.end_array();
  w.key("edges");
  w.begin_array();
  auto name = [&g](NodeId n) { return g.nodes[n].name; };
  each_edge(g, name, std::string(START), std::string(END), [&w](const Edge& e) {
    w.begin_object();
    w.key("from");
    w.string(e.from);
    w.key("to");
    w.string(e.to);
    w.key("kind");
    w.string(e.style == Edge::conditional ? "conditional" : e.style == Edge::join ? "join" : "static");
    if (!e.label.empty() && e.style == Edge::conditional) {
      w.key("label");
      w.string(e.label);
    }
    w.end_object();
  });
  w.end_array();
  w.end_object();
}

}  // namespace

std::string GraphSpec::to_mermaid() const {
  std::string out = "flowchart TD\n";
  mermaid(*this, "", "  ", out);
  return out;
}

std::string GraphSpec::to_dot() const {
  std::string out = "digraph agentflow {\n";
  dot(*this, "", "  ", out);
  return out + "}\n";
}

std::string GraphSpec::to_json() const {
  std::string out;
  JsonWriter w(out);
  json(*this, w);
  return out;
}

}  // namespace agentflow
