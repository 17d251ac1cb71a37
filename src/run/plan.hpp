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
  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  Planned* begin() noexcept { return size_ == 1 ? &one_ : many_.data(); }
  Planned* end() noexcept { return begin() + size_; }
  const Planned* begin() const noexcept { return size_ == 1 ? &one_ : many_.data(); }
  const Planned* end() const noexcept { return begin() + size_; }
  Planned& operator[](std::size_t i) noexcept { return begin()[i]; }

  void reserve(std::size_t n) {
    if (n > 1) many_.reserve(n);
  }
  /// A plain trigger.
  void push_back(NodeId node) {
    if (size_ > 0) return push_back(Planned{node, 0, nullptr});
    one_.node = node;
    one_.order = 0;
    size_ = 1;
  }
  void push_back(Planned p) {
    if (size_ == 0) {
      one_ = std::move(p);
    } else {
      if (size_ == 1) many_.push_back(std::move(one_));
      many_.push_back(std::move(p));
    }
    ++size_;
  }
  /// Puts the tasks into the order in which the step takes them: that of declaration, then that of the Sends; a node
  /// that was triggered twice runs once.
  void put_in_order();
  void clear() noexcept {
    one_.input.reset();
    many_.clear();
    size_ = 0;
  }

 private:
  Planned one_;  // where it is the only one
  std::vector<Planned> many_;
  std::size_t size_ = 0;
};

}  // namespace agentflow::detail
