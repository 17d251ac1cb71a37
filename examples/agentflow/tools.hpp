// SPDX-License-Identifier: MIT
// What the agent can do: count, tell the time, look at files beneath its root, and write new ones if it may.
#pragma once

#include <memory>
#include <string>

#include <agentflow/agentflow.hpp>

#include "sandbox.hpp"

namespace agent_cli {

/// calculator, clock, list_files, search_files, read_file and digest; with `may_write` also write_file, which has side
/// effects. None of them starts a program or leaves the root.
agentflow::ToolSet make_tools(std::shared_ptr<const Root> root, bool may_write);

}  // namespace agent_cli
