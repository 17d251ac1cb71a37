// SPDX-License-Identifier: MIT
// Tests of an agent, without network and without waiting: what it asks, and what it makes of tools that fail.
#include <agentflow/agentflow.hpp>
#include <agentflow/testing/scripted_model.hpp>
#include <agentflow/testing/virtual_time.hpp>

#include <asio/awaitable.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

namespace af = agentflow;
using namespace std::chrono_literals;
using Model = af::testing::ScriptedModel;

// ---- the agent ----

struct City {
  std::string city;
};
AGENTFLOW_PARAMS(City, city)

asio::awaitable<std::string> forecast(City where, af::ToolContext& ctx) {
  if (where.city == "Atlantis") throw af::tool_error("there is no such city");
  co_await ctx.sleep(where.city == "Rome" ? 1s : 1h);  // stands for a service that is slow at times
  co_return "rain in " + where.city;
}

af::StateGraph<> weather_agent(std::shared_ptr<af::ChatModel> model) {
  const auto tool = af::tool("forecast", "Tells the weather", forecast, af::ToolOptions().timeout(10s));
  return af::react_agent(model, {tool}, af::AgentOptions().prompt("You know the weather."));
}

// ---- its tests ----

void check(bool right, const std::string& what) {
  if (!right) throw std::runtime_error("not so: " + what);
  std::cout << "ok: " << what << "\n";
}

// Has the model call the tool, and gives what it is asked next.
af::ChatRequest after_call(const std::string& arguments) {
  const auto model = std::make_shared<Model>();
  model->call("forecast", af::JsonValue::parse(arguments)).reply("Take an umbrella.");
  af::testing::VirtualLoop loop;  // here an hour takes no time, and a deadlock is an error
  const auto agent = weather_agent(model).compile(af::CompileOptions().clock(loop.clock()));
  const auto result = loop.run(agent.ainvoke("What do I need?"));
  check(result->messages.back().text() == "Take an umbrella.", "the last word is the model's");
  check(model->left() == 0, "the model was asked as often as we thought");
  return model->requests().back();
}

int main() {
  const auto said = [](const af::ChatRequest& request, const char* text) {
    return af::to_string(request.messages.back()).find(text) != std::string::npos;
  };
  const af::ChatRequest good = after_call(R"({"city": "Rome"})");
  check(good.messages.front().text() == "You know the weather.", "the prompt comes first");
  check(good.tools.at(0).name == "forecast", "the tool is offered");
  check(said(good, "rain in Rome"), "the model is told the weather");
  check(said(after_call(R"({"city": "Atlantis"})"), "no such city"), "it is told what went wrong");
  check(said(after_call(R"({"town": "Rome"})"), "/city"), "it is told which argument is missing");
  check(said(after_call(R"({"city": "Oslo"})"), "10 s"), "it is told that the tool took too long");
}
