// SPDX-License-Identifier: MIT
// Private: what a URL must be before a request is sent to it.
#pragma once

#include <string>

namespace agentflow::http {

/// A URL, checked.
class CheckedUrl {
 public:
  /// **Errors** `http_error`: http_bad_request (not a URL, another scheme, a user name in it), http_plain.
  CheckedUrl(const std::string& url, bool allow_plain_http);
  std::string text, host;
  bool loopback = false;
};

}  // namespace agentflow::http
