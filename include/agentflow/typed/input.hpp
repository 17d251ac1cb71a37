// SPDX-License-Identifier: MIT
// Input<State>: what a run can be started with.
#pragma once

#include <concepts>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/graph/state_ops.hpp>
#include <agentflow/typed/detail/callable.hpp>

namespace agentflow {

/// The input of a run: a state, an update of an empty state, or, for a conversation, a message, messages or text of the
/// user. Converts from each of these, so that `invoke("Hello")` reads as it should.
///
/// On g++ 12 name an aggregate state before you await with it: `State s{...}; co_await graph.ainvoke(std::move(s));`. A
/// `State{...}` inside the same expression as `co_await` is destroyed twice by that compiler.
template <class S>
class Input {
 public:
  Input(S state) : state_(std::make_unique<S>(std::move(state))) {}
  Input(typename StateModel<S>::update_type update) : state_(std::make_unique<S>()) {
    StateModel<S>::apply(*state_, update, nullptr);
  }
  template <class M>
    requires(Conversation<S> && !std::is_same_v<std::remove_cvref_t<M>, Input> &&
             !std::is_same_v<std::remove_cvref_t<M>, S> &&
             detail::returned<S, std::remove_cvref_t<M>>() == detail::Returned::messages)
  Input(M&& messages) : Input(detail::messages_update<S>(std::forward<M>(messages), Role::user)) {}

  /// Text is an input of conversations only; this says so.
  template <class M>
    requires(!Conversation<S> && std::is_convertible_v<M, std::string_view> && !std::is_convertible_v<M, S>)
  Input(M&&) {
    static_assert(
        !sizeof(M),
        "agentflow: text is an input of conversations only (a state with a list of messages named 'messages'): "
        "give this graph its state, as invoke(State{...})");
  }

  StateBox take() && { return StateBox(state_ops<S>(), state_.release()); }

 private:
  std::unique_ptr<S> state_;
};

}  // namespace agentflow
