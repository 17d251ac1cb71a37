// SPDX-License-Identifier: MIT
// Filters of histories, and what pruning leaves.
#include <agentflow/ports/checkpoint_query.hpp>

#include <algorithm>

#include <agentflow/core/json.hpp>

namespace agentflow {

bool HistoryQuery::matches(const CheckpointRecord& record) const {
  if ((kind && record.kind != *kind) || (status && record.status != *status) || (run && record.run != *run))
    return false;
  if (metadata.empty()) return true;
  if (record.metadata.empty()) return false;
  const JsonValue document = JsonValue::parse(record.metadata);
  return std::all_of(metadata.begin(), metadata.end(), [&](const auto& wanted) {
    const auto found = document.get().find(wanted.first);
    return found != document.get().end() && *found == wanted.second.get();
  });
}

std::vector<std::uint64_t> plan_prune(std::vector<PruneCandidate> candidates, const PrunePolicy& policy) {
  std::vector<std::uint64_t> gone;
  if (!policy.keep && !policy.since) return gone;
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) { return a.seq > b.seq; });
  // Newest first, so that by the time we come to a record, all that may need it have been decided.
  std::vector<std::uint64_t> needed;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const PruneCandidate& c = candidates[i];
    const auto wanted = std::find(needed.begin(), needed.end(), c.seq);
    const bool by_count = policy.keep && i < *policy.keep;
    const bool by_age = policy.since && c.created_at >= *policy.since;
    if (wanted == needed.end() && i != 0 && !by_count && !by_age && !c.pending) {
      gone.push_back(c.seq);
      continue;
    }
    if (wanted != needed.end()) needed.erase(wanted);
    if (!c.snapshot && c.parent != 0 && std::find(needed.begin(), needed.end(), c.parent) == needed.end())
      needed.push_back(c.parent);
  }
  return gone;
}

}  // namespace agentflow
