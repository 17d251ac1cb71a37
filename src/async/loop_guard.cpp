// SPDX-License-Identifier: MIT
// The thread guard.
#include "async/loop_guard.hpp"

#include <asio/detail/thread_context.hpp>
#include <asio/version.hpp>
#include <fmt/format.h>

#include <agentflow/core/error.hpp>

namespace agentflow::detail {

namespace {
thread_local int user_code_depth = 0;
}

UserCode::UserCode() noexcept { ++user_code_depth; }
UserCode::~UserCode() { --user_code_depth; }

bool on_loop_thread() noexcept {
  if (user_code_depth > 0) return true;
#if ASIO_VERSION >= 101800 && ASIO_VERSION < 104000
  // Asio keeps this per-thread mark for its own use, on every thread that runs an io_context or a thread_pool. There is
  // no public way to ask for it; elsewhere only the mark above is seen.
  return asio::detail::thread_context::top_of_thread_call_stack() != nullptr;
#else
  return false;
#endif
}

void refuse_on_loop_thread(std::string_view call, std::string_view instead) {
  if (!on_loop_thread()) return;
  throw nested_loop_error(
      errc::nested_loop,
      fmt::format("{} blocks its thread, and this thread is running an event loop: use {} instead, or call it "
                  "from a plain thread",
                  call, instead));
}

}  // namespace agentflow::detail
