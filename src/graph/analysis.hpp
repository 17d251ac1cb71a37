// SPDX-License-Identifier: MIT
// Private: what the shape of a graph tells before it runs.
#pragma once

#include <vector>

#include <agentflow/core/error.hpp>
#include <agentflow/graph/graph_spec.hpp>

namespace agentflow::detail {

/// Finds what is wrong with the shape: no entry, orphans, no way to END, endless loops, joins that may starve,
/// parallel writers, inputs that do not match.
void analyse(const GraphSpec& spec, std::vector<GraphProblem>& problems);

}  // namespace agentflow::detail
