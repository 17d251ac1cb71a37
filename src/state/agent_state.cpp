// SPDX-License-Identifier: MIT
// What the library holds of the templates of a conversation.
#include <agentflow/state/agent_state.hpp>

#include <utility>
#include <vector>

namespace agentflow {

template class detail::Log<Message>;
template class detail::LogRef<Message>;
template class List<Message>;
template class Update<AgentState>;
template Update<AgentState>& Update<AgentState>::write<&AgentState::messages>(Message&&) &;
template struct StateModel<AgentState>;
template Diff<std::vector<Message>> add_messages::diff(const List<Message>&, List<Message>&&);
template void add_messages::apply(List<Message>&, std::vector<Message>);
template void add_messages::combine(std::vector<Message>&, std::vector<Message>);

}  // namespace agentflow
