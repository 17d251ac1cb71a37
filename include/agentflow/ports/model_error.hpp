// SPDX-License-Identifier: MIT
// model_error: what can go wrong between a program and a language model.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/state/message.hpp>

namespace agentflow {

/// What is known about a failed call besides its code and message. Fields that do not apply are empty.
class ModelErrorInfo {
 public:
  ModelErrorInfo() = default;

  std::string provider;  ///< Which wire format or double: "openai", "anthropic", "scripted" and so on.
  std::string model;     ///< The model that was asked.
  int http_status = 0;   ///< 0 where no HTTP answer came.
  /// How long the provider asks to wait before the next attempt.
  std::optional<std::chrono::nanoseconds> retry_after;
  /// The provider's own word on whether another attempt makes sense.
  std::optional<bool> should_retry;
  /// What the provider said, at most 64 KiB, without secrets.
  std::string body;
  /// What came before a stream failed; empty when nothing did.
  Message partial;
};
static_assert(!std::is_aggregate_v<ModelErrorInfo>);

/// A call to a model failed. `code()` is one of the `errc::model_...` and says what kind of failure it is.
///
/// Copying never throws. The message and `info()` never hold keys.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe (immutable).
class AGENTFLOW_VISIBLE model_error : public error {
 public:
  model_error(errc code, std::string message, ModelErrorInfo info = {}, ErrorContext context = {});
  ~model_error() override;
  const ModelErrorInfo& info() const noexcept { return *info_; }
  /// Whether the same call may succeed a little later: rate limits, overload, timeouts and lost connections. Of a
  /// stream only while nothing of it has reached the caller. The provider's own word counts more than the code.
  bool retryable() const noexcept;

 private:
  std::shared_ptr<const ModelErrorInfo> info_;
};

}  // namespace agentflow
