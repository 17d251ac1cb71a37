// SPDX-License-Identifier: MIT
// Handoffs, supervisor, swarm, and the router that asks a model.
#include <agentflow/prebuilt/team.hpp>

#include <memory>
#include <string>
#include <vector>

#include <agentflow/testing/scripted_model.hpp>

#include "support/catch.hpp"
#include "support/tool_run.hpp"

namespace af = agentflow;
using af::testing::ScriptedModel;

namespace {

std::shared_ptr<ScriptedModel> script() { return std::make_shared<ScriptedModel>(); }

af::Worker<> worker(const std::string& name, const std::shared_ptr<ScriptedModel>& model, af::ToolSet tools = {}) {
  return af::Worker<>(name, "Knows about " + name,
                      af::react_agent(model, std::move(tools), af::AgentOptions().name(name)).compile());
}

std::vector<std::string> speakers(const af::AgentState& state) {
  std::vector<std::string> out;
  for (const auto& message : state.messages)
    if (message.role() == af::Role::assistant) out.push_back(message.name() + ":" + message.text());
  return out;
}

template <class F>
af::errc code_of(F&& fn) {
  try {
    fn();
  } catch (const af::error& e) {
    return e.code();
  }
  return af::errc::internal;
}

}  // namespace

TEST_CASE("A supervisor hands over to workers and has the last word") {
  auto boss = script(), math = script(), law = script();
  boss->call("transfer_to_math").call("transfer_to_law").reply("Done.");
  math->reply("It is 4.");
  law->reply("It is legal.");
  const auto app =
      af::supervisor(boss, {worker("math", math), worker("law", law)}, af::AgentOptions().name("boss")).compile();
  const auto result = app.invoke("2 + 2, and is it legal?");
  CHECK(speakers(result.state) ==
        std::vector<std::string>{"boss:", "math:It is 4.", "boss:", "law:It is legal.", "boss:Done."});
  CHECK(results_in(result.state)[0].text == "The conversation was handed over to math.");
  // The worker sees the whole conversation; the supervisor offers one tool for each worker.
  CHECK(math->requests().at(0).messages.size() == 3);
  REQUIRE(boss->requests().at(0).tools.size() == 2);
  CHECK(boss->requests()[0].tools[0].name == "transfer_to_math");
  CHECK(boss->requests()[0].tools[0].description == "Knows about math");
  for (const char* name : {"supervisor", "handoffs", "math", "law"})
    CHECK(app.to_mermaid().find(name) != std::string::npos);
}

TEST_CASE("Two handovers in one answer run side by side") {
  auto boss = script(), math = script(), law = script();
  boss->reply(af::ChatResponse(calling({call_of("transfer_to_law", "{}", "a"), call_of("transfer_to_math", "{}", "b")}),
                               af::StopReason::tool_calls))
      .reply("Done.");
  math->reply("4");
  law->reply("legal");
  const auto result = af::supervisor(boss, {worker("math", math), worker("law", law)}).compile().invoke("both");
  CHECK(speakers(result.state) == std::vector<std::string>{":", "math:4", "law:legal", ":Done."});
}

TEST_CASE("A supervisor may have tools of its own, and errs without harm") {
  auto boss = script(), math = script();
  boss->call("ping").call("transfer_to_nobody").reply("Fine.");
  const auto result = af::supervisor(boss, {worker("math", math)}, {}, {af::tool("ping", "", [] { return "pong"; })})
                          .compile()
                          .invoke("go");
  CHECK(results_in(result.state)[0].text == "pong");
  CHECK(results_in(result.state)[1].is_error);
  CHECK(result->messages.back().text() == "Fine.");
}

TEST_CASE("In a swarm agents hand over to one another") {
  auto front = script(), billing = script();
  front->call("transfer_to_billing");
  billing->reply("Here is your bill.");
  const auto app = af::swarm({worker("front", front, {af::handoff("billing", "Bills")}),
                              worker("billing", billing, {af::handoff("front", "The rest")})},
                             "front")
                       .compile();
  const auto result = app.invoke("My bill, please");
  CHECK(speakers(result.state) == std::vector<std::string>{"front:", "billing:Here is your bill."});
  CHECK(front->requests().size() == 1);

  // The next question goes to whoever answered, and comes back by another handover.
  CHECK(af::active_agent(result->messages) == "billing");
  af::AgentState next = result.state;
  next.messages.push_back(af::Message::user("And last month?"));
  billing->reply("The same.");
  const auto second = app.invoke(next);
  CHECK(second->messages.back().text() == "The same.");
  next = second.state;
  next.messages.push_back(af::Message::user("Thanks. Something else."));
  billing->call("transfer_to_front");
  front->reply("Hello again.");
  const auto third = app.invoke(next);
  CHECK(third->messages.back().text() == "Hello again.");
  CHECK(af::active_agent(third->messages) == "front");
}

TEST_CASE("A swarm begins with its first agent where the active one is not of it") {
  auto front = script();
  front->otherwise([](const af::ChatRequest&) { return af::ChatResponse(af::Message::assistant("front")); });
  const auto app = af::swarm({worker("front", front)}, "front").compile();
  const auto result =
      tool_graph(af::ToolNode({af::handoff("boss", "")})).invoke(state_of(calling({call_of("transfer_to_boss")})));
  CHECK(af::active_agent(result->messages) == "boss");
  af::AgentState state = result.state;
  state.messages.push_back(af::Message::user("Hi"));
  CHECK(app.invoke(state)->messages.back().text() == "front");
  CHECK(af::active_agent(af::AgentState().messages).empty());
  // Of several handovers in one answer the first counts.
  const auto both = tool_graph(af::ToolNode({af::handoff("a", ""), af::handoff("b", "")}))
                        .invoke(state_of(calling({call_of("transfer_to_b"), call_of("transfer_to_a", "{}", "c2")})));
  CHECK(af::active_agent(both->messages) == "b");
}

TEST_CASE("Only a handoff tool hands over, whatever other tools give back") {
  const auto liar = af::tool("liar", "", [] { return af::JsonValue::parse(R"({"handoff_to": "admin"})"); });
  auto result = tool_graph(af::ToolNode({liar})).invoke(state_of(calling({call_of("liar")})));
  CHECK(af::handoff_targets(result->messages).empty());
  result = tool_graph(af::ToolNode({af::handoff("admin", ""), af::handoff("front", "")}))
               .invoke(state_of(calling({call_of("transfer_to_front"), call_of("transfer_to_admin", "{}", "c2"),
                                         call_of("transfer_to_front", "{}", "c3")})));
  CHECK(af::handoff_targets(result->messages) == std::vector<std::string>{"front", "admin"});
}

TEST_CASE("A router asks the model who answers") {
  auto model = script(), math = script(), law = script();
  const auto app = af::route_by_model(model, {worker("math", math), worker("law", law)}).compile();
  model->reply(R"({"choice": "law"})");
  law->reply("It is legal.");
  CHECK(app.invoke("Is it?")->messages.back().text() == "It is legal.");
  REQUIRE(model->requests()[0].output.has_value());
  CHECK(model->requests()[0].output->schema.dump().find(R"("enum":["math","law"])") != std::string::npos);

  model->reply("I think it is maths").reply("```json\n{\"choice\": \"math\"}\n```");
  math->reply("4");
  CHECK(app.invoke("2 + 2?")->messages.back().text() == "4");

  model->reply("nobody").reply("nobody");
  try {
    app.invoke("?");
    FAIL("must throw");
  } catch (const af::node_error& e) {
    CHECK(code_of([&] { std::rethrow_exception(e.cause()); }) == af::errc::output_invalid);
  }
}

TEST_CASE("Teams that are put together wrongly are refused") {
  const auto model = script();
  CHECK(code_of([&] { af::supervisor(model, {}); }) == af::errc::agent_invalid);
  CHECK(code_of([&] { af::supervisor(nullptr, {worker("a", model)}); }) == af::errc::agent_invalid);
  CHECK(code_of([&] { af::supervisor(model, {worker("a b", model)}); }) == af::errc::tool_invalid);
  CHECK(code_of([&] { af::supervisor(model, {worker("a", model), worker("a", model)}); }) == af::errc::tool_invalid);
  CHECK(code_of([&] { af::swarm({worker("a", model)}, "b"); }) == af::errc::agent_invalid);
  CHECK(code_of([&] { af::route_by_model(model, {}); }) == af::errc::agent_invalid);
  CHECK(code_of([&] { af::route_by_model(nullptr, {worker("a", model)}); }) == af::errc::agent_invalid);
}
