// SPDX-License-Identifier: MIT
// Private: updates of a state whose type is not known, side by side in one piece of memory.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include <agentflow/graph/state_ops.hpp>

namespace agentflow::detail {

class UpdateBlock {
 public:
  UpdateBlock() noexcept = default;
  UpdateBlock(const StateOps& ops, std::size_t count)
      : ops_(&ops), memory_(::operator new(count * ops.update_size, std::align_val_t(ops.update_alignment))) {
    try {
      for (; count_ < count; ++count_) ops.construct_update(at(count_));
    } catch (...) {
      clear();
      throw;
    }
  }
  UpdateBlock(UpdateBlock&& o) noexcept
      : ops_(o.ops_), memory_(std::exchange(o.memory_, nullptr)), count_(std::exchange(o.count_, 0)) {}
  UpdateBlock& operator=(UpdateBlock&& o) noexcept {
    std::swap(ops_, o.ops_);
    std::swap(memory_, o.memory_);
    std::swap(count_, o.count_);
    return *this;
  }
  ~UpdateBlock() { clear(); }

  std::size_t size() const noexcept { return count_; }
  void* at(std::size_t i) const noexcept { return static_cast<std::byte*>(memory_) + i * ops_->update_size; }

 private:
  void clear() noexcept {
    if (memory_ == nullptr) return;
    while (count_ > 0) ops_->destruct_update(at(--count_));
    ::operator delete(memory_, std::align_val_t(ops_->update_alignment));
    memory_ = nullptr;
  }

  const StateOps* ops_ = nullptr;
  void* memory_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace agentflow::detail
