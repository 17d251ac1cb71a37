// SPDX-License-Identifier: MIT
// An agent that would go on for ever is stopped by its budget of tokens and money.
#include <agentflow/agentflow.hpp>
#include <agentflow/llm/budget.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include <iostream>
#include <memory>
#include <vector>

namespace af = agentflow;

// Stands for a model that never has enough: each of its answers costs 1,200 tokens, and is a call.
af::ChatResponse look_again(const af::ChatRequest&) {
  std::vector<af::ContentBlock> call(1, af::ToolCallBlock(af::make_message_id(), "look"));
  const af::Message message = af::Message(af::Role::assistant, call).with_usage(af::TokenUsage(1'000, 200));
  return af::ChatResponse(message, af::StopReason::tool_calls);
}

int main() {
  // A real one: const auto model = af::llm::model_from_environment(af::http::Client());
  const auto model = std::make_shared<af::testing::ScriptedModel>();
  model->otherwise(look_again);
  const auto look = af::tool("look", "Looks around", [] { return "nothing new"; });

  // One for each run, or user, or day; every agent that is to share it gets the same.
  const auto budget = std::make_shared<af::llm::Budget>(10'000, 0.01);  // tokens, dollars
  const af::llm::Price price(1.0, 4.0);                                 // of a million tokens, in and out
  const auto agent = af::react_agent(af::llm::with_budget(model, budget, price), {look}).compile();
  try {
    agent.invoke("Look until you see something new");
  } catch (const af::error& e) {
    const auto reason = af::find_cause<af::model_error>(e);
    if (!reason || reason->code() != af::errc::model_budget) throw;
    std::cout << reason->message() << "\n";
  }
  std::cout << budget->calls() << " calls, " << budget->used().total() << " tokens, " << budget->cost() << " dollars\n";
}
