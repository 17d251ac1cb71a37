// SPDX-License-Identifier: MIT
// Tools: any callable, with a schema derived from its parameters; what a model gets wrong is told to it.
#include <agentflow/agentflow.hpp>

#include <asio/awaitable.hpp>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

namespace af = agentflow;

enum class Unit { celsius, fahrenheit };
AGENTFLOW_ENUM(Unit, celsius, fahrenheit)

struct Weather {
  std::string city;
  std::optional<Unit> unit;
};
AGENTFLOW_PARAMS(Weather, (city, "The city, such as \"Rome\""), (unit, "Celsius if left out"))

struct Email {
  std::string to, text;
};
AGENTFLOW_PARAMS(Email, to, text)

// A plain function.
std::string weather(const Weather& w) {
  if (w.city == "Atlantis") throw af::tool_error("this city is under water");
  return w.city + ": " + (w.unit == Unit::fahrenheit ? "68 F" : "20 C");
}

// A coroutine, with a context: it waits without holding up the others, and tells how it goes on.
asio::awaitable<int> count_visitors(af::ToolContext& ctx) {
  ctx.progress(af::to_json_value(std::string("asking the gate")));
  co_await ctx.sleep(std::chrono::milliseconds(5));
  co_return 1234;
}

// What a model might answer: a message with calls.
af::Message calls(const std::vector<af::ToolCallBlock>& list) {
  return af::Message(af::Role::assistant, std::vector<af::ContentBlock>(list.begin(), list.end()));
}

int main() {
  af::ToolSet tools;
  tools.add(
      af::tool("weather", "Tells the weather of a city", weather, af::ToolOptions().timeout(std::chrono::seconds(5))));
  tools.add(af::tool("count_visitors", "Counts the visitors of today", count_visitors));
  tools.add(af::tool(
      "send_email", "Sends an e-mail", [](const Email& e) { return "sent to " + e.to; },
      af::ToolOptions().side_effects()));
  for (const auto& spec : tools.specs()) std::cout << spec.name << ": " << spec.parameters.dump() << "\n";

  // Before a call with side effects somebody is asked: it may be approved, denied, or made with other arguments.
  af::ToolNodeOptions options;
  options.confirm([](const af::ToolCallBlock& call, af::NodeContext&) {
    std::cout << "may I? " << call.name << " " << call.arguments.dump() << "\n";
    return af::Approval::rewrite(af::JsonValue::parse(R"({"to": "me@example.org", "text": "hi"})"));
  });

  af::StateGraph<> graph;
  graph.add_node("tools", af::ToolNode(std::move(tools), options));
  graph.set_entry_point("tools").add_edge("tools", "END");
  const auto app = graph.compile();

  af::AgentState state;
  state.messages.push_back(calls({
      af::ToolCallBlock("1", "weather", af::JsonValue::parse(R"({"city": "Rome", "unit": "fahrenheit"})")),
      af::ToolCallBlock("2", "count_visitors"),
      af::ToolCallBlock("3", "weather", af::JsonValue::parse(R"({"town": "Rome", "unit": "kelvin"})")),
      af::ToolCallBlock("4", "weather", af::JsonValue::parse(R"({"city": "Atlantis"})")),
      af::ToolCallBlock("5", "divide"),
      af::ToolCallBlock("6", "send_email", af::JsonValue::parse(R"({"to": "all@example.org", "text": "hi"})")),
  }));
  // They run side by side; the results stand in the order of the calls.
  const auto result = app.invoke(state);
  for (std::size_t i = 1; i < result->messages.size(); ++i) std::cout << result->messages[i] << "\n";
  return result->messages.size() == 7 ? 0 : 1;
}
