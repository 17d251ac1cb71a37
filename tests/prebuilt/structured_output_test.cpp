// SPDX-License-Identifier: MIT
// Answers that are values, and agents that plan: what a model says is checked before it counts.
#include <agentflow/prebuilt/structured_output.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <agentflow/memory/memory_checkpointer.hpp>
#include <agentflow/prebuilt/plan_act_reflect.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include "support/catch.hpp"
#include "support/tool_run.hpp"

namespace af = agentflow;
using af::testing::ScriptedModel;

namespace structured_test {

struct Line {
  std::string what;
  double price = 0;
  std::optional<std::string> note;
  bool operator==(const Line&) const = default;
};
AGENTFLOW_PARAMS(Line, what, (price, "In euro"), note)

struct Invoice {
  std::vector<Line> lines;
  std::optional<std::string> customer;
  bool operator==(const Invoice&) const = default;
};
AGENTFLOW_PARAMS(Invoice, lines, customer)

}  // namespace structured_test

using namespace structured_test;

TEST_CASE("The answer is a value of the type") {
  auto model = std::make_shared<ScriptedModel>();
  model->reply(R"({"lines": [{"what": "chair", "price": 120, "note": null}], "customer": null})");
  const auto result = af::structured_agent<Invoice>(model).compile().invoke("A chair for 120");
  REQUIRE(result->answer.has_value());
  CHECK(*result->answer == Invoice{{Line{"chair", 120, std::nullopt}}, std::nullopt});
  const auto request = model->requests().at(0);
  REQUIRE(request.output.has_value());
  CHECK(request.output->strict);
  CHECK(request.output->schema == af::schema_of<Invoice>(af::SchemaStyle::strict));
}

TEST_CASE("An answer that does not fit goes back with what is wrong") {
  auto model = std::make_shared<ScriptedModel>();
  model->reply("A chair.").reply(R"({"lines": [{"what": "chair"}]})").reply("```json\n{\"lines\": []}\n```");
  const auto result = af::structured_agent<Invoice>(model).compile().invoke("A chair");
  CHECK(result->answer == Invoice{});
  CHECK(result->messages[2].text().starts_with("Your answer cannot be used: it is not JSON: "));
  CHECK(result->messages[4].text() ==
        "Your answer cannot be used: it does not fit the schema:\n/lines/0/price: is required, and is missing\n"
        "Answer again, with nothing but the corrected JSON.");
}

TEST_CASE("A model that gives no usable answer fails the run") {
  auto model = std::make_shared<ScriptedModel>();
  model->reply("a").reply("b").reply("c");
  try {
    af::structured_agent<Invoice>(model, {}, {}, 2).compile().invoke("A chair");
    FAIL("must throw");
  } catch (const af::node_error& e) {
    CHECK(std::string(e.what()).find("AGENT_002: the model was asked 2 times and did not give the output") !=
          std::string::npos);
  }
  CHECK(model->left() == 1);
}

TEST_CASE("In a thread each turn has its attempts, and its own answer") {
  auto model = std::make_shared<ScriptedModel>();
  const char* good = R"({"lines": [{"what": "chair", "price": 99}]})";
  model->reply("a").reply(good).reply("b").reply(good).reply("c").reply("d");
  const auto app = af::structured_agent<Invoice>(model, {}, {}, 2)
                       .compile(af::CompileOptions().checkpointer(af::memory_checkpointer()));
  const auto thread = af::RunConfig().thread_id("t");
  CHECK(app.invoke("A chair", thread)->answer.has_value());
  CHECK(app.invoke("Again", thread)->answer.has_value());
  CHECK_THROWS_AS(app.invoke("And again", thread), af::node_error);
}

TEST_CASE("A structured agent may call tools first, and its state has a JSON form") {
  auto model = std::make_shared<ScriptedModel>();
  model->call("price").reply(R"({"lines": [{"what": "chair", "price": 99}]})");
  const auto app = af::structured_agent<Invoice>(model, {af::tool("price", "", [] { return 99; })}).compile();
  const auto result = app.invoke("A chair");
  CHECK(result->answer->lines.at(0).price == 99);
  CHECK(results_in(af::AgentState{result->messages}).at(0).data.dump() == "99");
  CHECK(result.to_json().find(R"("answer":{"lines":[{"what":"chair","price":99.0,"note":null}],"customer":null})") !=
        std::string::npos);
  CHECK(af::from_json_text<af::Structured<Invoice>>(af::to_json_text(result.state)).answer == result->answer);
}

TEST_CASE("Plan, act, reflect: each step is done, and the outcome is looked at") {
  auto model = std::make_shared<ScriptedModel>();
  model->reply(R"({"steps": ["ask ping", "think"]})")
      .call("ping")
      .reply("It says pong.")
      .reply("I thought.")
      .reply(R"({"answer": null, "steps": ["sleep on it"]})")
      .reply("I slept.")
      .reply(R"({"answer": "Pong."})");
  const auto app = af::plan_act_reflect(model, {af::tool("ping", "", [] { return "pong"; })},
                                        af::AgentOptions().prompt("You are patient."))
                       .compile();
  const auto result = app.invoke("What does ping say?");
  CHECK(result->messages.back().text() == "Pong.");
  CHECK(result->messages.size() == 2);
  CHECK(result->round == 2);
  CHECK(result->findings ==
        std::vector<std::string>{"ask ping: It says pong.", "think: I thought.", "sleep on it: I slept."});
  const auto requests = model->requests();
  CHECK(requests[0].messages[0].text().starts_with("You are patient.\n\n"));
  CHECK(requests[1].messages[0].text() == "You are patient.");
  CHECK(requests[1].messages[1].text().find("Now do only this step, and say what came out: ask ping") !=
        std::string::npos);
  CHECK(requests[3].messages[1].text().find("1. ask ping: It says pong.") != std::string::npos);
  for (const char* name : {"plan", "act", "reflect"}) CHECK(app.to_mermaid().find(name) != std::string::npos);
}

TEST_CASE("In a thread each question has its own plan and findings") {
  auto model = std::make_shared<ScriptedModel>();
  for (int i = 0; i < 2; ++i) model->reply(R"({"steps": ["look"]})").reply("Seen.").reply(R"({"answer": "Done."})");
  const auto app = af::plan_act_reflect(model).compile(af::CompileOptions().checkpointer(af::memory_checkpointer()));
  const auto thread = af::RunConfig().thread_id("t");
  app.invoke("One?", thread);
  const auto result = app.invoke("Two?", thread);
  CHECK(result->findings == std::vector<std::string>{"look: Seen."});
  CHECK(result->messages.size() == 4);
}

TEST_CASE("In the last round the planner answers with what there is") {
  auto model = std::make_shared<ScriptedModel>();
  model->reply("no plan").reply(R"({"steps": ["try"]})").reply("Nothing.").reply(R"({"steps": ["try again"]})");
  const auto result = af::plan_act_reflect(model, {}, {}, 1).compile().invoke("?");
  CHECK(result->messages.back().text() == "I could not find an answer.");
  CHECK(model->left() == 0);
  CHECK_THROWS_AS(af::plan_act_reflect(model, {}, {}, 0), af::error);
}
