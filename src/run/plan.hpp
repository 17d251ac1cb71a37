// SPDX-License-Identifier: MIT
// Private: the tasks that are to run next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <agentflow/graph/graph_spec.hpp>

namespace agentflow::detail {

/// A node that is to run, and with what.
struct Planned {
  NodeId node = end_node;
  std::uint32_t order = 0;  // 0 for a plain trigger, else the number of the Send
  std::shared_ptr<const void> input;
};

/// The tasks of a step to come. One alone, as in most steps of most graphs, takes no memory of its own.
class Plan {
 public:
  bool empty() const noexcept { return !is_one() && many_.empty(); }
  std::size_t size() const noexcept { return is_one() ? 1 : many_.size(); }
  Planned* begin() noexcept { return is_one() ? &one_ : many_.data(); }
  Planned* end() noexcept { return begin() + size(); }
  const Planned* begin() const noexcept { return is_one() ? &one_ : many_.data(); }
  const Planned* end() const noexcept { return begin() + size(); }
  Planned& operator[](std::size_t i) noexcept { return begin()[i]; }

  void reserve(std::size_t n) {
    if (n > 1) many_.reserve(n);
  }
  /// A plain trigger.
  void push_back(NodeId node) {
    if (!empty()) return push_back(Planned{node, 0, nullptr});
    one_.node = node;
    one_.order = 0;
  }
  void push_back(Planned p) {
    if (empty()) {
      one_ = std::move(p);
      return;
    }
    if (is_one()) {
      many_.push_back(std::move(one_));
      one_ = {};
    }
    many_.push_back(std::move(p));
  }
  /// Puts the tasks into the order in which the step takes them: that of declaration, then that of the Sends; a node
  /// that was triggered twice runs once.
  void put_in_order();
  void clear() noexcept {
    one_.node = end_node;
    if (one_.input) one_.input.reset();
    if (!many_.empty()) many_.clear();
  }

 private:
  bool is_one() const noexcept { return one_.node != end_node; }

  Planned one_;  // where it is the only one, else without a node
  std::vector<Planned> many_;
};

}  // namespace agentflow::detail
