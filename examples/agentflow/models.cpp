// SPDX-License-Identifier: MIT
// Providers by name.
#include "models.hpp"

#include <cstdlib>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "offline_model.hpp"
#ifdef AGENT_CLI_WITH_LLM
#include <agentflow/core/secret_string.hpp>
#include <agentflow/http/client.hpp>
#include <agentflow/llm/providers.hpp>
#endif

namespace agent_cli {

namespace af = agentflow;

namespace {

[[noreturn]] void refuse(std::string message) { throw af::config_error(af::errc::bad_config, std::move(message)); }

#ifdef AGENT_CLI_WITH_LLM
std::string variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value != nullptr ? value : "";
}

std::shared_ptr<af::ChatModel> named(const Options& o) {
  using Make = std::shared_ptr<af::ChatModel> (*)(af::http::Client, af::llm::ProviderOptions);
  struct Provider {
    std::string_view name;
    std::string prefix;
    Make make;
  };
  const Provider known[] = {{"openai", "OPENAI", &af::llm::openai_chat},
                            {"openai-responses", "OPENAI", &af::llm::openai_responses},
                            {"anthropic", "ANTHROPIC", &af::llm::anthropic},
                            {"gemini", "GEMINI", &af::llm::gemini}};
  for (const Provider& provider : known) {
    if (provider.name != o.provider) continue;
    const std::string model = o.model.empty() ? variable(provider.prefix + "_MODEL") : o.model;
    if (model.empty())
      refuse(fmt::format("--provider {} needs a model: --model NAME, or {}_MODEL", o.provider, provider.prefix));
    af::llm::ProviderOptions options(model);
    options.base_url(variable(provider.prefix + "_BASE_URL"));
    options.api_key(af::SecretString::from_environment((provider.prefix + "_API_KEY").c_str()));
    return provider.make(af::http::Client(), std::move(options));
  }
  refuse("the providers are offline, openai, openai-responses, anthropic and gemini");
}
#endif

}  // namespace

std::shared_ptr<af::ChatModel> choose_model(const Options& options) {
  if (options.provider == "offline") return std::make_shared<OfflineModel>();
#ifdef AGENT_CLI_WITH_LLM
  if (!options.provider.empty()) return named(options);
  if (auto model = af::llm::model_from_environment(af::http::Client(), options.model)) return model;
#else
  if (!options.provider.empty()) refuse("this program was built without the component llm: there is only offline");
#endif
  if (!options.model.empty()) refuse("--model needs a provider: --provider NAME, or a key in the environment");
  return std::make_shared<OfflineModel>();
}

}  // namespace agent_cli
