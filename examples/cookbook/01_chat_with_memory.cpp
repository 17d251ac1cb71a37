// SPDX-License-Identifier: MIT
// A chat that remembers: each user has a thread, and a turn's input is only what is new.
#include <agentflow/agentflow.hpp>
#include <agentflow/memory/memory_checkpointer.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include <iostream>
#include <memory>
#include <string>

namespace af = agentflow;

// Stands for a model: it knows what it is shown, and nothing else.
af::ChatResponse recall(const af::ChatRequest& request) {
  std::string name;
  for (const af::Message& message : request.messages)
    if (message.text().starts_with("I am ")) name = message.text().substr(5);
  return af::ChatResponse(af::Message::assistant(name.empty() ? "We have not met." : "You are " + name + "."));
}

int main() {
  // A real one: const auto model = af::llm::model_from_environment(af::http::Client());
  const auto model = std::make_shared<af::testing::ScriptedModel>();
  model->otherwise(recall);

  // The thread keeps everything; the model sees the newest turns that fit.
  af::AgentOptions options;
  options.prompt("You are a friendly assistant.").history([](const af::List<af::Message>& all) {
    return af::trim_messages(all, af::TrimOptions().max_messages(20).max_tokens(8'000));
  });
  // With af::sqlite("chat.db") instead, threads outlive the program.
  const auto memory = af::memory_checkpointer();
  const auto chat = af::react_agent(model, {}, options).compile(af::CompileOptions().checkpointer(memory));

  const auto say = [&chat](const std::string& user, const std::string& text) {
    const auto result = chat.invoke(text, af::RunConfig().thread_id(user));
    std::cout << user << " < " << text << "\n" << user << " > " << result->messages.back().text() << "\n";
  };
  say("ann", "I am Ann");
  say("bob", "Who am I?");
  say("ann", "Who am I?");
  std::cout << chat.get_state("ann")->state.messages.size() << " messages are kept for ann\n";
}
