// SPDX-License-Identifier: MIT
// What the library holds of the graphs of conversations.
#include <agentflow/typed/state_graph.hpp>

namespace agentflow {

template class RunResult<AgentState>;
template class CompiledGraph<AgentState>;
template class StateGraph<AgentState>;

}  // namespace agentflow
