// SPDX-License-Identifier: MIT
// Private: what OpenAI's two wire formats have in common.
#pragma once

#include <string>
#include <string_view>

#include "llm/wire.hpp"

namespace agentflow::llm {

/// A wire format of OpenAI, up to its requests and answers: they stand behind `path`.
class OpenAiWire : public Wire {
 public:
  OpenAiWire(std::string name, std::string_view path) : name_(std::move(name)), path_(path) {}
  std::string name() const override { return name_; }
  std::string url(const ProviderOptions& options, const std::string& model, bool stream) const override;
  void authorize(http::Request& request, const ProviderOptions& options) const override;

 private:
  std::string name_;
  std::string_view path_;
};

namespace openai {

/// A tool: its name, what it is for, and its parameters.
json function_of(const ToolSpec& tool);
/// Puts the choice among tools into the body. A tool that must be called is named by `named`.
void put_tool_choice(json& body, const ChatRequest& request, json named);
/// The name of a schema, the schema, and whether to keep to the letter of it.
json schema_of(const OutputSchema& output);
/// What an answer cost: "prompt" and "completion", or "input" and "output".
TokenUsage usage_of(const json& usage, const std::string& in, const std::string& out);

}  // namespace openai
}  // namespace agentflow::llm
