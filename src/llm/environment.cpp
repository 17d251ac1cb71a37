// SPDX-License-Identifier: MIT
// Which provider the environment speaks of.
#include <cstdlib>
#include <string_view>
#include <utility>

#include <agentflow/core/error.hpp>
#include <agentflow/llm/providers.hpp>

namespace agentflow::llm {
namespace {

/// A provider, its prefix of variables, and the model that is asked where none is named.
struct Known {
  std::string_view name;
  const char* prefix;
  const char* model;
  std::shared_ptr<ChatModel> (*make)(http::Client, ProviderOptions);
};
constexpr Known known[] = {{"openai", "OPENAI", "gpt-4.1-mini", &openai_chat},
                           {"openai-responses", "OPENAI", "gpt-4.1-mini", &openai_responses},
                           {"anthropic", "ANTHROPIC", "claude-sonnet-4-5", &anthropic},
                           {"gemini", "GEMINI", "gemini-2.5-flash", &gemini}};

std::string variable(const Known& provider, const char* name) {
  const char* value = std::getenv((std::string(provider.prefix) + name).c_str());
  return value != nullptr ? value : "";
}

std::shared_ptr<ChatModel> make(const Known& provider, const http::Client& client, std::string model) {
  if (model.empty()) model = variable(provider, "_MODEL");
  if (model.empty()) model = provider.model;
  ProviderOptions options(std::move(model));
  options.base_url(variable(provider, "_BASE_URL"));
  options.api_key(SecretString::from_environment((std::string(provider.prefix) + "_API_KEY").c_str()));
  return provider.make(client, std::move(options));
}

}  // namespace

std::shared_ptr<ChatModel> model_from_environment(const http::Client& client, std::string model) {
  for (const Known& provider : known)
    // A local server has no key; only OpenAI's format is spoken by such.
    if (!variable(provider, "_API_KEY").empty() ||
        (provider.name == "openai" && !variable(provider, "_BASE_URL").empty()))
      return make(provider, client, std::move(model));
  return nullptr;
}

std::shared_ptr<ChatModel> model_by_name(const http::Client& client, const std::string& provider, std::string model) {
  std::string names;
  for (const Known& one : known) {
    if (one.name == provider) return make(one, client, std::move(model));
    names.append(names.empty() ? "" : ", ").append(one.name);
  }
  throw config_error(errc::bad_config, "there is no provider '" + provider + "'; there are " + names);
}

}  // namespace agentflow::llm
