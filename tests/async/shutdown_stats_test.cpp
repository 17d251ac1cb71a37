// SPDX-License-Identifier: MIT
// ShutdownStats as text.
#include <agentflow/async/shutdown_stats.hpp>

#include <chrono>
#include <sstream>

#include <fmt/format.h>

#include <agentflow/format.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;

TEST_CASE("53 shutdown stats print as JSON, with fmt, with a stream", "[shutdown]") {
  af::ShutdownStats stats;
  CHECK(stats.clean());
  stats.background_tasks.status = af::shutdown_status::completed;
  stats.background_tasks.completed = 3;
  stats.background_tasks.duration = 250ms;
  CHECK(stats.clean());
  stats.store.status = af::shutdown_status::failed;
  stats.store.error = "disk full";
  stats.total = 1500ms;
  CHECK_FALSE(stats.clean());
  const std::string expected =
      R"({"runs":{"status":"none"},"background_tasks":{"status":"completed","completed":3,"failed":0,"cancelled":0,)"
      R"("abandoned":0,"duration":0.25},"checkpointer":{"status":"none"},"publisher":{"status":"none"},)"
      R"("store":{"status":"failed","completed":0,"failed":0,"cancelled":0,"abandoned":0,"duration":0.0,)"
      R"("error":"disk full"},"total":1.5,"deadline_exceeded":false})";
  CHECK(stats.to_json() == expected);
  std::ostringstream out;
  out << stats;
  CHECK(out.str() == expected);
  CHECK(fmt::format("Shutdown stats: {}", stats) == "Shutdown stats: " + expected);
  CHECK(fmt::format("{}", af::shutdown_status::timed_out) == "timed_out");
  const af::ShutdownStats same = stats;
  CHECK(same == stats);
}
