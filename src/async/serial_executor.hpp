// SPDX-License-Identifier: MIT
// Private: an executor on which nothing runs at the same time as anything else.
#pragma once

#include <typeinfo>

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

namespace agentflow::detail {

/// `any_io_executor::target` alone does not look at the type (Asio before 1.24): it gives a pointer to whatever is
/// there.
template <class E>
const E* target(const asio::any_io_executor& ex) noexcept {
  return ex.target_type() == typeid(E) ? ex.target<E>() : nullptr;
}

/// The given executor if it is a strand, else a strand on it.
inline asio::any_io_executor serial(const asio::any_io_executor& ex) {
  using Loop = asio::io_context::executor_type;
  if (target<asio::strand<asio::any_io_executor>>(ex) != nullptr || target<asio::strand<Loop>>(ex) != nullptr ||
      target<asio::strand<asio::thread_pool::executor_type>>(ex) != nullptr)
    return ex;
  if (const auto* loop = target<Loop>(ex); loop != nullptr) return asio::make_strand(*loop);
  return asio::make_strand(ex);
}

}  // namespace agentflow::detail
