// SPDX-License-Identifier: MIT
// Models behind the wire formats of OpenAI, Anthropic and Google.
#pragma once

#include <memory>
#include <string>

#include <agentflow/core/config.hpp>
#include <agentflow/http/client.hpp>
#include <agentflow/llm/provider_options.hpp>
#include <agentflow/ports/chat_model.hpp>

namespace agentflow::llm {

// Each gives a model that retries as `ProviderOptions::retry` says. It uses the client, and with it its connections;
// several models may share one. What is wrong with the options is said by the first call.

/// OpenAI's chat completions, the format that most other servers speak too: llama.cpp, vLLM, Ollama, LM Studio.
AGENTFLOW_API std::shared_ptr<ChatModel> openai_chat(http::Client client, ProviderOptions options);
/// OpenAI's Responses. Has no `ChatRequest::stop`, which is refused, and ignores `seed`. While `reasoning` is set
/// nothing is stored at OpenAI; thoughts come and go encrypted.
AGENTFLOW_API std::shared_ptr<ChatModel> openai_responses(http::Client client, ProviderOptions options);
/// Anthropic's Messages. `reasoning` may be "low" to "max" (adaptive thinking), a number (a budget of tokens), or
/// "none". Ignores `seed`.
AGENTFLOW_API std::shared_ptr<ChatModel> anthropic(http::Client client, ProviderOptions options);
/// Google's Gemini (generateContent). `reasoning` may be a level ("low", "high") or a number (a budget of tokens).
AGENTFLOW_API std::shared_ptr<ChatModel> gemini(http::Client client, ProviderOptions options);

/// The first provider that the environment has a key, or a server, for; null when there is none:
///
/// | variables | provider |
/// |---|---|
/// | OPENAI_API_KEY or OPENAI_BASE_URL, OPENAI_MODEL | `openai_chat` |
/// | ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL, ANTHROPIC_MODEL | `anthropic` |
/// | GEMINI_API_KEY, GEMINI_BASE_URL, GEMINI_MODEL | `gemini` |
///
/// A model that is given counts more than the variable of the same purpose.
AGENTFLOW_API std::shared_ptr<ChatModel> model_from_environment(const http::Client& client, std::string model = {});
/// The provider of this name ("openai", "openai-responses", "anthropic", "gemini"), with the variables of the table
/// above, as far as they are set. For programs whose user chooses.
///
/// **Errors** `config_error` (bad_config) for another name.
AGENTFLOW_API std::shared_ptr<ChatModel> model_by_name(const http::Client& client, const std::string& provider,
                                                       std::string model = {});

}  // namespace agentflow::llm
