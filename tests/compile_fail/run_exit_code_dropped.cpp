// expect: nodiscard
// SPDX-License-Identifier: MIT
// A main that ends with 0 though its coroutine failed.
#include <agentflow/agentflow.hpp>

#include <asio/awaitable.hpp>

#pragma GCC diagnostic error "-Wunused-result"

namespace af = agentflow;

asio::awaitable<void> amain() { co_return; }

int main() { af::run(amain()); }
