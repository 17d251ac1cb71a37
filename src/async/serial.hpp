// SPDX-License-Identifier: MIT
// Private: executors on which nothing runs at the same time as anything else.
#pragma once

#include <asio/any_io_executor.hpp>

namespace agentflow::detail {

/// Whether the executor serialises by itself: a strand of Asio's, or a loop that was made for one thread,
/// `io_context(1)`, which Asio assumes to be run by one.
bool is_serial(const asio::any_io_executor& ex);
/// The executor if it serialises, else a strand of it.
asio::any_io_executor serial(const asio::any_io_executor& ex);
/// What a strand of Asio's is around; any other executor as it is.
asio::any_io_executor without_strand(const asio::any_io_executor& ex);

}  // namespace agentflow::detail
