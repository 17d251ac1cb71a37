// SPDX-License-Identifier: MIT
// Private: how a tool message says that it is a handoff.
#pragma once

#include <string>

#include <agentflow/state/message.hpp>

namespace agentflow::detail {

/// Notes in the metadata of a tool message, where no tool can write, which agent takes over.
Message mark_handoff(Message message, const std::string& agent);

}  // namespace agentflow::detail
