// SPDX-License-Identifier: MIT
#include <agentflow/run/options.hpp>

#include <memory>

namespace agentflow {

const RunConfig::Rare& RunConfig::usual() noexcept {
  static const Rare none;
  return none;
}

RunConfig::Rare& RunConfig::set_rare() {
  rare_ = rare_ ? std::make_shared<Rare>(*rare_) : std::make_shared<Rare>();
  return *rare_;
}

std::string_view to_string(run_status status) noexcept {
  switch (status) {
    case run_status::completed: return "completed";
    case run_status::stopped: return "stopped";
    case run_status::interrupted: return "interrupted";
    case run_status::drained: return "drained";
  }
  return "unknown";
}

}  // namespace agentflow
