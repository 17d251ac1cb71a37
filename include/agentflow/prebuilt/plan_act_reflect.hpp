// SPDX-License-Identifier: MIT
// plan_act_reflect: an agent that makes a plan, works through it, and looks at the outcome before it answers.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/prebuilt/agent.hpp>

namespace agentflow {

/// The state of `plan_act_reflect`.
struct PlanState {
  List<Message> messages;             ///< The question, and at the end the answer.
  std::vector<std::string> plan;      ///< The steps of this round.
  std::vector<std::string> findings;  ///< What the steps gave, in all rounds of this question.
  int done = 0;                       ///< How many steps of this round are done.
  int round = 0;                      ///< The round, from 1.
};
AGENTFLOW_STATE(PlanState, (messages, add_messages), plan, (findings, append), (done, last_value), (round, last_value))

/// Builds an agent of three parts. "plan" asks the model for a list of steps. "act" is a `react_agent` with the tools
/// that does one step; it runs once for each. "reflect" shows the model what came out: it answers, or makes another
/// plan, up to `max_rounds` times; in the last round it has to answer with what there is.
///
/// **Errors** as `react_agent`. In a run: `error` (output_invalid), as the cause of a `node_error`, when the model
/// twice gives no usable plan or verdict. `recursion_error`: a plan of many steps needs a higher
/// `RunConfig::recursion_limit`.
AGENTFLOW_API StateGraph<PlanState> plan_act_reflect(std::shared_ptr<ChatModel> model, ToolSet tools = {},
                                                     AgentOptions options = {}, int max_rounds = 3);

}  // namespace agentflow
