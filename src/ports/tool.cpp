// SPDX-License-Identifier: MIT
// Tools and sets of them.
#include <agentflow/ports/tool.hpp>

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include <agentflow/core/json.hpp>
#include <agentflow/ports/tool_set.hpp>

#include "core/json_text.hpp"

namespace agentflow {
namespace {

using nlohmann::json;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' ||
           c == '.';
  });
}

}  // namespace

tool_error::~tool_error() = default;
ToolHost::~ToolHost() = default;
Tool::~Tool() = default;

ToolResult ToolResult::blocks(std::vector<ContentBlock> blocks) {
  ToolResult r;
  for (auto& block : blocks) {
    if (const auto* text = block.get_if<TextBlock>())
      r.text_ += text->text;
    else
      r.extra_.push_back(std::move(block));
  }
  return r;
}

ToolResult Tool::call(const JsonValue&, ToolContext&) {
  throw error(errc::internal, fmt::format("the tool '{}' has no call()", spec().name));
}
asio::awaitable<ToolResult> Tool::acall(JsonValue, ToolContext&) {
  throw error(errc::internal, fmt::format("the tool '{}' has no acall()", spec().name));
  co_return ToolResult();
}
const std::string& Tool::hands_off_to() const noexcept {
  static const std::string nobody;
  return nobody;
}

ToolSet::ToolSet(std::initializer_list<std::shared_ptr<Tool>> tools) {
  for (const auto& tool : tools) add(tool);
}
ToolSet::ToolSet(const std::vector<std::shared_ptr<Tool>>& tools) {
  for (const auto& tool : tools) add(tool);
}

ToolSet& ToolSet::add(std::shared_ptr<Tool> tool) {
  if (!tool) throw tool_error(errc::tool_invalid, "a tool is null");
  const ToolSpec& spec = tool->spec();
  if (!is_name(spec.name) || spec.name == "START" || spec.name == "END")
    throw tool_error(errc::tool_invalid,
                     fmt::format("a tool cannot be called {}: use 1 to 64 letters, digits, '_', '-' "
                                 "and '.', and not START or END",
                                 detail::quoted(spec.name)));
  if (find(spec.name) != nullptr)
    throw tool_error(errc::tool_invalid, fmt::format("two tools are called '{}': rename one of them", spec.name));
  try {
    JsonSchema schema(spec.parameters.is_null() ? JsonValue(json{{"type", "object"}}) : spec.parameters);
    entries_.emplace_back(std::move(tool), std::move(schema));
  } catch (const error& e) {
    std::throw_with_nested(
        tool_error(errc::tool_invalid, fmt::format("the parameters of the tool '{}': {}", spec.name, e.message())));
  }
  return *this;
}

const ToolSet::Entry* ToolSet::find(std::string_view name) const noexcept {
  for (const auto& entry : entries_)
    if (entry.tool->spec().name == name) return &entry;
  return nullptr;
}

std::vector<ToolSpec> ToolSet::specs() const {
  std::vector<ToolSpec> out;
  for (const auto& entry : entries_) out.push_back(entry.tool->spec());
  return out;
}

std::string ToolSet::names() const {
  std::string out;
  for (const auto& entry : entries_) out += (out.empty() ? "" : ", ") + entry.tool->spec().name;
  return out;
}

}  // namespace agentflow
