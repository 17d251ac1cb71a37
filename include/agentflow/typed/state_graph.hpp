// SPDX-License-Identifier: MIT
// StateGraph<State>: build a graph of nodes over a state, then compile() it.
#pragma once

#include <concepts>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/graph/graph_builder.hpp>
#include <agentflow/state/agent_state.hpp>
#include <agentflow/typed/compiled_graph.hpp>
#include <agentflow/typed/detail/adapter.hpp>

namespace agentflow {

namespace detail {
template <class F>
inline constexpr bool is_compiled_graph = false;
template <class S>
inline constexpr bool is_compiled_graph<CompiledGraph<S>> = true;

template <class Part, class Graph>
concept Attachable = requires(const Part& part, Graph& graph, std::string name, NodeOptions options) {
  part.attach(graph, std::move(name), std::move(options));
};
}  // namespace detail

/// A name in a braced list of targets. Made from one string, never from two: so `{{"key", "node"}, {"other", "END"}}`
/// can only be a path map (`std::string` itself takes a pair of `const char*` for the ends of one text).
class TargetName {
 public:
  template <std::convertible_to<std::string_view> T>
  TargetName(const T& name) : name_(std::string_view(name)) {}
  operator std::string() const { return std::string(name_); }

 private:
  std::string_view name_;
};

/// Builds a graph: nodes over a state, edges between them. Nothing is checked until `compile()`, which reports all
/// problems at once; so calls may come in any order.
///
/// ```cpp
/// af::StateGraph<> graph;
/// graph.add_node("agent", [](af::AgentState s) { return s; });
/// graph.set_entry_point("agent").add_edge("agent", "END");
/// auto app = graph.compile();
/// ```
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe. Copies share the nodes' callables, so a callable
/// that changes its own captures must be prepared to be called by several runs at once.
template <class S = AgentState>
class AGENTFLOW_VISIBLE StateGraph {
  static_assert(std::is_class_v<S> && std::is_same_v<S, std::remove_cvref_t<S>>, "agentflow: a state is a struct");

 public:
  StateGraph() : builder_(state_ops<S>()) {}

  /// Adds a node: a function, lambda (capturing and move-only ones too) or functor, plain or an `asio::awaitable`
  /// coroutine. It takes the state by value or const reference, optionally `af::NodeContext&` second, and returns the
  /// State, `Update`, `Command`, nothing, or for a conversation a message, messages or text. A node whose first
  /// parameter is of another type is started by `Send`s that carry such a value.
  template <class F>
    requires(!std::is_member_function_pointer_v<std::decay_t<F>> &&
             !std::is_same_v<std::decay_t<F>, CompiledGraph<S>> && !detail::Attachable<std::decay_t<F>, StateGraph>)
  StateGraph& add_node(std::string name, F&& fn, NodeOptions options = {}) {
    static_assert(!detail::is_compiled_graph<std::decay_t<F>>,
                  "agentflow: this graph has another state: add it with add_subgraph(name, graph, to, from)");
    builder_.add_node(std::move(name), detail::make_node<S>(std::decay_t<F>(std::forward<F>(fn))), std::move(options));
    return *this;
  }
  /// Adds a member function of an object, given as a pointer (which must outlive all runs) or a shared_ptr.
  template <class Method, class Object>
    requires std::is_member_function_pointer_v<Method>
  StateGraph& add_node(std::string name, Method method, Object object, NodeOptions options = {}) {
    return add_node(std::move(name), bind(method, std::move(object)), std::move(options));
  }
  /// Adds a compiled graph over the same state as one node.
  StateGraph& add_node(std::string name, const CompiledGraph<S>& graph, NodeOptions options = {}) {
    builder_.add_node(std::move(name), std::make_unique<detail::SameStateSubgraph<S>>(graph.spec()),
                      std::move(options));
    return *this;
  }
  /// Adds what knows how to add itself, such as a `ToolNode`: `part.attach(graph, name, options)`.
  template <class Part>
    requires detail::Attachable<Part, StateGraph>
  StateGraph& add_node(std::string name, const Part& part, NodeOptions options = {}) {
    part.attach(*this, std::move(name), std::move(options));
    return *this;
  }
  /// Adds a compiled graph over another state: `to(parent)` makes its input, `from(parent, child)` gives what the node
  /// returns.
  template <class C, class ToChild, class FromChild>
  StateGraph& add_subgraph(std::string name, const CompiledGraph<C>& graph, ToChild to, FromChild from,
                           NodeOptions options = {}) {
    builder_.add_node(std::move(name),
                      std::make_unique<detail::MappedSubgraph<S, C, ToChild, FromChild>>(graph.spec(), std::move(to),
                                                                                         std::move(from)),
                      std::move(options));
    return *this;
  }
  /// Replaces what a node does, keeping its place, edges and options: for tests.
  template <class F>
  StateGraph& override_node(std::string name, F&& fn) {
    builder_.override_node(std::move(name), detail::make_node<S>(std::decay_t<F>(std::forward<F>(fn))));
    return *this;
  }

  /// Runs `to` in the step after `from`. Several edges from one node fan out.
  StateGraph& add_edge(std::string_view from, std::string_view to) {
    builder_.add_edge(std::string(from), std::string(to));
    return *this;
  }
  /// Runs `to` once all of `from` have run.
  StateGraph& add_edge(std::initializer_list<std::string_view> from, std::string_view to) {
    return add_edge(std::vector<std::string>(from.begin(), from.end()), to);
  }
  StateGraph& add_edge(const std::vector<std::string>& from, std::string_view to) {
    if (from.size() == 1) return add_edge(std::string_view(from.front()), to);
    builder_.add_join(from, std::string(to));
    return *this;
  }
  /// The same as an edge from START.
  StateGraph& set_entry_point(std::string_view node) { return add_edge(START, node); }

  /// Lets `router` choose what follows `from`: it takes the state after the step and returns a name, several, `Send`s
  /// or `END`. Without a path map it may name any node; declare one wherever you can, so that compile() can check it.
  template <class F>
  StateGraph& add_conditional_edges(std::string_view from, F&& router) {
    builder_.add_router(std::string(from), make_router(std::forward<F>(router)), std::nullopt);
    return *this;
  }
  /// The same with a path map: the router returns keys, and the map says where they lead.
  template <class F>
  StateGraph& add_conditional_edges(std::string_view from, F&& router,
                                    std::initializer_list<std::pair<std::string_view, std::string_view>> path_map) {
    return add_conditional_edges(from, std::forward<F>(router),
                                 std::map<std::string, std::string>(path_map.begin(), path_map.end()));
  }
  template <class F, std::same_as<std::map<std::string, std::string>> Map>
  StateGraph& add_conditional_edges(std::string_view from, F&& router, Map path_map) {
    builder_.add_router(std::string(from), make_router(std::forward<F>(router)), std::move(path_map));
    return *this;
  }
  /// The same with a list of targets, whose names are the keys.
  template <class F>
  StateGraph& add_conditional_edges(std::string_view from, F&& router, std::initializer_list<TargetName> targets) {
    return add_conditional_edges(from, std::forward<F>(router),
                                 std::vector<std::string>(targets.begin(), targets.end()));
  }
  template <class F, std::same_as<std::vector<std::string>> List>
  StateGraph& add_conditional_edges(std::string_view from, F&& router, const List& targets) {
    std::map<std::string, std::string> path_map;
    for (const auto& t : targets) path_map[t] = t;
    return add_conditional_edges(from, std::forward<F>(router), std::move(path_map));
  }

  /// Gives a node's result in its place when it fails for good: `handler(State s, const af::error& e)` returns what a
  /// node may return. Without a name: for all nodes that have no handler of their own.
  template <class F>
    requires(!std::is_convertible_v<F, std::string_view>)
  StateGraph& on_error(F&& handler) {
    builder_.on_error(std::nullopt, make_handler(std::forward<F>(handler)));
    return *this;
  }
  template <class F>
  StateGraph& on_error(std::string node, F&& handler) {
    builder_.on_error(std::move(node), make_handler(std::forward<F>(handler)));
    return *this;
  }

  /// Validates the graph and makes it ready to run.
  ///
  /// **Errors** `graph_error` that lists every problem, each with its code, the names involved and what was declared.
  CompiledGraph<S> compile(CompileOptions options = {}, CallSite made = CallSite::current()) const {
    auto spec = builder_.freeze(options.node_defaults());
    return CompiledGraph<S>(ErasedGraph(std::move(spec), std::move(options), made));
  }

 private:
  template <class F>
  static std::unique_ptr<ErasedRouter> make_router(F&& router) {
    return std::make_unique<detail::CallableRouter<S, std::decay_t<F>>>(std::decay_t<F>(std::forward<F>(router)));
  }
  template <class F>
  static std::unique_ptr<ErasedHandler> make_handler(F&& handler) {
    return std::make_unique<detail::CallableHandler<S, std::decay_t<F>>>(std::decay_t<F>(std::forward<F>(handler)));
  }
  template <class C, class R, class... A, class Object>
  static auto bind(R (C::*method)(A...), Object object) {
    return [method, object = std::move(object)](A... args) -> R {
      return (std::to_address(object)->*method)(std::forward<A>(args)...);
    };
  }
  template <class C, class R, class... A, class Object>
  static auto bind(R (C::*method)(A...) const, Object object) {
    return [method, object = std::move(object)](A... args) -> R {
      return (std::to_address(object)->*method)(std::forward<A>(args)...);
    };
  }

  GraphBuilder builder_;
};

// Compiled into the library, as what they are made of is: see agent_state.hpp.
extern template Update<AgentState> detail::messages_update<AgentState>(Message&&, Role);
extern template class Input<AgentState>;
extern template class RunResult<AgentState>;
extern template class CompiledGraph<AgentState>;
extern template class StateGraph<AgentState>;

}  // namespace agentflow
