// SPDX-License-Identifier: MIT
// RunInput: what a run is started with, without the state's type.
#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/graph/state_ops.hpp>
#include <agentflow/run/resume.hpp>

namespace agentflow {

/// Exactly one of: a state, an update, a Resume. An update with `edit` changes the stored state of a thread from
/// outside, as if the node `as_node` had written it (or, without a name, without moving the run), and runs nothing.
class AGENTFLOW_API RunInput {
 public:
  RunInput(StateBox s) : state(std::move(s)) {}
  RunInput(UpdateBox u) : update(std::move(u)) {}
  RunInput(Resume r) : resume(std::move(r)) {}

  /// The state that a first run begins with, and what the input changes of a state that is there.
  StateBox initial(const StateOps& ops) &&;
  UpdateBox change(const StateOps& ops) &&;

  StateBox state;
  UpdateBox update;
  std::optional<Resume> resume;
  bool edit = false;
  std::string as_node;
};
static_assert(!std::is_aggregate_v<RunInput>);

}  // namespace agentflow
