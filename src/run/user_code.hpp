// SPDX-License-Identifier: MIT
// Private: what a driver awaits around user code.
#pragma once

#include <asio/this_coro.hpp>

namespace agentflow::detail {

/// User code expects Asio's default, that what is awaited after a cancellation throws. The library's own waits must
/// not: they are for the end of something that is being cancelled. Awaited, these cost some twenty instructions.
inline auto enter_user_code() { return asio::this_coro::throw_if_cancelled(true); }
inline auto leave_user_code() { return asio::this_coro::throw_if_cancelled(false); }

}  // namespace agentflow::detail
