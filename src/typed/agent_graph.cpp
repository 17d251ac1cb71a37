// SPDX-License-Identifier: MIT
// What the library holds of the graphs of conversations.
#include <agentflow/typed/state_graph.hpp>

namespace agentflow {

template Update<AgentState> detail::messages_update<AgentState>(Message&&, Role);
template class Input<AgentState>;
template class RunResult<AgentState>;
template class CompiledGraph<AgentState>;
template class StateGraph<AgentState>;

}  // namespace agentflow
