// SPDX-License-Identifier: MIT
// Conflict detection between the tasks of one step.
#include <agentflow/state/merge_guard.hpp>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>

namespace agentflow {

void MergeGuard::begin(std::uint64_t step) {
  claims_.clear();
  writer_index_ = 0;
  step_ = step;
}

void MergeGuard::claim(std::string_view field, bool exclusive, std::string_view suggestion) {
  for (auto& c : claims_) {
    if (c.field != field) continue;
    if (c.writer == writer_index_) {
      c.exclusive = c.exclusive || exclusive;
      return;
    }
    if (!exclusive && !c.exclusive) return;
    const std::string why = suggestion.empty()
                                ? "one of them replaced its whole value, past its reducer: let it write changes"
                                : fmt::format("it takes one writer: give the field a reducer, such as {}", suggestion);
    throw state_error(
        errc::update_conflict,
        fmt::format(
            "nodes '{}' and '{}' both wrote field '{}' in one step, and {}, or put the nodes in different steps",
            c.node, writer_, field, why),
        ErrorContext().node(std::string(writer_)).step(step_).field(std::string(field)));
  }
  claims_.push_back({std::string(field), std::string(writer_), writer_index_, exclusive});
}

}  // namespace agentflow
