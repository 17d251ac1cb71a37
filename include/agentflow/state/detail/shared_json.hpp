// SPDX-License-Identifier: MIT
// A JSON value that several states share until one of them changes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include <agentflow/core/json.hpp>

namespace agentflow::detail {

/// Never empty, but when it was moved from. The count of holders is its own, because "I am the only holder" has to be
/// an acquire: what is changed in place then, others on other threads may have read a moment ago.
class SharedJson {
 public:
  explicit SharedJson(nlohmann::json value) : held_(new Held(std::move(value))) {}
  SharedJson(const SharedJson& other) noexcept : held_(other.held_) {
    if (held_ != nullptr) held_->holders.fetch_add(1, std::memory_order_relaxed);
  }
  SharedJson(SharedJson&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  SharedJson& operator=(SharedJson other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~SharedJson() {
    if (held_ != nullptr && held_->holders.fetch_sub(1, std::memory_order_acq_rel) == 1) delete held_;
  }

  const nlohmann::json& operator*() const noexcept { return held_->value; }
  /// To be changed: a copy, where others hold it too.
  nlohmann::json& edit() {
    if (held_->holders.load(std::memory_order_acquire) != 1) *this = SharedJson(held_->value);
    return held_->value;
  }
  bool same_as(const SharedJson& other) const noexcept { return held_ == other.held_; }

 private:
  struct Held {
    explicit Held(nlohmann::json v) : value(std::move(v)) {}
    std::atomic<std::uint32_t> holders{1};
    nlohmann::json value;
  };
  Held* held_;
};

}  // namespace agentflow::detail
