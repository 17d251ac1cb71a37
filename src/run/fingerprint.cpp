// SPDX-License-Identifier: MIT
// What of a graph stored runs depend on: its fingerprint, and whether all of it can be stored.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <agentflow/core/checksum.hpp>
#include <agentflow/core/error.hpp>

#include "run/journal.hpp"

namespace agentflow {

StateBox RunInput::initial(const StateOps& ops) && {
  if (state) return std::move(state);
  StateBox fresh(ops, ops.create());
  if (update) ops.apply(fresh.get(), update.get(), nullptr);
  return fresh;
}

UpdateBox RunInput::change(const StateOps& ops) && {
  if (update) return std::move(update);
  UpdateBox change(ops);
  if (state) ops.as_update(state.get(), change.get());
  return change;
}

}  // namespace agentflow

namespace agentflow::detail {
namespace {

void append(const GraphSpec& spec, std::string& out) {
  // Every name ends in a line of its own, and names have no line ends: nothing can be told in two ways.
  spec.ops->fingerprint(out);
  auto outgoing = [&](std::string_view from, const Outgoing& o) {
    out.append(from).append("\n");
    for (const NodeId id : o.targets) out.append("> ").append(spec.name_of(id)).append("\n");
    for (const RouterSpec& r : o.routers) {
      out.append(r.has_map ? "? map\n" : "? any\n");
      for (const auto& [key, id] : r.map) out.append(key).append("\n= ").append(spec.name_of(id)).append("\n");
    }
  };
  outgoing("START", spec.start);
  for (const NodeSpec& n : spec.nodes) {
    outgoing(n.name, n.out);
    if (n.options.defer()) out.append("deferred\n");
    if (n.options.edges() == edges::both) out.append("both\n");
    if (const auto child = n.node->subgraph()) {
      out.append("(\n");
      append(*child, out);
      out.append(")\n");
    }
  }
  for (const JoinSpec& j : spec.joins) {
    for (const NodeId s : j.sources) out.append("& ").append(spec.name_of(s)).append("\n");
    out.append("-> ").append(spec.name_of(j.target)).append("\n");
  }
}

void check(const GraphSpec& spec, const std::string& path, std::vector<GraphProblem>& problems) {
  if (spec.ops->save == nullptr || spec.ops->save_update == nullptr)
    problems.emplace_back(errc::not_serializable,
                          fmt::format("the state of {} cannot be stored: a field or the delta of its reducer has no "
                                      "JSON mapping both ways (write agentflow_write_json and agentflow_read_json for "
                                      "its type)",
                                      path.empty() ? "the graph" : "subgraph '" + path + "'"),
                          std::vector<std::string>{});
  for (const NodeSpec& n : spec.nodes) {
    if (!n.takes_state && !n.node->input_codec().complete())
      problems.emplace_back(errc::not_serializable,
                            fmt::format("what Sends carry to node '{}' cannot be stored: its type has no JSON mapping "
                                        "both ways, or no default constructor",
                                        n.name),
                            std::vector<std::string>{n.name});
    if (const auto child = n.node->subgraph(); child && n.options.memory() != subgraph_memory::none)
      check(*child, path.empty() ? n.name : path + "/" + n.name, problems);
  }
}

}  // namespace

std::uint64_t fingerprint_of(const GraphSpec& spec) {
  std::string text;
  append(spec, text);
  return checksum64(text);
}

void check_durable(const GraphSpec& spec, const CompileOptions& options) {
  std::vector<GraphProblem> problems;
  if (options.checkpointer()) check(spec, {}, problems);
  for (const auto* names : {&options.interrupt_before(), &options.interrupt_after()}) {
    const char* option = names == &options.interrupt_before() ? "interrupt_before" : "interrupt_after";
    if (!names->empty() && !options.checkpointer())
      problems.emplace_back(errc::graph_bad_option, fmt::format("{} needs a checkpointer", option),
                            std::vector<std::string>{option});
    for (const auto& name : *names) {
      const auto id = spec.find(name);
      if (id && *id != end_node) continue;
      std::string known;
      for (const auto& n : spec.nodes) known += (known.empty() ? "" : ", ") + n.name;
      problems.emplace_back(errc::graph_unknown_name,
                            fmt::format("{} names the unknown node '{}'; nodes are: {}", option, name, known),
                            std::vector<std::string>{name});
    }
  }
  if (!problems.empty()) throw graph_error(std::move(problems));
}

}  // namespace agentflow::detail
