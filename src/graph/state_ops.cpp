// SPDX-License-Identifier: MIT
// The operations of AgentState, compiled once.
#include <agentflow/graph/state_ops.hpp>

namespace agentflow {

template <>
const StateOps& state_ops<AgentState>() {
  return detail::StateOpsFor<AgentState>::ops;
}

}  // namespace agentflow
