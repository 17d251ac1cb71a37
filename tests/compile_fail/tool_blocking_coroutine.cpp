// expect: af::blocking is for plain functions
// SPDX-License-Identifier: MIT
// A coroutine marked as blocking.
#include <agentflow/agentflow.hpp>

#include <asio/awaitable.hpp>

namespace af = agentflow;

int main() {
  auto tool = af::tool("t", "", af::blocking([]() -> asio::awaitable<int> { co_return 1; }));
}
