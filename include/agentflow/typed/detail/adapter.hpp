// SPDX-License-Identifier: MIT
// Turns a user's typed callable into an ErasedNode, ErasedRouter or ErasedHandler. Translates only; decides nothing.
#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <agentflow/graph/node.hpp>
#include <agentflow/typed/detail/callable.hpp>

namespace agentflow::detail {

/// Puts what a node returned where the engine wants it: into the state itself, or as changes into the update.
template <class S, class R>
void deliver(NodeIO& io, R&& result) {
  using M = StateModel<S>;
  using U = typename M::update_type;
  constexpr Returned kind = returned<S, std::remove_cvref_t<R>>();
  if constexpr (kind == Returned::state) {
    if (io.state != nullptr)
      *static_cast<S*>(io.state) = std::forward<R>(result);
    else
      M::diff(*static_cast<const S*>(io.input), result, *static_cast<U*>(io.update));
  } else if constexpr (kind == Returned::update) {
    if (io.state != nullptr) {
      io.merging = true;
      M::apply(*static_cast<S*>(io.state), result, nullptr);
      io.merging = false;
    } else {
      *static_cast<U*>(io.update) = std::move(result);
    }
  } else if constexpr (kind == Returned::command) {
    io.targets = std::move(result.route()).targets();
    deliver<S>(io, std::move(result.changes()));
  } else {
    deliver<S>(io, messages_update<S>(std::forward<R>(result), Role::assistant));
  }
}

/// A node made of a callable `F` over the state `S`, whose first parameter is `In` (the state, or a Send's input).
template <class S, class In, class F, bool IsBlocking>
class CallableNode final : public ErasedNode {
  static constexpr bool of_state = std::is_same_v<In, S>;
  static constexpr bool by_reference =
      std::is_invocable_v<F&, const In&> || std::is_invocable_v<F&, const In&, NodeContext&>;
  static constexpr bool by_value = std::is_invocable_v<F&, In&&> || std::is_invocable_v<F&, In&&, NodeContext&>;
  static_assert(by_value || by_reference,
                "agentflow: a node takes the state by value or const reference, and optionally af::NodeContext&: write "
                "State node(State s), or node(const State& s, af::NodeContext& ctx)");
  template <class A>
  static auto call_type() -> decltype(invoke_node(std::declval<F&>(), std::declval<A>(), std::declval<NodeContext&>()));
  using Called = decltype(call_type<In&&>());
  using Result = typename AwaitableOf<std::remove_cvref_t<Called>>::type;
  static constexpr bool is_async = AwaitableOf<std::remove_cvref_t<Called>>::value;
  static constexpr Returned kind_of_result = returned<S, Result>();
  static_assert(
      kind_of_result != Returned::unknown,
      "agentflow: a node returns its State, af::Update<State>, af::Command<State>, nothing, or (for a state with "
      "messages) af::Message, a list of messages, or text; or an asio::awaitable of one of these");
  static_assert(of_state || kind_of_result != Returned::state,
                "agentflow: a node with an input of its own cannot return the whole state: return af::Update<State>");
  static_assert(!(IsBlocking && is_async),
                "agentflow: af::blocking is for plain functions; a coroutine already leaves the event loop free");

 public:
  explicit CallableNode(F f) : fn_(std::move(f)) {}

  node_kind kind() const noexcept override {
    if constexpr (is_async) return node_kind::async;
    return IsBlocking ? node_kind::blocking : node_kind::sync;
  }
  const std::type_info& input_type() const noexcept override { return typeid(In); }
  InputCodec input_codec() const noexcept override {
    if constexpr (of_state)
      return {};
    else
      return InputCodec::of<In>();
  }
  bool may_command() const noexcept override { return kind_of_result == Returned::command; }

  void call(NodeIO& io) override {
    if constexpr (!is_async) {
      if constexpr (kind_of_result == Returned::nothing)
        invoke_with(io);
      else
        deliver<S>(io, invoke_with(io));
    } else {
      ErasedNode::call(io);
    }
  }

  // No coroutine itself: a plain function's node would pay for one in each program's compilation.
  asio::awaitable<void> acall(NodeIO& io) override {
    if constexpr (is_async)
      return await_call(io);
    else
      return ErasedNode::acall(io);
  }

 private:
  asio::awaitable<void> await_call(NodeIO& io) {
    auto work = invoke_with(io);
    if constexpr (kind_of_result == Returned::nothing) {
      co_await std::move(work);
    } else {
      Result result = co_await std::move(work);
      deliver<S>(io, std::move(result));
    }
  }

  /// Whether the callable's parameter is the state by value, so that it wants a state of its own.
  static constexpr bool wants_own = [] {
    if constexpr (PlainFunction<F> || OneCallOperator<F>) {
      using Args = typename decltype(FirstParameter<F, In>::template signature<F>())::type;
      return !std::is_reference_v<std::tuple_element_t<0, Args>>;
    } else {
      return true;
    }
  }();

  Called invoke_with(NodeIO& io) {
    if constexpr (of_state) {
      if (io.state != nullptr) {
        auto& state = *static_cast<S*>(io.state);
        // Whoever returns the whole state may consume the old one; an update is applied to it.
        if constexpr (wants_own && kind_of_result == Returned::state)
          return invoke_node(fn_, std::move(state), *io.context);
        if constexpr (wants_own) return invoke_node(fn_, S(std::as_const(state)), *io.context);
        if constexpr (!wants_own) return invoke_node(fn_, std::as_const(state), *io.context);
      }
    }
    const auto& input = *static_cast<const In*>(io.input);
    if constexpr (wants_own) {
      In mine(input);
      if constexpr (of_state) StateModel<S>::prepare_branch(mine);
      return invoke_node(fn_, std::move(mine), *io.context);
    } else {
      return invoke_node(fn_, input, *io.context);
    }
  }

  F fn_;
};

template <class S, class F>
std::unique_ptr<ErasedNode> make_node(F f) {
  using In = typename FirstParameter<F, S>::type;
  return std::make_unique<CallableNode<S, In, F, false>>(std::move(f));
}
template <class S, class F>
std::unique_ptr<ErasedNode> make_node(Blocking<F> f) {
  using In = typename FirstParameter<F, S>::type;
  return std::make_unique<CallableNode<S, In, F, true>>(std::move(f.fn));
}

/// A router: a callable from the state to something that becomes a Route.
template <class S, class F>
class CallableRouter final : public ErasedRouter {
  static_assert(std::is_invocable_v<F&, const S&> || std::is_invocable_v<F&, const S&, NodeContext&>,
                "agentflow: a router takes the state by const reference or value, and optionally af::NodeContext&");
  template <class A>
  static auto call_type() -> decltype(invoke_node(std::declval<F&>(), std::declval<A>(), std::declval<NodeContext&>()));
  using Called = decltype(call_type<const S&>());
  using Result = typename AwaitableOf<std::remove_cvref_t<Called>>::type;
  static constexpr bool async = AwaitableOf<std::remove_cvref_t<Called>>::value;
  static_assert(
      std::is_constructible_v<Route, Result>,
      "agentflow: a router returns a node's name, several names, af::Send (or several), af::Route, af::END or bool");

 public:
  explicit CallableRouter(F f) : fn_(std::move(f)) {}
  bool is_async() const noexcept override { return async; }
  bool may_fan_out() const noexcept override {
    return !(std::is_convertible_v<Result, std::string_view> || std::is_same_v<Result, bool>);
  }
  Route call(const void* state, NodeContext& context) override {
    if constexpr (!async) return Route(invoke_node(fn_, *static_cast<const S*>(state), context));
    return ErasedRouter::call(state, context);
  }
  asio::awaitable<Route> acall(const void* state, NodeContext& context) override {
    if constexpr (async)
      return await_call(state, context);
    else
      return ErasedRouter::acall(state, context);
  }

 private:
  asio::awaitable<Route> await_call(const void* state, NodeContext& context) {
    auto work = invoke_node(fn_, *static_cast<const S*>(state), context);
    Result result = co_await std::move(work);
    Route route(std::move(result));
    co_return route;
  }

  F fn_;
};

/// An error handler: a callable from the state and the error to what a node may return.
template <class S, class F>
class CallableHandler final : public ErasedHandler {
  static_assert(std::is_invocable_v<F&, S, const error&>,
                "agentflow: an error handler takes the state and the error: handler(State s, const af::error& e)");
  using Result = std::invoke_result_t<F&, S, const error&>;
  static_assert(
      returned<S, Result>() != Returned::unknown,
      "agentflow: an error handler returns what a node may return: State, Update, Command, messages or nothing");

 public:
  explicit CallableHandler(F f) : fn_(std::move(f)) {}
  void call(NodeIO& io, const error& e) override {
    // `e` tells what failed; a task that a Send gave another input shows its handler an empty state.
    S mine = io.state_input ? S(*static_cast<const S*>(io.input)) : S();
    StateModel<S>::prepare_branch(mine);
    if constexpr (std::is_void_v<Result>)
      fn_(std::move(mine), e);
    else
      deliver<S>(io, fn_(std::move(mine), e));
  }

 private:
  F fn_;
};

/// A subgraph over the same state.
template <class S>
class SameStateSubgraph final : public ErasedNode {
 public:
  explicit SameStateSubgraph(std::shared_ptr<const GraphSpec> spec) : spec_(std::move(spec)) {}
  node_kind kind() const noexcept override { return node_kind::subgraph; }
  const std::type_info& input_type() const noexcept override { return typeid(S); }
  std::shared_ptr<const GraphSpec> subgraph() const override { return spec_; }
  StateBox enter(NodeIO& io) override {
    if (io.state != nullptr) return StateBox(state_ops<S>(), new S(std::move(*static_cast<S*>(io.state))));
    auto mine = std::make_unique<S>(*static_cast<const S*>(io.input));
    StateModel<S>::prepare_branch(*mine);
    return StateBox(state_ops<S>(), mine.release());
  }
  void leave(NodeIO& io, StateBox child) override { deliver<S>(io, std::move(*static_cast<S*>(child.get()))); }

 private:
  std::shared_ptr<const GraphSpec> spec_;
};

/// A subgraph over another state, with a mapping in and a mapping out.
template <class S, class C, class ToChild, class FromChild>
class MappedSubgraph final : public ErasedNode {
  static_assert(std::is_invocable_r_v<C, ToChild&, const S&>,
                "agentflow: the first mapping of a subgraph is Child to(const Parent&)");
  static_assert(std::is_invocable_v<FromChild&, const S&, C>,
                "agentflow: the second mapping of a subgraph is from(const Parent&, Child)");
  using Out = std::invoke_result_t<FromChild&, const S&, C>;
  static_assert(returned<S, Out>() != Returned::unknown,
                "agentflow: the second mapping of a subgraph is from(const Parent&, Child) and returns Parent, "
                "af::Update<Parent>, af::Command<Parent>, messages or nothing");

 public:
  MappedSubgraph(std::shared_ptr<const GraphSpec> spec, ToChild to, FromChild from)
      : spec_(std::move(spec)), to_(std::move(to)), from_(std::move(from)) {}
  node_kind kind() const noexcept override { return node_kind::subgraph; }
  const std::type_info& input_type() const noexcept override { return typeid(S); }
  bool may_command() const noexcept override { return returned<S, Out>() == Returned::command; }
  bool maps_state() const noexcept override { return true; }
  std::shared_ptr<const GraphSpec> subgraph() const override { return spec_; }
  StateBox enter(NodeIO& io) override { return StateBox(state_ops<C>(), new C(to_(parent(io)))); }
  void leave(NodeIO& io, StateBox child) override {
    C& result = *static_cast<C*>(child.get());
    if constexpr (std::is_void_v<Out>)
      from_(parent(io), std::move(result));
    else
      deliver<S>(io, from_(parent(io), std::move(result)));
  }

 private:
  static const S& parent(NodeIO& io) { return *static_cast<const S*>(io.state != nullptr ? io.state : io.input); }
  std::shared_ptr<const GraphSpec> spec_;
  ToChild to_;
  FromChild from_;
};

}  // namespace agentflow::detail
