// SPDX-License-Identifier: MIT
// RunInput: what a run is started with, without the state's type.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/graph/state_ops.hpp>
#include <agentflow/run/resume.hpp>

namespace agentflow {

/// Exactly one of: a state, an update, a Resume. An update may be an edit: it changes the stored state of a thread from
/// outside, as if a node had written it (or, without a name, without moving the run), and runs nothing.
class AGENTFLOW_API RunInput {
 public:
  RunInput(StateBox s) : state(std::move(s)) {}
  RunInput(UpdateBox u) : update(std::move(u)) {}
  RunInput(Resume r) : resume_(std::make_unique<Resume>(std::move(r))) {}

  /// Makes the update an edit.
  void edit_as(std::string as_node) { edit_ = std::make_unique<std::string>(std::move(as_node)); }
  bool is_edit() const noexcept { return edit_ != nullptr; }
  /// Of an edit.
  const std::string& as_node() const noexcept { return *edit_; }
  /// Null where it is none.
  const Resume* resume() const noexcept { return resume_.get(); }
  /// The state that a first run begins with, and what the input changes of a state that is there.
  StateBox initial(const StateOps& ops) &&;
  UpdateBox change(const StateOps& ops) &&;

  StateBox state;
  UpdateBox update;

 private:
  std::unique_ptr<Resume> resume_;
  std::unique_ptr<std::string> edit_;
};
static_assert(!std::is_aggregate_v<RunInput>);

}  // namespace agentflow
