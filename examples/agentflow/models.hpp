// SPDX-License-Identifier: MIT
// Which model answers.
#pragma once

#include <memory>

#include <agentflow/agentflow.hpp>

#include "options.hpp"

namespace agent_cli {

/// The model that the options ask for, or that the environment has a key for, or the offline planner.
///
/// **Errors** `agentflow::config_error` for a provider that is not known, not built in, or that lacks a model.
std::shared_ptr<agentflow::ChatModel> choose_model(const Options& options);

}  // namespace agent_cli
