// SPDX-License-Identifier: MIT
// Input<State>: what a run can be started with.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/graph/state_ops.hpp>
#include <agentflow/run/run_input.hpp>
#include <agentflow/typed/detail/callable.hpp>

namespace agentflow {

/// The input of a run: a state, an update, a `Resume`, or, for a conversation, a message, messages or text of the user.
/// Where the thread of the run has a state already, an input state is what it changes against an empty one.
/// Converts from each of these, so that `invoke("Hello")` reads as it should.
///
/// On g++ 12 name an aggregate state before you await with it: `State s{...}; co_await graph.ainvoke(std::move(s));`. A
/// `State{...}` inside the same expression as `co_await` is destroyed twice by that compiler.
template <class S>
class AGENTFLOW_VISIBLE Input {
 public:
  Input(S state) : input_(StateBox(state_ops<S>(), new S(std::move(state)))) {}
  Input(typename StateModel<S>::update_type update) : input_(UpdateBox(state_ops<S>())) {
    *static_cast<typename StateModel<S>::update_type*>(input_.update.get()) = std::move(update);
  }
  /// Goes on with the stored run of the thread.
  Input(Resume resume) : input_(std::move(resume)) {}
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

  RunInput&& take() && { return std::move(input_); }

 private:
  RunInput input_;
};

}  // namespace agentflow
