// SPDX-License-Identifier: MIT
// The checkpointer in memory does what every checkpointer does.
#include <agentflow/memory/memory_checkpointer.hpp>

#include "support/catch.hpp"

#include "conformance/checkpointer_suite.hpp"

namespace af = agentflow;

TEST_CASE("MemoryCheckpointer conforms", "[checkpointer]") {
  af::conformance::CheckpointerFactory factory;
  factory.fresh = [] { return af::memory_checkpointer(); };
  af::conformance::checkpointer_suite(factory);
}
