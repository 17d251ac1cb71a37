// SPDX-License-Identifier: MIT
// The tool of a handoff, and how a router sees that it was called.
#include <agentflow/prebuilt/handoff.hpp>

#include <algorithm>
#include <utility>

#include <agentflow/core/json.hpp>

#include "prebuilt/handoff_mark.hpp"

namespace agentflow {
namespace {

constexpr const char* mark = "handoff_to";

class Handoff final : public Tool {
 public:
  Handoff(std::string agent, std::string description)
      : agent_(std::move(agent)), spec_("transfer_to_" + agent_, std::move(description)) {}
  const ToolSpec& spec() const noexcept override { return spec_; }
  const ToolOptions& options() const noexcept override { return options_; }
  tool_kind kind() const noexcept override { return tool_kind::sync; }
  ToolResult call(const JsonValue&, ToolContext&) override {
    return ToolResult::text("The conversation was handed over to " + agent_ + ".");
  }
  const std::string& hands_off_to() const noexcept override { return agent_; }

 private:
  std::string agent_;
  ToolSpec spec_;
  ToolOptions options_;
};

}  // namespace

std::shared_ptr<Tool> handoff(const std::string& agent, std::string description) {
  return std::make_shared<Handoff>(agent, std::move(description));
}

Message detail::mark_handoff(Message message, const std::string& agent) {
  return std::move(message).with_metadata(JsonValue(nlohmann::json{{mark, agent}}));
}

namespace {

/// The agent that a tool message hands over to; empty for all other messages.
std::string target_of(const Message& message) {
  if (message.role() != Role::tool) return {};
  const auto& metadata = message.metadata().get();
  if (!metadata.is_object() || !metadata.contains(mark) || !metadata[mark].is_string()) return {};
  return metadata[mark].get<std::string>();
}

}  // namespace

std::vector<std::string> handoff_targets(const List<Message>& conversation) {
  std::vector<std::string> out;
  for (std::size_t i = conversation.size(); i-- > 0 && conversation[i].role() == Role::tool;) {
    std::string agent = target_of(conversation[i]);
    if (agent.empty()) continue;
    if (const auto again = std::find(out.begin(), out.end(), agent); again != out.end()) out.erase(again);
    out.insert(out.begin(), std::move(agent));
  }
  return out;
}

std::string active_agent(const List<Message>& conversation) {
  std::string out;
  for (std::size_t i = conversation.size(); i-- > 0;) {
    // Of the results of one answer, which stand together, the first that hands over.
    if (conversation[i].role() != Role::tool && !out.empty()) break;
    if (std::string agent = target_of(conversation[i]); !agent.empty()) out = std::move(agent);
  }
  return out;
}

}  // namespace agentflow
