// SPDX-License-Identifier: MIT
// When one provider is down the next is asked, before the user sees anything.
#include <agentflow/agentflow.hpp>
#include <agentflow/llm/fallback.hpp>
#include <agentflow/llm/retry.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include <chrono>
#include <iostream>
#include <memory>

namespace af = agentflow;
using namespace std::chrono_literals;
using af::testing::ScriptedModel;

int main() {
  // Real ones: af::llm::model_by_name(client, "anthropic") and af::llm::model_by_name(client, "openai").
  const auto busy = std::make_shared<ScriptedModel>();
  const auto spare = std::make_shared<ScriptedModel>();
  for (int i = 0; i < 4; ++i) busy->fail(af::model_error(af::errc::model_overloaded, "too many people ask"));
  busy->reply("I am back.");
  spare->reply("The sky is blue because air scatters blue light.").reply("Grass is green because of chlorophyll.");

  // First the same provider again, as real ones are anyway; then the other one.
  const auto patient =
      af::llm::with_retries(busy, af::llm::RetryOptions().retries(1).first_wait(1ms).on_retry(
                                      [](const af::model_error& e, int attempt, std::chrono::nanoseconds) {
                                        std::cout << "(attempt " << attempt << ": " << e.message() << ")\n";
                                      }));
  const auto agent = af::react_agent(af::llm::with_fallbacks({patient, spare})).compile();

  for (const char* question : {"Why is the sky blue?", "Why is grass green?", "Are you there?"}) {
    std::cout << question << "\n";
    for (const auto& chunk : agent.stream(question, af::RunConfig().stream(af::stream_mode::messages)))
      std::cout << chunk.content();
    std::cout << "\n";
  }
}
