// SPDX-License-Identifier: MIT
// Debug mode of the program.
#include <agentflow/run/debug.hpp>

#include <cstdlib>
#include <mutex>
#include <string_view>

namespace agentflow {
namespace {

std::optional<DebugOptions> from_environment() {
  const char* value = std::getenv("AGENTFLOW_DEBUG");
  if (value == nullptr || std::string_view(value).empty() || std::string_view(value) == "0") return std::nullopt;
  return DebugOptions();
}

struct Setting {
  std::mutex mutex;
  std::optional<DebugOptions> options = from_environment();
};
Setting& setting() {
  static Setting it;
  return it;
}

}  // namespace

void set_debug(std::optional<DebugOptions> options) {
  std::lock_guard lock(setting().mutex);
  setting().options = std::move(options);
}

std::optional<DebugOptions> debug_mode() {
  std::lock_guard lock(setting().mutex);
  return setting().options;
}

}  // namespace agentflow
