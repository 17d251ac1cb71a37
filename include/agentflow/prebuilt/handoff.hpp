// SPDX-License-Identifier: MIT
// Handoffs: a model passes the conversation to another agent by calling a tool.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/tool.hpp>
#include <agentflow/state/list.hpp>
#include <agentflow/state/message.hpp>

namespace agentflow {

/// Makes the tool `transfer_to_<agent>`. When a model calls it, the graph goes to that agent: `handoff_targets` tells a
/// router. The description says when to hand over.
///
/// **Errors** `tool_error` (tool_invalid), when it is put into a `ToolSet`, for an agent whose name no tool can have.
AGENTFLOW_API std::shared_ptr<Tool> handoff(const std::string& agent, std::string description);

/// The agents that the tool messages at the end of a conversation hand over to, each once, in the order of the calls.
/// Only handoff tools are listened to, whatever other tools give back.
AGENTFLOW_API std::vector<std::string> handoff_targets(const List<Message>& conversation);

/// The agent that the conversation was last handed over to, wherever in it that was; empty if it never was. Of several
/// handovers in one answer the first counts.
AGENTFLOW_API std::string active_agent(const List<Message>& conversation);

}  // namespace agentflow
