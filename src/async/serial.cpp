// SPDX-License-Identifier: MIT
// Which executors serialise, and strands for those that do not.
#include "async/serial.hpp"

#include <typeinfo>

#include <asio/io_context.hpp>
#include <asio/query.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/version.hpp>

namespace agentflow::detail {
namespace {

using Loop = asio::io_context::executor_type;
using Pool = asio::thread_pool::executor_type;

/// Asio 1.22's any_io_executor::target<E>() casts without a look at the type, so that is asked first.
template <class E>
bool holds(const asio::any_io_executor& ex) {
  return ex.target_type() == typeid(E);
}

bool is_for_one_thread(asio::execution_context& loop) {
#if ASIO_VERSION >= 101800 && ASIO_VERSION < 103000
  // There is no public way to ask for the number that an io_context was made with.
  const int hint = asio::use_service<asio::detail::io_context_impl>(loop).concurrency_hint();
  return hint == 1 || hint == ASIO_CONCURRENCY_HINT_1 || hint == ASIO_CONCURRENCY_HINT_UNSAFE ||
         hint == ASIO_CONCURRENCY_HINT_UNSAFE_IO;
#else
  static_cast<void>(loop);
  return false;
#endif
}

}  // namespace

bool is_serial(const asio::any_io_executor& ex) {
  if (holds<Loop>(ex)) return is_for_one_thread(asio::query(ex, asio::execution::context));
  return holds<asio::strand<asio::any_io_executor>>(ex) || holds<asio::strand<Loop>>(ex) ||
         holds<asio::strand<Pool>>(ex);
}

asio::any_io_executor serial(const asio::any_io_executor& ex) {
  if (is_serial(ex)) return ex;
  // Around the executor itself, not around its wrapper, where it is one of Asio's own.
  if (holds<Loop>(ex)) return asio::make_strand(*ex.target<Loop>());
  if (holds<Pool>(ex)) return asio::make_strand(*ex.target<Pool>());
  return asio::make_strand(ex);
}

asio::any_io_executor without_strand(const asio::any_io_executor& ex) {
  using Any = asio::any_io_executor;
  if (holds<asio::strand<Any>>(ex)) return ex.target<asio::strand<Any>>()->get_inner_executor();
  if (holds<asio::strand<Loop>>(ex)) return ex.target<asio::strand<Loop>>()->get_inner_executor();
  if (holds<asio::strand<Pool>>(ex)) return ex.target<asio::strand<Pool>>()->get_inner_executor();
  return ex;
}

}  // namespace agentflow::detail
