// SPDX-License-Identifier: MIT
// What OpenAI's two wire formats have in common.
#include "llm/openai.hpp"

namespace agentflow::llm {

std::string OpenAiWire::url(const ProviderOptions& options, const std::string&, bool) const {
  return endpoint(options.base_url().empty() ? "https://api.openai.com/v1" : options.base_url(), "/v1", path_);
}

void OpenAiWire::authorize(http::Request& request, const ProviderOptions& options) const {
  if (!options.api_key().empty()) request.secret_header("authorization", "Bearer ", options.api_key());
}

json openai::function_of(const ToolSpec& tool) {
  json f;
  f["name"] = tool.name;
  if (!tool.description.empty()) f["description"] = tool.description;
  f["parameters"] = parameters_of(tool);
  return f;
}

void openai::put_tool_choice(json& body, const ChatRequest& request, json named) {
  switch (request.tool_choice.mode()) {
    case ToolChoice::Mode::automatic: break;
    case ToolChoice::Mode::none: body["tool_choice"] = "none"; break;
    case ToolChoice::Mode::required: body["tool_choice"] = "required"; break;
    case ToolChoice::Mode::tool: named["type"] = "function"; body["tool_choice"] = std::move(named);
  }
  if (request.parallel_tool_calls) body["parallel_tool_calls"] = *request.parallel_tool_calls;
}

json openai::schema_of(const OutputSchema& output) {
  json s;
  s["name"] = output.name;
  s["schema"] = output.schema.get();
  s["strict"] = output.strict;
  return s;
}

TokenUsage openai::usage_of(const json& usage, const std::string& in, const std::string& out) {
  return TokenUsage(number(usage, in + "_tokens"), number(usage, out + "_tokens"),
                    number(object(usage, in + "_tokens_details"), "cached_tokens"),
                    number(object(usage, out + "_tokens_details"), "reasoning_tokens"));
}

}  // namespace agentflow::llm
