// SPDX-License-Identifier: MIT
// Private: a wire format spoken over HTTP.
#pragma once

#include <memory>
#include <string>

#include <agentflow/http/client.hpp>
#include <agentflow/llm/provider_options.hpp>
#include <agentflow/ports/chat_model.hpp>

#include "llm/wire.hpp"

namespace agentflow::llm {

/// One provider. Streams share it, so that the model may go before them.
class Provider {
 public:
  Provider(http::Client client, ProviderOptions options, std::unique_ptr<Wire> wire);

  /// Sends a request.
  http::BodyStream open(const ChatRequest& request, bool stream, JsonValue* raw_request) const;
  std::string model_of(const ChatRequest& request) const;
  const Wire& wire() const noexcept { return *wire_; }
  /// Reads the rest of a response, and gives it as JSON; throws what it says if it is an error.
  asio::awaitable<JsonValue> read_whole(http::BodyStream& body, http::Head head) const;
  /// Whatever went wrong, as one `model_error` without secrets: the only way out for errors. What is not about the
  /// exchange (cancellation, no memory) is thrown as it is.
  model_error explain(std::exception_ptr failure, const ChatRequest& request, const ChatAssembler* assembler) const;

 private:
  std::string clean(std::string text) const;

  http::Client client_;
  ProviderOptions options_;
  std::unique_ptr<Wire> wire_;
  std::vector<SecretString> secrets_;
};

std::shared_ptr<ChatModel> provider_model(http::Client client, ProviderOptions options, std::unique_ptr<Wire> wire);

}  // namespace agentflow::llm
