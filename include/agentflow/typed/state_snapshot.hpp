// SPDX-License-Identifier: MIT
// StateSnapshot<State>: a thread as of one of its checkpoints.
#pragma once

#include <utility>

#include <agentflow/run/thread_state.hpp>

namespace agentflow {

/// A thread as of a checkpoint: its state, what comes next, and what it waits for. Use it as a pointer to reach the
/// state.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe to read.
template <class S>
class StateSnapshot : public CheckpointInfo {
 public:
  StateSnapshot() = default;
  explicit StateSnapshot(ErasedSnapshot s)
      : CheckpointInfo(std::move(s.info)), state(std::move(*static_cast<S*>(s.state.get()))) {}

  S state;

  const S& operator*() const noexcept { return state; }
  const S* operator->() const noexcept { return &state; }
};

}  // namespace agentflow
