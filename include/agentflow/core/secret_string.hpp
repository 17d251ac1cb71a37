// SPDX-License-Identifier: MIT
// SecretString: a key or a password, which does not print and does not linger.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include <agentflow/core/config.hpp>

namespace agentflow {

/// Holds a secret. It cannot be streamed, formatted or written as JSON; only `reveal()` gives it away, so that every
/// use can be searched for. Copies share one buffer, which is overwritten when the last of them goes.
///
/// **Thread safety** Distinct objects: safe, also when they are copies. Shared objects: safe while nobody assigns.
class AGENTFLOW_API SecretString {
 public:
  SecretString() noexcept = default;
  explicit SecretString(std::string_view secret);
  /// Takes a secret, and overwrites the string it was in.
  static SecretString take(std::string& secret);
  /// The value of an environment variable; empty when it is not set. Without the white space around it.
  static SecretString from_environment(const char* variable);

  bool empty() const noexcept { return !buffer_; }
  /// The secret. Valid while any copy lives.
  std::string_view reveal() const noexcept;

 private:
  class Buffer;
  std::shared_ptr<const Buffer> buffer_;
};
static_assert(!std::is_aggregate_v<SecretString>);

/// Replaces every occurrence of the secret in a text by "***": as it is, in base64, URL-encoded, and as JSON writes it.
/// Secrets of less than four bytes are left alone: they would be found everywhere.
AGENTFLOW_API std::string redact(std::string text, const SecretString& secret);

}  // namespace agentflow
