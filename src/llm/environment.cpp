// SPDX-License-Identifier: MIT
// Which provider the environment speaks of.
#include <cstdlib>
#include <utility>

#include <agentflow/llm/providers.hpp>

namespace agentflow::llm {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

ProviderOptions options(std::string model, const std::string& prefix, const char* default_model) {
  if (model.empty()) model = variable((prefix + "_MODEL").c_str());
  if (model.empty()) model = default_model;
  ProviderOptions out(std::move(model));
  out.base_url(variable((prefix + "_BASE_URL").c_str()));
  out.api_key(SecretString::from_environment((prefix + "_API_KEY").c_str()));
  return out;
}

}  // namespace

std::shared_ptr<ChatModel> model_from_environment(const http::Client& client, std::string model) {
  ProviderOptions openai = options(model, "OPENAI", "gpt-4.1-mini");
  // A local server has no key.
  if (!openai.api_key().empty() || !openai.base_url().empty()) return openai_chat(client, std::move(openai));
  ProviderOptions claude = options(model, "ANTHROPIC", "claude-sonnet-4-5");
  if (!claude.api_key().empty()) return anthropic(client, std::move(claude));
  ProviderOptions google = options(std::move(model), "GEMINI", "gemini-2.5-flash");
  if (!google.api_key().empty()) return gemini(client, std::move(google));
  return nullptr;
}

}  // namespace agentflow::llm
