// SPDX-License-Identifier: MIT
// Taking a prompt template apart, and filling it.
#include <agentflow/prebuilt/prompt.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>

namespace agentflow {
namespace {

bool is_field_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

[[noreturn]] void fail(std::size_t byte) {
  throw error(errc::prompt_invalid,
              fmt::format("the prompt has a brace at byte {} that is not part of a {{field}}: write it twice", byte));
}

}  // namespace

PromptTemplate::PromptTemplate(std::string text) {
  std::string plain;
  const auto flush = [&] {
    if (!plain.empty()) parts_.push_back({std::exchange(plain, {}), false});
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      plain += c;
    } else if (i + 1 < text.size() && text[i + 1] == c) {
      plain += c;
      ++i;
    } else {
      const std::size_t end = c == '{' ? text.find('}', i) : std::string::npos;
      if (end == std::string::npos) fail(i);
      std::string name = text.substr(i + 1, end - i - 1);
      if (!is_field_name(name)) fail(i);
      flush();
      parts_.push_back({std::move(name), true});
      i = end;
    }
  }
  flush();
}

std::string PromptTemplate::fill(const Lookup& lookup) const {
  std::string out;
  for (const Part& part : parts_) {
    if (!part.is_field) {
      out += part.text;
      continue;
    }
    const auto value = lookup(part.text);
    if (!value)
      throw error(errc::prompt_invalid,
                  fmt::format("the prompt names the field '{}', which the state does not have", part.text));
    out += *value;
  }
  return out;
}

}  // namespace agentflow
