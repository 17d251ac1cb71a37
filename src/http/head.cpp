// SPDX-License-Identifier: MIT
// Response heads, and what Retry-After says.
#include <curl/curl.h>

#include <charconv>
#include <cmath>

#include <agentflow/http/http_error.hpp>
#include <agentflow/http/request.hpp>

namespace agentflow::http {
namespace {

using std::chrono::milliseconds;

constexpr long longest = 1'000'000'000;  // seconds: about thirty years

/// Digits with a fraction; nothing for anything else.
std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || !(value >= 0 && value < longest)) return std::nullopt;
  return value;
}

}  // namespace

http_error::~http_error() = default;

std::string_view Head::header(std::string_view lower_case_name) const noexcept {
  for (const auto& [name, value] : headers)
    if (name == lower_case_name) return value;
  return {};
}

std::optional<milliseconds> Head::retry_after(std::chrono::system_clock::time_point now) const {
  if (const auto ms = number(header("retry-after-ms"))) return milliseconds(std::llround(*ms));
  const std::string_view text = header("retry-after");
  if (text.empty()) return std::nullopt;
  if (const auto seconds = number(text)) return milliseconds(std::llround(*seconds * 1000));
  const time_t date = curl_getdate(std::string(text).c_str(), nullptr);
  if (date == -1) return std::nullopt;
  // In seconds first: clocks count nanoseconds, and do not reach as far as the dates that a server can think of.
  const auto seconds = date - std::chrono::system_clock::to_time_t(now);
  if (seconds < 0 || seconds > longest) return std::chrono::seconds(seconds < 0 ? 0 : longest);
  const auto wait = std::chrono::ceil<milliseconds>(std::chrono::system_clock::from_time_t(date) - now);
  return std::max(wait, milliseconds(0));
}

}  // namespace agentflow::http
