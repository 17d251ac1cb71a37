// SPDX-License-Identifier: MIT
// One list of errors from those of all providers.
#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "llm/wire.hpp"

namespace agentflow::llm {
namespace {

constexpr std::size_t max_text = 500;

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

template <std::size_t N>
bool any_in(const std::string& text, const std::array<std::string_view, N>& words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view w) { return text.find(w) != text.npos; });
}

constexpr std::array<std::string_view, 3> quota_words = {"insufficient_quota", "billing", "credit balance"};
constexpr std::array<std::string_view, 7> long_words = {"context_length",     "context length", "maximum context",
                                                        "prompt is too long", "context window", "context size",
                                                        "input token count"};
constexpr std::array<std::string_view, 3> filter_words = {"content_filter", "content_policy", "content management"};
constexpr std::array<std::string_view, 5> auth_words = {"authentication", "permission", "unauthenticated",
                                                        "invalid_api_key", "api key not valid"};
constexpr std::array<std::string_view, 3> rate_words = {"rate_limit", "resource_exhausted", "too many requests"};
constexpr std::array<std::string_view, 4> load_words = {"overloaded", "unavailable", "server_error", "api_error"};

/// Codes and types such as "invalid_request_error", "RESOURCE_EXHAUSTED", and the message.
class Said {
 public:
  explicit Said(const json& body) {
    const json* error = find(body, "error");
    const json& where = error != nullptr ? *error : body;
    message = error != nullptr && error->is_string() ? error->get<std::string>() : text(where, "message");
    if (message.empty()) message = text(body, "detail");
    for (const auto key : {"type", "code", "status"}) codes += text(where, key) + " ";
    codes = lower(codes);
  }
  std::string message, codes;
};

/// Gemini's RetryInfo: "17s" or "1.5s".
std::optional<std::chrono::nanoseconds> retry_delay(const json& body) {
  for (const json& detail : array(object(body, "error"), "details")) {
    const std::string delay = text(detail, "retryDelay");
    double seconds = 0;
    const auto [end, ec] = std::from_chars(delay.data(), delay.data() + delay.size(), seconds);
    if (ec == std::errc() && end != delay.data() && *end == 's' && seconds >= 0 && seconds < 1e6)
      return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  }
  return std::nullopt;
}

errc code_of(int status, const Said& said) {
  const std::string all = said.codes + lower(said.message);
  const bool client_fault = status >= 400 && status < 500;
  if (status == 402 || any_in(all, quota_words)) return errc::model_quota;
  if (status == 413 || ((client_fault || status == 0) && status != 429 && any_in(all, long_words)))
    return errc::model_context_too_long;
  if (status < 500 && any_in(said.codes, filter_words)) return errc::model_refused;
  if (status == 401 || status == 403 || (status < 500 && any_in(all, auth_words))) return errc::model_auth;
  if (status == 429 || any_in(said.codes, rate_words)) return errc::model_rate_limited;
  if (status == 408 || status == 504 || said.codes.find("timeout") != std::string::npos) return errc::model_timeout;
  if (status >= 500 || status == 409 || any_in(said.codes, load_words)) return errc::model_overloaded;
  return errc::model_bad_request;
}

}  // namespace

model_error classify(int status, const json& body, std::string_view raw, ModelErrorInfo info) {
  const Said said(body);
  const errc code = code_of(status, said);
  if (!info.retry_after) info.retry_after = retry_delay(body);
  info.http_status = status;
  std::string message = said.message.empty() ? std::string(raw.substr(0, max_text)) : said.message;
  if (message.size() > max_text) message.resize(max_text);
  if (status >= 300 && status < 400) message = "the address redirects elsewhere, which is not followed with a key";
  if (message.empty()) message = "the provider gave no reason";
  return model_error(code, status == 0 ? message : fmt::format("HTTP {}: {}", status, message), std::move(info));
}

}  // namespace agentflow::llm
