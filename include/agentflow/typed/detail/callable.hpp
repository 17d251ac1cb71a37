// SPDX-License-Identifier: MIT
// What a user's callable takes and returns, found at compile time, with messages that say what to write.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/graph/context.hpp>
#include <agentflow/state/agent_state.hpp>
#include <agentflow/state/command.hpp>

namespace agentflow {

/// A function wrapped by `af::blocking`: it runs on the graph's pool of threads instead of the event loop.
template <class F>
class Blocking {
 public:
  explicit Blocking(F f) : fn(std::move(f)) {}
  F fn;
};

/// Marks a node's function as blocking: slow file or database calls, long computations. The run waits for it without
/// holding up its event loop. Pass the result to `add_node`.
template <class F>
Blocking<std::decay_t<F>> blocking(F&& fn) {
  return Blocking<std::decay_t<F>>(std::forward<F>(fn));
}

namespace detail {

template <class T>
struct AwaitableOf {
  using type = T;
  static constexpr bool value = false;
};
template <class T>
struct AwaitableOf<asio::awaitable<T>> {
  using type = T;
  static constexpr bool value = true;
};

template <class F>
struct Signature;
template <class R, class... A>
struct Signature<R(A...)> {
  using result = R;
  using arguments = std::tuple<A...>;
};
template <class R, class... A>
struct Signature<R (*)(A...)> : Signature<R(A...)> {};
template <class R, class... A>
struct Signature<R (*)(A...) noexcept> : Signature<R(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> : Signature<R(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> : Signature<R(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) noexcept> : Signature<R(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const noexcept> : Signature<R(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)&> : Signature<R(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const&> : Signature<R(A...)> {};

template <class F>
concept PlainFunction = std::is_function_v<std::remove_pointer_t<F>>;
template <class F>
concept OneCallOperator = requires { &F::operator(); };

/// The first parameter of F, decayed; S where F is overloaded or a template (`auto` parameters).
template <class F, class S>
struct FirstParameter {
  using type = S;
};
template <class F, class S>
  requires(PlainFunction<F> || OneCallOperator<F>)
struct FirstParameter<F, S> {
  template <class Tuple>
  struct First {
    using type = S;
  };
  template <class A, class... B>
  struct First<std::tuple<A, B...>> {
    using type = std::remove_cvref_t<A>;
    static_assert(!std::is_reference_v<A> || std::is_same_v<A, const type&> || std::is_same_v<type, NodeContext>,
                  "agentflow: take the state by value or by const reference: nodes never share a mutable state. Write "
                  "State node(State s) { ...; return s; }");
    static_assert(!std::is_same_v<type, NodeContext>,
                  "agentflow: the state comes first: write node(State s, af::NodeContext& ctx)");
  };
  template <class G>
  static auto signature() {
    if constexpr (PlainFunction<G>)
      return std::type_identity<typename Signature<std::decay_t<G>>::arguments>{};
    else
      return std::type_identity<typename Signature<decltype(&G::operator())>::arguments>{};
  }
  using type = typename First<typename decltype(signature<F>())::type>::type;
};

template <class F, class In>
inline constexpr bool takes_context = std::is_invocable_v<F&, In&&, NodeContext&>;

template <class F, class In>
decltype(auto) invoke_node(F& f, In&& in, NodeContext& context) {
  if constexpr (takes_context<F, In>)
    return f(std::forward<In>(in), context);
  else
    return f(std::forward<In>(in));
}

/// What a node may return, apart from nothing.
enum class Returned { state, update, command, messages, nothing, unknown };

template <class S, class R>
consteval Returned returned() {
  using U = typename StateModel<S>::update_type;
  if constexpr (std::is_void_v<R>)
    return Returned::nothing;
  else if constexpr (std::is_same_v<R, S>)
    return Returned::state;
  else if constexpr (std::is_same_v<R, U>)
    return Returned::update;
  else if constexpr (std::is_same_v<R, Command<S>>)
    return Returned::command;
  else if constexpr (Conversation<S> && (std::is_same_v<R, Message> || std::is_convertible_v<R, std::string> ||
                                         std::is_convertible_v<R, std::string_view> ||
                                         std::is_same_v<R, std::vector<Message>> || std::is_same_v<R, List<Message>>))
    return Returned::messages;
  else
    return Returned::unknown;
}

/// Makes an update of what a conversation's node returned: text becomes a message of the assistant.
template <class S, class R>
AGENTFLOW_VISIBLE typename StateModel<S>::update_type messages_update(R&& value, Role role) {
  typename StateModel<S>::update_type u;
  using V = std::remove_cvref_t<R>;
  if constexpr (std::is_same_v<V, Message> || std::is_same_v<V, std::vector<Message>> ||
                std::is_same_v<V, List<Message>>)
    u.template write<&S::messages>(std::forward<R>(value));
  else
    u.template write<&S::messages>(Message::from_text(std::string(std::forward<R>(value)), role));
  return u;
}

}  // namespace detail
}  // namespace agentflow
