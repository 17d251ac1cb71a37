// SPDX-License-Identifier: MIT
// --resume: where a digest is kept, and what becomes of one that was left off.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <agentflow/agentflow.hpp>

#include "graph.hpp"

namespace digest {

/// Opens the file of --resume. Throws if this digest was built without SQLite.
std::shared_ptr<agentflow::Checkpointer> open_kept(const std::string& file);

/// Names the digest of these roots and limits within the file.
std::string thread_of(const Corpus& input);

/// Gives what there is of a digest that was left off. One that is finished, or that was stopped while it looked for
/// files, is forgotten, and begins anew.
asio::awaitable<std::optional<Corpus>> left_off(const agentflow::CompiledGraph<Corpus>& graph,
                                                std::shared_ptr<agentflow::Checkpointer> kept, std::string thread);

}  // namespace digest
