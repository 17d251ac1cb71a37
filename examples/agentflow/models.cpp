// SPDX-License-Identifier: MIT
// Providers by name.
#include "models.hpp"

#include <string>
#include <utility>

#include "offline_model.hpp"
#ifdef AGENT_CLI_WITH_LLM
#include <agentflow/http/client.hpp>
#include <agentflow/llm/providers.hpp>
#endif

namespace agent_cli {

namespace af = agentflow;

namespace {

[[noreturn]] void refuse(std::string message) { throw af::config_error(af::errc::bad_config, std::move(message)); }

}  // namespace

std::shared_ptr<af::ChatModel> choose_model(const Options& options) {
  if (options.provider == "offline") return std::make_shared<OfflineModel>();
#ifdef AGENT_CLI_WITH_LLM
  const af::http::Client client;
  if (!options.provider.empty()) return af::llm::model_by_name(client, options.provider, options.model);
  if (auto model = af::llm::model_from_environment(client, options.model)) return model;
#else
  if (!options.provider.empty()) refuse("this program was built without the component llm: there is only offline");
#endif
  if (!options.model.empty()) refuse("--model needs a provider: --provider NAME, or a key in the environment");
  return std::make_shared<OfflineModel>();
}

}  // namespace agent_cli
