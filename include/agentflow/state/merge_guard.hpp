// SPDX-License-Identifier: MIT
// Watches the writes of one super-step, so that two writers of a one-writer field are an error, not a race.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <agentflow/core/config.hpp>

namespace agentflow {

/// Records which task of a step wrote which field. A state's `apply` claims each field it writes; the guard throws
/// `state_error` (`errc::update_conflict`) with the field, both nodes and the step when two claims exclude each other.
/// The engine makes one per merge; a state that is merged by hand passes null instead.
///
/// **Thread safety** Not thread-safe; one merge uses one guard.
class AGENTFLOW_API MergeGuard {
 public:
  /// Starts a merge: `step` and the names are only for messages.
  void begin(std::uint64_t step);
  /// Says whose update is applied from now on. `node` must live until the merge ends.
  void writer(std::string_view node) noexcept {
    writer_ = node;
    ++writer_index_;
  }
  /// Claims a field for the current writer. Exclusive claims (a one-writer reducer, or `Overwrite`) tolerate no
  /// other writer of the same field in the step. `suggestion` is what the message tells a one-writer field to use
  /// instead; empty for a field that has a reducer for several.
  void claim(std::string_view field, bool exclusive, std::string_view suggestion = {});

 private:
  struct Claim {
    std::string field;
    std::string node;
    std::size_t writer;
    bool exclusive;
  };
  std::vector<Claim> claims_;
  std::string_view writer_;
  std::size_t writer_index_ = 0;
  std::uint64_t step_ = 0;
};

}  // namespace agentflow
