// SPDX-License-Identifier: MIT
// Secrets: overwritten when they go, and taken out of texts.
#include <agentflow/core/secret_string.hpp>

#include <cstdlib>
#include <utility>
#include <vector>

namespace agentflow {
namespace {

void overwrite(char* at, std::size_t size) noexcept {
  // Through volatile, or the compiler would leave out what nobody reads.
  for (volatile char* p = at; size != 0; --size) *p++ = 0;
}

std::string base64(std::string_view in) {
  static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0;
  int have = 0;
  for (const char c : in) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (have += 8; have >= 6; have -= 6) out += digits[bits >> (have - 6) & 63];
  }
  if (have > 0) out += digits[bits << (6 - have) & 63];
  return out;  // without padding, which a longer text would not have there
}

std::string percent_encoded(std::string_view in) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : in) {
    const auto u = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain)
      out += c;
    else
      out += {'%', hex[u >> 4], hex[u & 15]};
  }
  return out;
}

std::string json_escaped(std::string_view in, bool slashes) {
  std::string out;
  for (const char c : in) {
    if (c == '"' || c == '\\' || (slashes && c == '/')) out += '\\';
    out += c;
  }
  return out;
}

void replace_all(std::string& text, const std::string& what) {
  for (std::size_t at = 0; (at = text.find(what, at)) != text.npos; at += 3) text.replace(at, what.size(), "***");
}

}  // namespace

class SecretString::Buffer {
 public:
  explicit Buffer(std::string_view secret) : bytes(secret.begin(), secret.end()) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { overwrite(bytes.data(), bytes.size()); }
  std::vector<char> bytes;
};

SecretString::SecretString(std::string_view secret) {
  if (!secret.empty()) buffer_ = std::make_shared<const Buffer>(secret);
}

SecretString SecretString::take(std::string& secret) {
  SecretString out{std::string_view(secret)};
  overwrite(secret.data(), secret.size());
  secret.clear();
  return out;
}

SecretString SecretString::from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  std::string_view text = value != nullptr ? value : "";
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == text.npos) return {};
  return SecretString(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}

std::string_view SecretString::reveal() const noexcept {
  return buffer_ ? std::string_view(buffer_->bytes.data(), buffer_->bytes.size()) : std::string_view();
}

std::string redact(std::string text, const SecretString& secret) {
  const std::string_view plain = secret.reveal();
  if (plain.size() < 4) return text;
  replace_all(text, std::string(plain));
  replace_all(text, base64(plain));
  replace_all(text, percent_encoded(plain));
  replace_all(text, json_escaped(plain, false));
  replace_all(text, json_escaped(plain, true));
  return text;
}

}  // namespace agentflow
