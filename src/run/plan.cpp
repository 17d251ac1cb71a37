// SPDX-License-Identifier: MIT
// The order of a step.
#include "run/plan.hpp"

#include <algorithm>

namespace agentflow::detail {

void Plan::put_in_order() {
  if (many_.empty()) return;
  const auto before = [](const Planned& a, const Planned& b) {
    return a.node != b.node ? a.node < b.node : a.order < b.order;
  };
  // As they mostly are: in the order of declaration, each once.
  const auto not_before = [&](const Planned& a, const Planned& b) { return !before(a, b); };
  if (std::adjacent_find(many_.begin(), many_.end(), not_before) == many_.end()) return;
  // Stable, because Sends that were deferred in different steps may have the same number.
  std::stable_sort(many_.begin(), many_.end(), before);
  const auto triggered_twice = [](const Planned& a, const Planned& b) {
    return a.node == b.node && a.order == 0 && b.order == 0;
  };
  many_.erase(std::unique(many_.begin(), many_.end(), triggered_twice), many_.end());
}

}  // namespace agentflow::detail
