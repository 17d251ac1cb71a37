// SPDX-License-Identifier: MIT
// http_error: an exchange that gave no answer.
#pragma once

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>

namespace agentflow::http {

/// An HTTP exchange failed. `code()` is one of `errc::http_...`. An answer with a status such as 500 is no error here.
class AGENTFLOW_VISIBLE http_error : public error {
 public:
  using error::error;
  ~http_error() override;
};

}  // namespace agentflow::http
