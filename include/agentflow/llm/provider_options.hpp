// SPDX-License-Identifier: MIT
// ProviderOptions: which model, where, with which key.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/secret_string.hpp>
#include <agentflow/llm/retry.hpp>

namespace agentflow::llm {

/// Options of a provider.
class ProviderOptions {
 public:
  explicit ProviderOptions(std::string model) : model_(std::move(model)) {}

  /// The key. Without one no header for it is sent: local servers need none.
  ProviderOptions& api_key(SecretString key) {
    api_key_ = std::move(key);
    return *this;
  }
  /// Where the provider is: "http://localhost:8080", with or without the version ("/v1") and a slash at the end.
  /// Default: the provider's own address.
  ProviderOptions& base_url(std::string url) {
    base_url_ = std::move(url);
    return *this;
  }
  /// Sends a header with every request. What has "auth", "key", "token" or "cookie" in its name is kept secret.
  ProviderOptions& header(std::string name, std::string value) {
    headers_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  /// Limits each attempt to get an answer that comes whole. Default 10 min. Streams may take as long as something
  /// comes; `ChatRequest::timeout` limits both, with all attempts.
  ProviderOptions& timeout(std::chrono::milliseconds limit) {
    timeout_ = limit;
    return *this;
  }
  /// Limits the time in which nothing comes on a stream. Default 2 min.
  ProviderOptions& idle_timeout(std::chrono::milliseconds limit) {
    idle_timeout_ = limit;
    return *this;
  }
  /// How failures that may pass are repeated. Default: `RetryOptions()`.
  ProviderOptions& retry(RetryOptions options) {
    retry_ = std::move(options);
    return *this;
  }
  /// Anthropic: the version of the interface. Default "2023-06-01". From "2026-10-21" on it has no temperature and
  /// top_p; they are then left out.
  ProviderOptions& anthropic_version(std::string version) {
    anthropic_version_ = std::move(version);
    return *this;
  }
  /// Anthropic, which needs a limit: that of requests that set none. Default 4096.
  ProviderOptions& default_max_tokens(std::uint64_t tokens) {
    default_max_tokens_ = tokens;
    return *this;
  }
  /// OpenAI chat: gives the model its earlier thoughts back, as `reasoning_content`. Some servers want it, others
  /// refuse it. Default: no. The other formats always do, because theirs are signed.
  ProviderOptions& echo_reasoning(bool echo = true) {
    echo_reasoning_ = echo;
    return *this;
  }
  /// OpenAI chat: sends the limit as `max_completion_tokens`. Default: to OpenAI's own address, else `max_tokens`.
  ProviderOptions& max_completion_tokens(bool use) {
    max_completion_tokens_ = use;
    return *this;
  }

  const std::string& model() const noexcept { return model_; }
  const SecretString& api_key() const noexcept { return api_key_; }
  const std::string& base_url() const noexcept { return base_url_; }
  const std::vector<std::pair<std::string, std::string>>& headers() const noexcept { return headers_; }
  std::chrono::milliseconds timeout() const noexcept { return timeout_; }
  std::chrono::milliseconds idle_timeout() const noexcept { return idle_timeout_; }
  const RetryOptions& retry() const noexcept { return retry_; }
  const std::string& anthropic_version() const noexcept { return anthropic_version_; }
  std::uint64_t default_max_tokens() const noexcept { return default_max_tokens_; }
  bool echo_reasoning() const noexcept { return echo_reasoning_; }
  const std::optional<bool>& max_completion_tokens() const noexcept { return max_completion_tokens_; }

 private:
  std::string model_, base_url_, anthropic_version_ = "2023-06-01";
  SecretString api_key_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::chrono::milliseconds timeout_{600'000}, idle_timeout_{120'000};
  RetryOptions retry_;
  std::uint64_t default_max_tokens_ = 4096;
  bool echo_reasoning_ = false;
  std::optional<bool> max_completion_tokens_;
};
static_assert(!std::is_aggregate_v<ProviderOptions>);

}  // namespace agentflow::llm
