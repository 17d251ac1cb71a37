// SPDX-License-Identifier: MIT
// ToolNode: runs the tool calls of the last message, and adds their results to the conversation.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/ports/tool_set.hpp>
#include <agentflow/typed/state_graph.hpp>

namespace agentflow {

/// What is decided about a call before it is made. As JSON: true, false, `{"deny": reason}` or `{"arguments": {...}}`.
class Approval {
 public:
  /// As `deny()`.
  Approval() : denied_("The user did not allow this call.") {}
  /// Lets the call be made as it is.
  static Approval approve() {
    Approval a;
    a.denied_.reset();
    return a;
  }
  /// Tells the model that the call was not allowed, and why.
  static Approval deny() { return Approval(); }
  static Approval deny(std::string reason) {
    Approval a;
    a.denied_ = std::move(reason);
    return a;
  }
  /// Makes the call with other arguments; they are checked like those of the model.
  static Approval rewrite(JsonValue arguments) {
    Approval a = approve();
    a.arguments_ = std::move(arguments);
    return a;
  }

  const std::optional<std::string>& denied() const noexcept { return denied_; }
  const std::optional<JsonValue>& arguments() const noexcept { return arguments_; }

 private:
  std::optional<std::string> denied_;
  std::optional<JsonValue> arguments_;
};
static_assert(!std::is_aggregate_v<Approval>);

AGENTFLOW_API void agentflow_write_json(JsonWriter& out, const Approval& approval);
AGENTFLOW_API void agentflow_read_json(const JsonReader& in, Approval& approval);

/// A confirmation hook that asks whoever goes on with the run, in any process, at any time: it interrupts the run with
/// `{"tool": ..., "call_id": ..., "arguments": ...}`, and the answer is an `Approval`.
///
/// ```cpp
/// options.confirm(af::interrupt_for_approval);  // ... app.invoke(af::Resume(af::Approval::approve()), thread)
/// ```
/// **Errors** those of `NodeContext::interrupt`; they fail the run.
AGENTFLOW_API asio::awaitable<Approval> interrupt_for_approval(ToolCallBlock call, NodeContext& context);

/// How a `ToolNode` runs tools.
class ToolNodeOptions {
 public:
  using Confirm = std::function<asio::awaitable<Approval>(ToolCallBlock call, NodeContext& context)>;

  ToolNodeOptions() = default;
  /// Asked before each call of a tool with side effects: `hook(call, context)` returns an `Approval`, or an
  /// `asio::awaitable` of one. A hook that throws counts as a no, but for `config_error` and `json_error`, which an
  /// interrupt throws that has no thread or no right answer: they fail the run. Without a hook such tools are called
  /// like others.
  template <class F>
  ToolNodeOptions& confirm(F hook) & {
    if constexpr (std::is_same_v<std::invoke_result_t<F&, const ToolCallBlock&, NodeContext&>, Approval>) {
      // The node owns this lambda, which is the frame's home.
      confirm_ = [hook = std::move(hook)](ToolCallBlock call,
                                          NodeContext& context) mutable -> asio::awaitable<Approval> {
        Approval answer = hook(call, context);
        co_return answer;
      };
    } else {
      confirm_ = std::move(hook);
    }
    return *this;
  }
  template <class F>
  ToolNodeOptions&& confirm(F hook) && {
    return std::move(confirm(std::move(hook)));
  }
  /// The timeout of tools that set none themselves. Default: none.
  ToolNodeOptions& timeout(std::chrono::nanoseconds d) & {
    timeout_ = d;
    return *this;
  }
  ToolNodeOptions&& timeout(std::chrono::nanoseconds d) && { return std::move(timeout(d)); }
  /// The most calls of one message that are made; the model is told about the others. Default: 64.
  ToolNodeOptions& max_calls(std::size_t n) & {
    max_calls_ = n;
    return *this;
  }
  ToolNodeOptions&& max_calls(std::size_t n) && { return std::move(max_calls(n)); }

  const Confirm& confirm() const noexcept { return confirm_; }
  const std::optional<std::chrono::nanoseconds>& timeout() const noexcept { return timeout_; }
  std::size_t max_calls() const noexcept { return max_calls_; }

 private:
  Confirm confirm_;
  std::optional<std::chrono::nanoseconds> timeout_;
  std::size_t max_calls_ = 64;
};
static_assert(!std::is_aggregate_v<ToolNodeOptions>);

/// The state of the graph inside a `ToolNode`: a message with calls, and a result for each, by its number.
struct ToolTurn {
  Message request;
  int call = -1;  ///< Which of the original calls the only one here is; -1 for all of them.
  std::map<std::string, Message> results;
};
AGENTFLOW_STATE(ToolTurn, request, call, (results, merge_map))

/// A node that runs the tool calls of the last message, side by side, and adds one tool message for each, in the order
/// of the calls.
///
/// What goes wrong with one call becomes its result, marked as an error, and the run goes on: an unknown tool,
/// arguments that do not fit the schema (each fault with its place), an exception, a timeout, a denied confirmation, a
/// call too many. Only cancellation ends the run. A result past the tool's limit is cut, with a line that says so, and
/// bytes that are not UTF-8 are replaced.
///
/// It is a graph of the public kind: a node that checks the calls, one that asks for confirmation where there is a
/// hook, and one for each tool, with the tool's timeout. The drawing shows them.
///
/// ```cpp
/// graph.add_node("tools", af::ToolNode({weather, calculator}));
/// ```
/// **Errors** `graph_error` as other graphs. In a run: `tool_error` (tool_invalid), as the cause of a `node_error`,
/// when the last message has no calls.
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
/// **Cancellation** cancels all calls, and waits for those that cannot be interrupted.
class AGENTFLOW_API ToolNode {
 public:
  explicit ToolNode(ToolSet tools, ToolNodeOptions options = {});
  ToolNode(std::initializer_list<std::shared_ptr<Tool>> tools) : ToolNode(ToolSet(tools)) {}

  /// The graph that handles one message.
  const CompiledGraph<ToolTurn>& graph() const noexcept { return graph_; }

  /// Used by `StateGraph::add_node`.
  template <class S>
    requires Conversation<S>
  void attach(StateGraph<S>& graph, std::string name, NodeOptions options) const {
    graph.add_subgraph(
        std::move(name), graph_, [](const S& s) { return begin(s.messages); },
        [](const S&, const ToolTurn& turn) { return Update<S>().template write<&S::messages>(results(turn)); },
        std::move(options));
  }

 private:
  static ToolTurn begin(const List<Message>& conversation);
  static std::vector<Message> results(const ToolTurn& turn);

  CompiledGraph<ToolTurn> graph_;
};

}  // namespace agentflow
