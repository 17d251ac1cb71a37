// SPDX-License-Identifier: MIT
#include <agentflow/run/options.hpp>

#include <memory>

#include <agentflow/run/resume.hpp>

namespace agentflow {

CompileOptions::CompileOptions() = default;
CompileOptions::CompileOptions(const CompileOptions&) = default;
CompileOptions::CompileOptions(CompileOptions&&) noexcept = default;
CompileOptions& CompileOptions::operator=(const CompileOptions&) = default;
CompileOptions& CompileOptions::operator=(CompileOptions&&) noexcept = default;
CompileOptions::~CompileOptions() = default;

Resume::Resume() = default;
Resume::Resume(const Resume&) = default;
Resume::Resume(Resume&&) noexcept = default;
Resume& Resume::operator=(const Resume&) = default;
Resume& Resume::operator=(Resume&&) noexcept = default;
Resume::~Resume() = default;

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
