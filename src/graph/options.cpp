// SPDX-License-Identifier: MIT
#include <agentflow/graph/options.hpp>

namespace agentflow {

NodeOptions::NodeOptions() = default;
NodeOptions::NodeOptions(const NodeOptions&) = default;
NodeOptions::NodeOptions(NodeOptions&&) noexcept = default;
NodeOptions& NodeOptions::operator=(const NodeOptions&) = default;
NodeOptions& NodeOptions::operator=(NodeOptions&&) noexcept = default;
NodeOptions::~NodeOptions() = default;

}  // namespace agentflow
