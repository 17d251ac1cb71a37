// SPDX-License-Identifier: MIT
// Private: what a driver awaits around user code.
#pragma once

#include <asio/this_coro.hpp>

namespace agentflow::detail {

/// The library's own waits must not end in Asio's exception while a run is being cancelled: a driver turns it off, and
/// on for user code, which expects Asio's default. Awaited, these cost some twenty instructions.
inline auto enter_user_code() { return asio::this_coro::throw_if_cancelled(true); }
inline auto leave_user_code() { return asio::this_coro::throw_if_cancelled(false); }

}  // namespace agentflow::detail
