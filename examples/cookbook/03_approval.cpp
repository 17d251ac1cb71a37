// SPDX-License-Identifier: MIT
// A tool with side effects asks first: the run stops, is stored, and goes on with the answer, in any process.
#include <agentflow/agentflow.hpp>
#include <agentflow/memory/memory_checkpointer.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include <iostream>
#include <memory>
#include <string>

namespace af = agentflow;

struct Mail {
  std::string to, text;
};
AGENTFLOW_PARAMS(Mail, to, text)

std::string deliver(const Mail& mail) {
  std::cout << "(sending to " << mail.to << ")\n";
  return "sent";
}

// Stands for a human at a screen, who may take days.
af::Approval decide(const af::Interrupt& question) {
  std::cout << "may I? " << question.payload.dump() << "\n";
  const af::JsonReader arguments = af::JsonReader(question.payload).at("arguments");
  if (arguments.at("to").as_string() == "everybody") return af::Approval::deny("Not to everybody.");
  return af::Approval::approve();
}

int main() {
  // A real one: const auto model = af::llm::model_from_environment(af::http::Client());
  const auto model = std::make_shared<af::testing::ScriptedModel>();
  model->call("send_mail", af::JsonValue::parse(R"({"to": "everybody", "text": "Party!"})"))
      .call("send_mail", af::JsonValue::parse(R"({"to": "ann", "text": "Party!"})"))
      .reply("Ann is invited. I was not allowed to write to everybody.");

  const auto send_mail = af::tool("send_mail", "Sends a mail", deliver, af::ToolOptions().side_effects());
  af::AgentOptions options;
  options.tools(af::ToolNodeOptions().confirm(af::interrupt_for_approval));
  const auto agent = af::react_agent(model, {send_mail}, options)
                         .compile(af::CompileOptions().checkpointer(af::memory_checkpointer()));

  const auto thread = af::RunConfig().thread_id("party");
  auto result = agent.invoke("Invite everybody", thread);
  while (result.status() == af::run_status::interrupted) {
    af::Resume answers;
    for (const af::Interrupt& question : result.interrupts()) answers.answer(question.id, decide(question));
    result = agent.invoke(answers, thread);
  }
  std::cout << result->messages.back().text() << "\n";
}
