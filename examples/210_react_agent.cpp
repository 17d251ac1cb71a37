// SPDX-License-Identifier: MIT
// An agent: a model that calls tools until it has an answer, streamed as it comes. The model is a script, so that this
// runs without a network; any other ChatModel takes its place.
#include <agentflow/agentflow.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <exception>
#include <iostream>
#include <memory>
#include <string>

namespace af = agentflow;

struct Sum {
  double a = 0, b = 0;
};
AGENTFLOW_PARAMS(Sum, a, b)

asio::awaitable<void> ask(af::CompiledGraph<af::AgentState> agent, std::string question) {
  auto run = agent.astream(std::move(question), af::RunConfig().stream(af::stream_mode::messages));
  std::string streamed;
  while (auto chunk = co_await run.next()) {
    if (chunk->kind() == af::chunk_kind::token) {
      std::cout << chunk->content() << std::flush;
      streamed += chunk->content();
    } else {
      std::cout << chunk->message() << "\n";  // calls and results come whole
    }
  }
  const auto result = co_await run.result();
  std::cout << "\n";
  // The pieces are the message, which has one id throughout.
  if (streamed != result->messages.back().text()) throw std::runtime_error("the stream differs from the message");
}

int main() {
  // A real one: const auto model = af::llm::model_from_environment(af::http::Client());
  auto model = std::make_shared<af::testing::ScriptedModel>();
  model->call("add", af::JsonValue::parse(R"({"a": 19.5, "b": 22.5})")).reply("Together they are 42.");

  const auto add = af::tool("add", "Adds two numbers", [](const Sum& s) { return s.a + s.b; });
  const auto agent = af::react_agent(model, {add}, af::AgentOptions().prompt("You are good with numbers.")).compile();
  std::cout << agent.to_mermaid() << "\n";

  asio::io_context loop;
  asio::co_spawn(loop, ask(agent, "How much are 19.5 and 22.5?"), [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  });
  loop.run();
}
