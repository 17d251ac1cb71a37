// SPDX-License-Identifier: MIT
// Closing what a run left open.
#include "prebuilt/open_calls.hpp"

#include <cstddef>
#include <set>
#include <string>
#include <utility>

namespace agentflow::detail {

std::vector<Message> close_open_calls(std::vector<Message> conversation) {
  std::vector<Message> out;
  out.reserve(conversation.size());
  for (std::size_t i = 0; i < conversation.size();) {
    const auto calls = conversation[i].tool_calls();
    out.push_back(std::move(conversation[i++]));
    if (calls.empty()) continue;
    std::set<std::string> answered;
    for (; i < conversation.size() && conversation[i].role() == Role::tool; ++i) {
      for (const ContentBlock& block : conversation[i].content())
        if (const auto* result = block.get_if<ToolResultBlock>()) answered.insert(result->call_id);
      out.push_back(std::move(conversation[i]));
    }
    for (const ToolCallBlock& call : calls)
      if (!answered.contains(call.id))
        out.push_back(Message::tool(ToolResultBlock(
                                        call.id, "The run ended before this call had a result. It may have been made.")
                                        .with_error(true))
                          .with_name(call.name));
  }
  return out;
}

}  // namespace agentflow::detail
