// SPDX-License-Identifier: MIT
// model_error: which failures pass by themselves.
#include <agentflow/ports/model_error.hpp>

namespace agentflow {

model_error::model_error(errc code, std::string message, ModelErrorInfo info, ErrorContext context)
    : error(code, std::move(message), std::move(context)),
      info_(std::make_shared<const ModelErrorInfo>(std::move(info))) {}
model_error::~model_error() = default;

bool model_error::retryable() const noexcept {
  if (info_->should_retry) return *info_->should_retry;
  switch (code()) {
    case errc::model_rate_limited:
    case errc::model_overloaded:
    case errc::model_timeout:
    case errc::model_transport:
    case errc::model_stream_truncated: return true;
    default: return false;
  }
}

}  // namespace agentflow
