// SPDX-License-Identifier: MIT
// Watches a run: a progress bar on the terminal, and a trace of who did what when.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/graph/chunk.hpp>

#include "render.hpp"

namespace digest {

class Observer {
 public:
  explicit Observer(bool progress) : progress_(progress) {}
  void see(const agentflow::Chunk& chunk);
  /// Says how many files there will be, where no event does.
  void expect(std::uint64_t planned) { planned_ = planned; }
  /// Clears the bar.
  void finish();
  /// Writes Chrome trace events; false if the file cannot be written.
  bool write_trace(const std::string& path) const;

 private:
  struct Open {
    std::string name;
    std::uint64_t start_us;
    std::uint32_t lane;
  };
  std::uint64_t at(const agentflow::Chunk& chunk);
  void begin(const agentflow::Chunk& chunk);
  void end(const agentflow::Chunk& chunk);
  void draw();

  const bool progress_;
  bool drawn_ = false;
  std::uint64_t done_ = 0, planned_ = 0;
  std::chrono::system_clock::time_point first_;
  std::chrono::steady_clock::time_point last_drawn_;
  std::map<std::pair<std::uint64_t, std::uint32_t>, Open> open_;  // by step and task
  std::vector<bool> lanes_;
  std::vector<TraceEvent> events_;
};

}  // namespace digest
