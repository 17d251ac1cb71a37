// SPDX-License-Identifier: MIT
// wide_state: fifteen fields, some of them lists, and large documents passed from node to node. After the benchmark of
// the same name in LangGraph (libs/langgraph/bench/wide_state.py).
#include <map>

#include <agentflow/core/json.hpp>

#include "workloads.hpp"

namespace bench {

using Documents = af::List<af::JsonValue>;
using Entries = std::map<std::string, af::JsonValue>;

struct Wide {
  Documents messages, trigger_events, categorizations, responses;
  af::JsonValue primary_issue_medium, autoresponse, issue, relevant_rules, memory_docs, user_info, crm_info,
      email_thread_id, bot_id;
  Entries slack_participants, notified_assignees;
};
AGENTFLOW_STATE(Wide, (messages, af::append), (trigger_events, af::append), (categorizations, af::append),
                (responses, af::append), primary_issue_medium, autoresponse, issue, relevant_rules, memory_docs,
                user_info, crm_info, email_thread_id, bot_id, (slack_participants, af::merge_map),
                (notified_assignees, af::merge_map))

namespace {

constexpr std::size_t enough = 300;

using Update = af::Update<Wide>;

Update one(const Wide& s) {
  return Update().write<&Wide::trigger_events>(s.messages).write<&Wide::primary_issue_medium>(s.messages.back());
}
Update two(const Wide& s) {
  return Update().write<&Wide::autoresponse>(s.trigger_events.back()).write<&Wide::issue>(s.trigger_events.back());
}
Update three(const Wide& s) { return Update().write<&Wide::relevant_rules>(s.autoresponse); }
Update four(const Wide& s) {
  return Update()
      .write<&Wide::categorizations>(s.trigger_events)
      .write<&Wide::responses>(s.trigger_events)
      .write<&Wide::memory_docs>(s.trigger_events.back());
}
Update five(const Wide& s) {
  const af::JsonValue& last = s.categorizations.back();
  const Entries entries{{"last", last}};
  return Update()
      .write<&Wide::user_info>(last)
      .write<&Wide::crm_info>(last)
      .write<&Wide::email_thread_id>(last)
      .write<&Wide::bot_id>(last)
      .write<&Wide::slack_participants>(entries)
      .write<&Wide::notified_assignees>(entries);
}
Update six(const Wide& s) { return Update().write<&Wide::messages>(s.responses); }

/// Fifteen maps of 300 names to 25 short strings.
Wide input() {
  Wide state;
  for (int document = 0; document < 15; ++document) {
    nlohmann::json map = nlohmann::json::object();
    for (int key = 0; key < 300; ++key) {
      auto& strings = map[std::to_string(key * 1'000 + document)] = nlohmann::json::array();
      for (int i = 0; i < 25; ++i) strings.push_back("hi?hi?hi?");
    }
    state.messages.push_back(af::JsonValue(std::move(map)));
  }
  return state;
}

}  // namespace

void wide_state(Session& session) {
  if (!session.considers("wide_state")) return;
  af::StateGraph<Wide> graph;
  graph.add_node("one", one).add_node("two", two).add_node("three", three);
  graph.add_node("four", four).add_node("five", five).add_node("six", six);
  graph.set_entry_point("one").add_edge("one", "two").add_edge("two", "three").add_edge("two", "four");
  graph.add_edge({"three", "four"}, "five").add_edge("five", "six");
  const auto router = [](const Wide& s) { return s.messages.size() > enough ? af::END : std::string_view("two"); };
  graph.add_conditional_edges("six", router, std::vector<std::string>{"two", "END"});
  const auto app = graph.compile();
  const Wide start = input();
  session.measure(Case{.workload = "wide_state", .run = [&](long n) {
                         for (long i = 0; i < n; ++i) {
                           const auto result = app.invoke(start);
                           verify(result->messages.size() == 330 && result.steps() == 25, "wide_state: the messages");
                         }
                       }});
}

}  // namespace bench
