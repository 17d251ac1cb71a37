// SPDX-License-Identifier: MIT
// One exchange with a provider that the chaos server plays.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/llm/providers.hpp>

#include "support/catch.hpp"
#include "support/chaos_server.hpp"

namespace exchange {

namespace af = agentflow;
namespace llm = agentflow::llm;

using Factory = std::shared_ptr<af::ChatModel> (*)(af::http::Client, llm::ProviderOptions);

inline llm::ProviderOptions options(const std::string& url) {
  llm::ProviderOptions out("the-model");
  out.base_url(url).api_key(af::SecretString("sk-canary-1234")).retry(llm::RetryOptions().retries(0));
  return out;
}

/// What an exchange came to.
class Outcome {
 public:
  Outcome() = default;
  af::ChatResponse response;
  std::vector<af::ChatEvent> events;
  std::optional<af::model_error> error;

  std::string code() const { return error ? std::string(code_name(error->code())) : "ok"; }
};

inline asio::awaitable<Outcome> ask(std::shared_ptr<af::ChatModel> model, af::ChatRequest request, bool stream) {
  Outcome out;
  try {
    if (stream) {
      const auto s = model->stream(std::move(request));
      for (;;) {
        auto next = s->next();
        auto event = co_await std::move(next);
        if (!event) break;
        out.events.push_back(std::move(*event));
      }
      out.response = s->response();
    } else {
      auto call = model->complete(std::move(request));
      out.response = co_await std::move(call);
    }
  } catch (const af::model_error& e) {
    out.error.emplace(e);
  }
  co_return out;
}

inline Outcome ask(Factory factory, chaos::Server& server, const af::ChatRequest& request, bool stream) {
  const af::http::Client client;
  return chaos::run(ask(factory(client, options(server.url())), request, stream));
}

/// The answer, as text that shows all of it.
inline std::string shown(const af::ChatResponse& r) {
  std::string out;
  for (const auto& block : r.message.content()) {
    if (const auto* t = block.get_if<af::ReasoningBlock>())
      out += "(" + t->text + "|" + t->signature + ")";
    else if (const auto* call = block.get_if<af::ToolCallBlock>())
      out += "[" + call->id + " " + call->name + " " + call->arguments.dump() + "]";
    else
      out += "<" + to_string(block) + ">";
  }
  const auto u = r.usage();
  return out + " " + std::string(to_string(r.stop)) + " " + std::to_string(u.input_tokens) + "+" +
         std::to_string(u.output_tokens) + " c" + std::to_string(u.cached_tokens) + " r" +
         std::to_string(u.reasoning_tokens) + " " + r.model + " " + r.id;
}

}  // namespace exchange
