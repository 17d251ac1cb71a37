// SPDX-License-Identifier: MIT
// AgentState: the state of a conversation, and what makes a state a conversation.
#pragma once

#include <concepts>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/state/list.hpp>
#include <agentflow/state/message.hpp>
#include <agentflow/state/update.hpp>

namespace agentflow {

/// The default state: a conversation. Messages merge by id (`add_messages`), in the order of declared nodes.
/// For more fields write your own struct with a `List<Message> messages` and the same reducer: every helper that
/// takes messages works with it.
struct AGENTFLOW_VISIBLE AgentState {
  List<Message> messages;

  bool operator==(const AgentState&) const = default;
};
AGENTFLOW_STATE(AgentState, (messages, add_messages))

namespace detail {
template <class S>
consteval bool has_messages() {
  if constexpr (requires { requires std::same_as<decltype(S::messages), List<Message>>; } && Described<S>)
    return field_index<S, &S::messages>() < field_count<S>;
  else
    return false;
}
}  // namespace detail

/// A state with a described field `List<Message> messages`: nodes may return messages or text, and runs take them as
/// input.
template <class S>
concept Conversation = detail::has_messages<S>();

// Conversations are what most programs have: these are compiled into the library, once for all.
extern template class detail::Log<Message>;
extern template class detail::LogRef<Message>;
extern template class List<Message>;
extern template class Update<AgentState>;
extern template Update<AgentState>& Update<AgentState>::write<&AgentState::messages>(Message&&) &;
extern template struct StateModel<AgentState>;
extern template Diff<std::vector<Message>> add_messages::diff(const List<Message>&, List<Message>&&);
extern template void add_messages::apply(List<Message>&, std::vector<Message>);
extern template void add_messages::combine(std::vector<Message>&, std::vector<Message>);

}  // namespace agentflow
