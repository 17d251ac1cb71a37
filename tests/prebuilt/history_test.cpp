// SPDX-License-Identifier: MIT
// Trimming, summarising, and the two shapes of graphs.
#include <agentflow/prebuilt/history.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/prebuilt/agent.hpp>
#include <agentflow/prebuilt/flows.hpp>
#include <agentflow/testing/scripted_model.hpp>

#include "support/catch.hpp"
#include "support/tool_run.hpp"

namespace af = agentflow;

namespace history_test {

struct Work {
  std::vector<int> items;
  std::vector<int> doubled;
  int total = 0;
};
AGENTFLOW_STATE(Work, items, (doubled, af::append), total)

}  // namespace history_test

using history_test::Work;

namespace {

/// s: system, u: user, a: assistant, c: a call, t: a result.
af::List<af::Message> conversation(const std::string& roles) {
  af::List<af::Message> out;
  int n = 0;
  for (const char r : roles) {
    const std::string text = r + std::to_string(n++);
    if (r == 's') out.push_back(af::Message::system(text));
    if (r == 'u') out.push_back(af::Message::user(text));
    if (r == 'a') out.push_back(af::Message::assistant(text));
    if (r == 'c') out.push_back(calling({call_of("t", "{}", text)}));
    if (r == 't') out.push_back(af::Message::tool(text, text));
  }
  return out;
}

std::string kept(const std::string& roles, const af::TrimOptions& options) {
  std::string out;
  for (const auto& message : af::trim_messages(conversation(roles), options)) {
    if (message.role() == af::Role::assistant && message.has_tool_calls()) out += "c ";
    for (const auto& block : message.content())
      if (const auto* result = block.get_if<af::ToolResultBlock>()) out += result->text + " ";
    if (!message.text().empty()) out += message.text() + " ";
  }
  return out;
}

}  // namespace

TEST_CASE("Trimming keeps the newest messages, system messages, and whole turns") {
  const auto four = af::TrimOptions().max_messages(4);
  CHECK(kept("uau", four) == "u0 a1 u2 ");
  CHECK(kept("uauauau", four) == "u4 a5 u6 ");
  CHECK(kept("suauauau", four) == "s0 u5 a6 u7 ");
  // What is kept never begins with a result whose call is gone, nor in the middle of a turn.
  CHECK(kept("ucttaua", four) == "u5 a6 ");
  CHECK(kept("uctauct", four) == "u4 c t6 ");
  // The last turn is kept even if it does not fit.
  CHECK(kept("uauctctct", four) == "u2 c t4 c t6 c t8 ");
  CHECK(kept("aaaaaa", four) == "a5 ");
  CHECK(kept("", four) == "");
  CHECK(kept("sss", four) == "s0 s1 s2 ");
}

TEST_CASE("Trimming by tokens counts as it is told") {
  const auto one_each = [](const af::Message&) { return std::size_t{1}; };
  CHECK(kept("uauaua", af::TrimOptions().max_tokens(2).count(one_each)) == "u4 a5 ");
  CHECK(kept("suauaua", af::TrimOptions().max_tokens(3).count(one_each)) == "s0 u5 a6 ");
  CHECK(af::estimated_tokens(af::Message::user(std::string(400, 'x'))) == 104);
  CHECK(kept("ua", {}) == "u0 a1 ");
}

TEST_CASE("A long conversation is summed up in its own place") {
  auto model = std::make_shared<af::testing::ScriptedModel>();
  model->reply("They counted.");
  af::StateGraph<> graph;
  graph.add_node("summarise", af::summarise(model, af::SummaryOptions().above(6).keep(2)));
  graph.set_entry_point("summarise").add_edge("summarise", "END");
  const auto app = graph.compile();

  af::AgentState state;
  state.messages = conversation("suauact");
  const auto last = state.messages.back();
  const auto result = app.invoke(state);
  REQUIRE(result->messages.size() == 4);
  CHECK(result->messages[0].text() == "s0");
  CHECK(result->messages[1].role() == af::Role::user);
  CHECK(result->messages[1].text() == "[Summary of the conversation so far]\nThey counted.");
  CHECK(result->messages[1].id() == state.messages[1].id());
  CHECK(result->messages[3] == last);
  const auto request = model->requests().at(0);
  CHECK(request.messages.back().text().find("user: u1\nassistant: a2\nuser: u3\nassistant: a4\n") != std::string::npos);

  state.messages = conversation("uauaua");
  CHECK(app.invoke(state)->messages == state.messages);
  CHECK(model->left() == 0);

  // A model that gives no summary costs no message.
  state.messages = conversation("suauact");
  model->reply(" \n").reply(af::ChatResponse(af::Message::assistant("I will not."), af::StopReason::refused));
  CHECK(app.invoke(state)->messages == state.messages);
  CHECK(app.invoke(state)->messages == state.messages);
  CHECK(model->left() == 0);
}

TEST_CASE("A sequence runs its steps one after the other") {
  auto model = std::make_shared<af::testing::ScriptedModel>();
  model->reply("b");
  const auto app =
      af::sequential(af::step("first", [](const af::AgentState&) { return "a"; }),
                     af::step("agent", af::react_agent(model).compile()),
                     af::step("last", [](const af::AgentState& s) { return s.messages.back().text() + "c"; }))
          .compile();
  const auto result = app.invoke("go");
  CHECK(result->messages.back().text() == "bc");
  CHECK(result.steps() == 3);
}

TEST_CASE("Map and reduce: each item once, results in the order of the items") {
  const auto app = af::map_reduce<Work>([](const Work& w) { return w.items; },
                                        [](const int& item) {
                                          return af::Update<Work>().write<&Work::doubled>(std::vector<int>{2 * item});
                                        },
                                        [](Work w) {
                                          for (const int n : w.doubled) w.total += n;
                                          return w;
                                        })
                       .compile();
  Work work;
  work.items = {3, 1, 2};
  auto result = app.invoke(work);
  CHECK(result->doubled == std::vector<int>{6, 2, 4});
  CHECK(result->total == 12);
  result = app.invoke(Work());
  CHECK(result->total == 0);
  CHECK(result.steps() == 1);
}
