// SPDX-License-Identifier: MIT
// Requests and responses of the HTTP client.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/secret_string.hpp>

namespace agentflow::http {

/// One request. Header values that are secret are kept apart, so that nothing prints them.
class Request {
 public:
  Request() = default;
  explicit Request(std::string m, std::string u) : method(std::move(m)), url(std::move(u)) {}

  Request& header(std::string name, std::string value) {
    headers.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  /// Sends `prefix` and the secret as the header's value: `secret_header("authorization", "Bearer ", key)`.
  Request& secret_header(std::string name, std::string prefix, SecretString value) {
    secrets.emplace_back(std::move(name), std::move(prefix), std::move(value));
    return *this;
  }

  class Secret {
   public:
    Secret(std::string n, std::string p, SecretString v)
        : name(std::move(n)), prefix(std::move(p)), value(std::move(v)) {}
    std::string name, prefix;
    SecretString value;
  };

  std::string method = "GET", url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<Secret> secrets;
  std::string body;
  /// Limits the whole exchange in time. Default: none; leave it so for streams.
  std::optional<std::chrono::milliseconds> timeout;
  /// Limits the time without a byte going either way, other than `ClientOptions::idle_timeout`. Zero: no limit.
  std::optional<std::chrono::milliseconds> idle_timeout;
};

/// Status and headers of a response.
class AGENTFLOW_API Head {
 public:
  Head() = default;
  int status = 0;
  /// Names in lower case, in the order they came.
  std::vector<std::pair<std::string, std::string>> headers;

  /// The first value of a header, named in lower case; empty when it is not there.
  std::string_view header(std::string_view lower_case_name) const noexcept;
  /// How long the server asks to wait: `retry-after-ms`, or `retry-after` as seconds or as a date.
  std::optional<std::chrono::milliseconds> retry_after(std::chrono::system_clock::time_point now) const;
};

/// A whole response.
class Response {
 public:
  Response() = default;
  Head head;
  std::string body;
};

static_assert(!std::is_aggregate_v<Request> && !std::is_aggregate_v<Head> && !std::is_aggregate_v<Response>);

}  // namespace agentflow::http
