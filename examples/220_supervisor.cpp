// SPDX-License-Identifier: MIT
// A team: a supervisor hands the conversation to workers, which are agents themselves.
#include <agentflow/agentflow.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include <iostream>
#include <memory>

namespace af = agentflow;
using af::testing::ScriptedModel;

int main() {
  // Real ones: af::llm::model_from_environment(af::http::Client()), one for all or one for each.
  auto boss = std::make_shared<ScriptedModel>();
  auto researcher = std::make_shared<ScriptedModel>();
  auto writer = std::make_shared<ScriptedModel>();
  boss->call("transfer_to_researcher").call("transfer_to_writer").reply("The poem is ready.");
  researcher->call("look_up").reply("Bees dance to tell where flowers are.");
  writer->reply("A bee dances / and the hive knows / the way to the rose.");

  const auto look_up = af::tool("look_up", "Looks things up", [] { return "bees: waggle dance"; });
  const auto research = af::react_agent(researcher, {look_up}, af::AgentOptions().name("researcher")).compile();
  const auto write = af::react_agent(writer, {}, af::AgentOptions().name("writer")).compile();

  const auto team =
      af::supervisor(
          boss, {af::Worker<>("researcher", "Finds facts", research), af::Worker<>("writer", "Writes poems", write)},
          af::AgentOptions().name("boss").prompt("You lead a team of two."))
          .compile();
  std::cout << team.to_mermaid() << "\n";
  const auto result = team.invoke("A poem about bees, please");
  for (const af::Message& message : result->messages) std::cout << message << "\n";
}
