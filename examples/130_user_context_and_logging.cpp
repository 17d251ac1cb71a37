// SPDX-License-Identifier: MIT
// What nodes need besides the state: an object of the application's own, and a logger that knows where a line is from.
#include <atomic>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

namespace af = agentflow;

// Connections, caches, settings: not state, because it is not part of the result, and runs may share it.
class Services {
 public:
  explicit Services(std::map<std::string, std::string> capitals) : capitals_(std::move(capitals)) {}

  std::string capital(const std::string& country) {
    ++lookups_;
    const auto found = capitals_.find(country);
    return found == capitals_.end() ? "" : found->second;
  }
  int lookups() const { return lookups_; }

 private:
  const std::map<std::string, std::string> capitals_;
  std::atomic<int> lookups_ = 0;  // runs on several threads may share the object
};

std::string agent(const af::AgentState& state, af::NodeContext& ctx) {
  const std::string country = state.messages.back().text();
  const std::string capital = ctx.user<Services>().capital(country);
  if (capital.empty()) {
    ctx.log(af::log_level::warn, "nothing is known about " + country);
    return "I do not know.";
  }
  ctx.log(af::log_level::info, "found it");
  return capital;
}

int main() {
  std::ostringstream log;
  auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log);
  auto logger = std::make_shared<spdlog::logger>("agent", std::move(sink));
  logger->set_pattern("%l: %v");

  af::StateGraph<> graph;
  graph.add_node("agent", agent).set_entry_point("agent").add_edge("agent", "END");
  const auto app = graph.compile(af::CompileOptions().logger(logger));

  const auto services = std::make_shared<Services>(std::map<std::string, std::string>{{"Italy", "Rome"}});
  const auto config = af::RunConfig().context(services).thread_id("quiz");
  const auto known = app.invoke("Italy", config);
  const auto unknown = app.invoke("Atlantis", config);
  std::cout << known->messages.back() << "\n" << unknown->messages.back() << "\n" << log.str();

  // Asking for a context that was not given, or of another type, is an error that says so.
  bool refused = false;
  try {
    app.invoke("Italy");
  } catch (const af::node_error& e) {
    std::cout << af::describe(e) << "\n";
    refused = true;
  }

  const std::string second = "warning: run=" + unknown.run_id().to_string() + " thread=quiz agent step=1 attempt=1: ";
  const bool right = known->messages.back().text() == "Rome" && services->lookups() == 2 && refused &&
                     log.str().starts_with("info: run=") && log.str().find(second) != std::string::npos;
  return right ? 0 : 1;
}
