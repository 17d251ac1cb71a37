// SPDX-License-Identifier: MIT
// react_agent: a model that calls tools until it has an answer. And what all agents are made of.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/ports/chat_model.hpp>
#include <agentflow/ports/tool_set.hpp>
#include <agentflow/prebuilt/handoff.hpp>
#include <agentflow/prebuilt/prompt.hpp>
#include <agentflow/prebuilt/tool_node.hpp>
#include <agentflow/typed/state_graph.hpp>

namespace agentflow {

/// Asks a model from within a node. Where somebody listens to messages, the answer is streamed: each piece of text is a
/// token of the run under the id that the answer's message has, so that the tokens put together are the message's text.
///
/// **Cancellation** destroys the model's stream, which closes the request.
/// **Lifetime** The context must outlive the call, as it does in its node.
AGENTFLOW_API asio::awaitable<ChatResponse> call_model(std::shared_ptr<ChatModel> model, ChatRequest request,
                                                       NodeContext& context);

/// Why the model stopped at this answer of an agent. What is not `StopReason::end`, and not for its tool calls, is
/// noted in the message's metadata, so that a stored conversation knows it too: an answer that was cut (`length`),
/// refused, paused by the provider, or ended for a reason of its own (`other`).
AGENTFLOW_API StopReason stop_reason(const Message& answer);

/// How an agent talks to its model and calls its tools.
class AgentOptions {
 public:
  using Request = std::function<void(ChatRequest& request)>;
  using History = std::function<std::vector<Message>(const List<Message>& conversation)>;

  AgentOptions() = default;
  /// The system prompt, with fields of the state in braces. Default: none.
  AgentOptions& prompt(PromptTemplate text) & {
    prompt_ = std::move(text);
    return *this;
  }
  AgentOptions&& prompt(PromptTemplate text) && { return std::move(prompt(std::move(text))); }
  /// The name that the agent's messages carry. Default: none.
  AgentOptions& name(std::string n) & {
    name_ = std::move(n);
    return *this;
  }
  AgentOptions&& name(std::string n) && { return std::move(name(std::move(n))); }
  /// Confirmation, timeouts and limits of tool calls.
  AgentOptions& tools(ToolNodeOptions o) & {
    tools_ = std::move(o);
    return *this;
  }
  AgentOptions&& tools(ToolNodeOptions o) && { return std::move(tools(std::move(o))); }
  /// Called with each request before it is sent: to set the temperature, the tool choice and so on.
  AgentOptions& request(Request fn) & {
    request_ = std::move(fn);
    return *this;
  }
  AgentOptions&& request(Request fn) && { return std::move(request(std::move(fn))); }
  /// Chooses what of the conversation the model sees, for example with `trim_messages`. Default: everything.
  AgentOptions& history(History fn) & {
    history_ = std::move(fn);
    return *this;
  }
  AgentOptions&& history(History fn) && { return std::move(history(std::move(fn))); }
  /// Retries and timeouts of the node that calls the model.
  AgentOptions& node(NodeOptions o) & {
    node_ = std::move(o);
    return *this;
  }
  AgentOptions&& node(NodeOptions o) && { return std::move(node(std::move(o))); }

  const PromptTemplate& prompt() const noexcept { return prompt_; }
  const std::string& name() const noexcept { return name_; }
  const ToolNodeOptions& tools() const noexcept { return tools_; }
  const Request& request() const noexcept { return request_; }
  const History& history() const noexcept { return history_; }
  const NodeOptions& node() const noexcept { return node_; }

 private:
  PromptTemplate prompt_;
  std::string name_;
  ToolNodeOptions tools_;
  Request request_;
  History history_;
  NodeOptions node_;
};
static_assert(!std::is_aggregate_v<AgentOptions>);

/// An agent's dealings with its model, whatever its state: makes the request, gives the answer as a message.
///
/// **Thread safety** Shared objects: safe (immutable).
class AGENTFLOW_API ModelCaller {
 public:
  /// **Errors** `error` (agent_invalid) when the model is null.
  ModelCaller(std::shared_ptr<ChatModel> model, std::vector<ToolSpec> tools, AgentOptions options);

  const AgentOptions& options() const noexcept { return options_; }
  ChatRequest request(std::string system, const List<Message>& conversation) const;
  /// Asks and waits. The caller must outlive the call.
  asio::awaitable<Message> ask(std::string system, List<Message> conversation, NodeContext& context) const;

  /// A node that asks with the conversation of its state.
  template <class S>
    requires Conversation<S>
  static auto node(std::shared_ptr<const ModelCaller> caller) {
    caller->options().prompt().check<S>();
    return [caller](const S& s, NodeContext& context) {
      return caller->ask(caller->options().prompt().render(s), s.messages, context);
    };
  }

 private:
  std::shared_ptr<ChatModel> model_;
  std::vector<ToolSpec> tools_;
  AgentOptions options_;
};

/// Builds an agent: the model is asked, the tools that it calls are run, and it is asked again with their results,
/// until it answers without a call. The nodes are "agent" and "tools". It is an ordinary graph: add nodes, compile it,
/// make it a node of another.
///
/// ```cpp
/// auto app = af::react_agent(model, {weather, calculator}).compile();
/// auto result = co_await app.ainvoke("Will it rain in Rome?");
/// ```
/// A call of a handoff tool ends this agent's turn; the graph around it goes on with `handoff_targets`. An answer that
/// is no whole answer ends the turn as well: `stop_reason` says so.
///
/// **Errors** `error` (agent_invalid) without a model; prompt_invalid when the prompt names fields that the state does
/// not have. In a run: `node_error` with the `model_error` as its cause; `recursion_error` when model and tools go
/// round for too long.
/// **Cancellation** closes the request to the model and cancels the tools.
///
/// With `after`, an answer leads to the node of that name, which the caller adds, instead of END.
template <class S = AgentState>
  requires Conversation<S>
StateGraph<S> react_agent(std::shared_ptr<ChatModel> model, ToolSet tools = {}, AgentOptions options = {},
                          const std::string& after = std::string(END)) {
  const auto caller = std::make_shared<const ModelCaller>(std::move(model), tools.specs(), options);
  StateGraph<S> graph;
  graph.add_node("agent", ModelCaller::node<S>(caller), options.node());
  graph.set_entry_point("agent");
  if (tools.empty()) {
    graph.add_edge("agent", after);
    return graph;
  }
  graph.add_conditional_edges(
      "agent", [after](const S& s) { return s.messages.back().has_tool_calls() ? "tools" : after; },
      std::vector<std::string>{"tools", after});
  bool hands_off = false;
  for (const auto& entry : tools) hands_off = hands_off || !entry.tool->hands_off_to().empty();
  graph.add_node("tools", ToolNode(std::move(tools), options.tools()));
  if (hands_off)
    graph.add_conditional_edges(
        "tools", [](const S& s) { return handoff_targets(s.messages).empty() ? "agent" : "END"; }, {"agent", "END"});
  else
    graph.add_edge("tools", "agent");
  return graph;
}

}  // namespace agentflow
