// SPDX-License-Identifier: MIT
// Talking to a model: a stream with a tool call, then the answer. Runs offline on a scripted model; with
// OPENAI_API_KEY, OPENAI_BASE_URL (a local server), ANTHROPIC_API_KEY or GEMINI_API_KEY set and the argument "real", on
// that provider.
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

#include <agentflow/agentflow.hpp>
#include <agentflow/llm/budget.hpp>
#include <agentflow/llm/providers.hpp>
#include <agentflow/testing/scripted_model.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

namespace af = agentflow;

const char* const schema = R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})";

std::shared_ptr<af::ChatModel> offline_model() {
  auto model = std::make_shared<af::testing::ScriptedModel>();
  af::Message answer = af::Message::assistant("It is 21 degrees and sunny in Rome.").with_usage(af::TokenUsage(40, 9));
  model->call("weather", af::JsonValue::parse(R"({"city":"Rome"})")).reply(af::ChatResponse(answer));
  return model;
}

// Prints the pieces as they come, and gives the whole.
asio::awaitable<af::ChatResponse> ask(std::shared_ptr<af::ChatModel> model, af::ChatRequest request) {
  const auto stream = model->stream(std::move(request));
  while (auto event = co_await stream->next()) {
    if (event->kind == af::ChatEventKind::text) std::cout << event->text << std::flush;
    if (event->kind == af::ChatEventKind::tool_call_begin) std::cout << "[" << event->name;
    if (event->kind == af::ChatEventKind::tool_call_args) std::cout << " " << event->text;
    if (event->kind == af::ChatEventKind::tool_call_end) std::cout << "]\n";
  }
  co_return stream->response();
}

asio::awaitable<std::string> converse(std::shared_ptr<af::ChatModel> model) {
  af::ChatRequest request("What is the weather in Rome? Use the tool.");
  request.tools.push_back(af::ToolSpec("weather", "Tells the weather in a city", af::JsonValue::parse(schema)));
  for (int turn = 0; turn < 4; ++turn) {
    const af::ChatResponse answer = co_await ask(model, request);
    request.messages.push_back(answer.message);
    if (answer.stop != af::StopReason::tool_calls) co_return answer.text();
    for (const af::ToolCallBlock& call : answer.message.tool_calls())
      request.messages.push_back(af::Message::tool(call.id, "21 degrees, sunny"));
  }
  co_return std::string();
}

int main(int argc, char** argv) {
  const af::http::Client client;
  std::shared_ptr<af::ChatModel> model = offline_model();
  const bool real = argc > 1 && argv[1] == std::string_view("real");
  if (real) model = af::llm::model_from_environment(client);
  if (!model) {
    std::cerr << "Neither a key nor a server is in the environment.\n";
    return 2;
  }
  std::cout << "model: " << model->name() << "\n";
  const auto budget = std::make_shared<af::llm::Budget>(10'000);
  model = af::llm::with_budget(model, budget);

  std::string answer;
  asio::io_context io;
  asio::co_spawn(io, converse(model), [&answer](std::exception_ptr error, std::string text) {
    try {
      if (error) std::rethrow_exception(error);
      answer = text;
    } catch (const af::model_error& e) {
      std::cerr << e.what() << "\n";
    }
  });
  io.run();
  std::cout << "\n" << budget->used().total() << " tokens in " << budget->calls() << " calls\n";
  return answer.empty() || (!real && answer.find("sunny") == std::string::npos) ? 1 : 0;
}
