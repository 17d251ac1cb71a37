// SPDX-License-Identifier: MIT
// Private: an executor that runs what it is given at once.
#pragma once

#include <utility>

#include <asio/execution/blocking.hpp>

namespace agentflow::detail {

/// Bound to the completion handler of a co_spawn it saves the post that Asio makes for a coroutine that never
/// suspended. Claims never to block, which is what makes Asio call it directly.
class InlineExecutor {
 public:
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  InlineExecutor require(asio::execution::blocking_t::never_t) const noexcept { return *this; }
  template <class F>
  void execute(F&& f) const {
    std::forward<F>(f)();
  }
  bool operator==(const InlineExecutor&) const noexcept { return true; }
  bool operator!=(const InlineExecutor&) const noexcept { return false; }
};

}  // namespace agentflow::detail
