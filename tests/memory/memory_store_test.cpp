// SPDX-License-Identifier: MIT
// The store in memory does what every store does.
#include <agentflow/memory/memory_store.hpp>

#include "support/catch.hpp"

#include "conformance/store_suite.hpp"

namespace af = agentflow;

TEST_CASE("MemoryStore conforms", "[store]") {
  af::conformance::StoreFactory factory;
  factory.fresh = [](std::shared_ptr<af::Clock> clock) { return af::memory_store(std::move(clock)); };
  af::conformance::store_suite(factory);
}
