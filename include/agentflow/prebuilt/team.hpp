// SPDX-License-Identifier: MIT
// Several agents in one conversation: supervisor, swarm, and a router that asks a model.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/prebuilt/agent.hpp>

namespace agentflow {

/// A member of a team: a graph over the team's state, with the name of its node and a sentence that says what it is
/// for.
template <class S = AgentState>
class Worker {
 public:
  Worker(std::string n, std::string d, CompiledGraph<S> g)
      : name(std::move(n)), description(std::move(d)), graph(std::move(g)) {}
  std::string name, description;
  CompiledGraph<S> graph;
};

/// Builds a team with a supervisor: its model hands the conversation to workers by calling `transfer_to_<worker>`, and
/// is asked again when they are done; without a call its answer is the team's. Several handovers in one answer run side
/// by side. The supervisor may have tools of its own. The nodes are "supervisor", "handoffs" and the workers.
///
/// **Errors** as `react_agent`; `error` (agent_invalid) without workers; `tool_error` (tool_invalid) for a worker whose
/// name no tool can have.
template <class S = AgentState>
  requires Conversation<S>
StateGraph<S> supervisor(std::shared_ptr<ChatModel> model, const std::vector<Worker<std::type_identity_t<S>>>& workers,
                         AgentOptions options = {}, ToolSet tools = {}) {
  if (workers.empty()) throw error(errc::agent_invalid, "a supervisor needs workers");
  std::vector<std::string> targets{"supervisor"};
  for (const auto& worker : workers) {
    tools.add(handoff(worker.name, worker.description));
    targets.push_back(worker.name);
  }
  const auto caller = std::make_shared<const ModelCaller>(std::move(model), tools.specs(), options);
  StateGraph<S> graph;
  graph.add_node("supervisor", ModelCaller::node<S>(caller), options.node());
  graph.add_node("handoffs", ToolNode(std::move(tools), options.tools()));
  graph.set_entry_point("supervisor");
  graph.add_conditional_edges("supervisor",
                              [](const S& s) { return s.messages.back().has_tool_calls() ? "handoffs" : "END"; },
                              {"handoffs", "END"});
  graph.add_conditional_edges(
      "handoffs",
      [](const S& s) {
        auto next = handoff_targets(s.messages);
        if (next.empty()) next.emplace_back("supervisor");
        return next;
      },
      targets);
  for (const auto& worker : workers) graph.add_node(worker.name, worker.graph).add_edge(worker.name, "supervisor");
  return graph;
}

/// Builds a team without a head: the agents hand the conversation to one another, and the one that answers without a
/// handover ends the run. Give each agent `handoff` tools for those it may pass on to. Of several handovers in one
/// answer the first counts. A run begins with the agent that the conversation was last handed over to (`active_agent`),
/// so that on a thread the next question goes to whoever answered; a new conversation begins with `first`.
///
/// **Errors** `error` (agent_invalid) without agents, or when `first` is none of them.
template <class S = AgentState>
  requires Conversation<S>
StateGraph<S> swarm(const std::vector<Worker<std::type_identity_t<S>>>& agents, const std::string& first) {
  std::vector<std::string> names;
  for (const auto& agent : agents) names.push_back(agent.name);
  const auto knows = [names](const std::string& name) {
    for (const auto& known : names)
      if (known == name) return true;
    return false;
  };
  if (!knows(first)) throw error(errc::agent_invalid, "the swarm has no agent '" + first + "' to begin with");
  StateGraph<S> graph;
  graph.add_conditional_edges(
      START,
      [knows, first](const S& s) {
        std::string active = active_agent(s.messages);
        return knows(active) ? active : first;
      },
      names);
  std::vector<std::string> targets = names;
  targets.emplace_back(END);
  for (const auto& agent : agents) {
    graph.add_node(agent.name, agent.graph);
    graph.add_conditional_edges(
        agent.name,
        [](const S& s) {
          const auto next = handoff_targets(s.messages);
          return next.empty() ? std::string(END) : next.front();
        },
        targets);
  }
  return graph;
}

namespace detail {
/// Asks a model to pick one of several names.
AGENTFLOW_API asio::awaitable<std::string> choose(std::shared_ptr<ChatModel> model, std::vector<Message> conversation,
                                                  std::vector<std::pair<std::string, std::string>> choices);
}  // namespace detail

/// Builds a router: a model reads the conversation and picks the worker that answers it. The nodes are "route" and the
/// workers.
///
/// **Errors** `error` (agent_invalid) without a model or workers. In a run: output_invalid, as the cause of a
/// `node_error`, when the model twice names none of the workers.
template <class S = AgentState>
  requires Conversation<S>
StateGraph<S> route_by_model(std::shared_ptr<ChatModel> model,
                             const std::vector<Worker<std::type_identity_t<S>>>& workers) {
  if (!model) throw error(errc::agent_invalid, "a router needs a model, and was given a null pointer");
  if (workers.empty()) throw error(errc::agent_invalid, "a router needs workers");
  std::vector<std::pair<std::string, std::string>> choices;
  std::vector<std::string> names;
  for (const auto& worker : workers) {
    choices.emplace_back(worker.name, worker.description);
    names.push_back(worker.name);
  }
  StateGraph<S> graph;
  graph.add_node(
      "route",
      [model = std::move(model), choices = std::move(choices)](const S& s) -> asio::awaitable<Command<S>> {
        std::vector<Message> conversation(s.messages.begin(), s.messages.end());
        auto question = detail::choose(model, std::move(conversation), choices);
        std::string name = co_await std::move(question);
        Command<S> next;
        next.go_to(std::move(name));
        co_return next;
      },
      NodeOptions().destinations(std::move(names)));
  graph.set_entry_point("route");
  for (const auto& worker : workers) graph.add_node(worker.name, worker.graph).add_edge(worker.name, "END");
  return graph;
}

}  // namespace agentflow
