// SPDX-License-Identifier: MIT
// Private: tool calls that were never answered.
#pragma once

#include <vector>

#include <agentflow/state/message.hpp>

namespace agentflow::detail {

/// Gives each tool call without a result one that says so. A run that failed or was cancelled among its tools leaves
/// such calls in the thread, and providers refuse a conversation that has them.
std::vector<Message> close_open_calls(std::vector<Message> conversation);

}  // namespace agentflow::detail
