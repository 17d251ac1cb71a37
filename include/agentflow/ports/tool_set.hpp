// SPDX-License-Identifier: MIT
// ToolSet: the tools of an agent, checked when they are put together.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_schema.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/ports/chat_request.hpp>
#include <agentflow/ports/tool.hpp>

namespace agentflow {

/// The tools that a model may call, in order, each name once.
///
/// **Errors** `tool_error` (tool_invalid) when a tool is null, has a name that providers do not take, a name that is
/// there already, or a schema that cannot be used.
/// **Thread safety** Distinct objects: safe. Shared objects: safe to read.
class AGENTFLOW_API ToolSet {
 public:
  class Entry {
   public:
    Entry(std::shared_ptr<Tool> t, JsonSchema s) : tool(std::move(t)), schema(std::move(s)) {}
    std::shared_ptr<Tool> tool;
    JsonSchema schema;
  };

  ToolSet() = default;
  ToolSet(std::initializer_list<std::shared_ptr<Tool>> tools);
  explicit ToolSet(const std::vector<std::shared_ptr<Tool>>& tools);

  ToolSet& add(std::shared_ptr<Tool> tool);
  const Entry* find(std::string_view name) const noexcept;
  std::vector<ToolSpec> specs() const;
  /// "a, b, c", for messages.
  std::string names() const;

  bool empty() const noexcept { return entries_.empty(); }
  std::size_t size() const noexcept { return entries_.size(); }
  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }

 private:
  std::vector<Entry> entries_;
};
static_assert(!std::is_aggregate_v<ToolSet>);

}  // namespace agentflow
