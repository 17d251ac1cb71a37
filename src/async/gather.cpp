// SPDX-License-Identifier: MIT
// gather, without the types of what is gathered.
#include <agentflow/async/gather.hpp>

#include <memory>

#include <asio/this_coro.hpp>

#include <agentflow/core/error.hpp>

#include "async/child_group.hpp"

namespace agentflow::detail {

asio::awaitable<std::vector<std::exception_ptr>> gather_erased(std::vector<asio::awaitable<void>> work,
                                                               std::size_t limit, bool fail_fast) {
  const asio::any_io_executor ex = co_await asio::this_coro::executor;
  const auto group = std::make_shared<ChildGroup>(ex);
  ChildGroup::Plan plan;
  plan.limit = limit;
  plan.fail_fast = fail_fast;
  co_await group->run(std::move(work), plan);
  if (group->first_error()) {
    if (group->cancelled_from_outside()) throw cancelled_error(errc::cancelled, "gather was cancelled");
    if (fail_fast) std::rethrow_exception(group->first_error());
  }
  co_return std::move(group->errors());
}

}  // namespace agentflow::detail
