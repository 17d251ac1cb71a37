// SPDX-License-Identifier: MIT
// Names nlohmann::json without including it. <agentflow/core/json.hpp> has the whole of it.
#pragma once

#include <nlohmann/json_fwd.hpp>
