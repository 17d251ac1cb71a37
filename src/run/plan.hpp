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
  void put_in_order() {
    if (!many_.empty()) sort();
  }
  void clear() noexcept {
    one_.node = end_node;
    if (one_.input) one_.input.reset();
    if (!many_.empty()) many_.clear();
  }

 private:
  void sort();
  bool is_one() const noexcept { return one_.node != end_node; }

  Planned one_;  // where it is the only one, else without a node
  std::vector<Planned> many_;
};

/// How far a join has come.
class JoinProgress {
 public:
  explicit JoinProgress(std::size_t sources) : marks_(sources), missing_(sources) {}

  bool seen(std::size_t source) const noexcept { return (marks_[source] & 1) != 0; }
  bool waits() const noexcept { return missing_ != marks_.size(); }
  /// A source has finished in this step, from 1. True if it was the last; then the join begins anew. What finishes
  /// several times in a step, as when several Sends start it, counts once.
  bool note(std::size_t source, std::uint64_t step) noexcept {
    std::uint64_t& mark = marks_[source];
    if (mark >> 1 == step) return false;
    const bool again = (mark & 1) != 0;
    mark = step << 1 | 1;
    if (again || --missing_ > 0) return false;
    missing_ = marks_.size();
    for (auto& m : marks_) m &= ~std::uint64_t{1};
    return true;
  }
  /// Takes what is stored.
  void restore(std::size_t source) noexcept {
    marks_[source] |= 1;
    --missing_;
  }

 private:
  std::vector<std::uint64_t> marks_;  // the step a source was seen in last, and whether the join still waits with that
  std::size_t missing_;
};

}  // namespace agentflow::detail
