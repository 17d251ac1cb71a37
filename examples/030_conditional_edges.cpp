// SPDX-License-Identifier: MIT
// Routers: functions from the state to the name of what comes next.
#include <iostream>
#include <string>
#include <vector>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct Ticket {
  std::string text;
  std::string team;
  af::List<std::string> log;
  int checks = 0;
};
AGENTFLOW_STATE(Ticket, text, team, (log, af::append), (checks, af::sum))

Ticket classify(Ticket t) {
  t.team = t.text.find("invoice") != std::string::npos ? "billing" : "support";
  return t;
}
af::Update<Ticket> note(std::string line) { return af::Update<Ticket>().write<&Ticket::log>(std::move(line)); }
Ticket check(Ticket t) {
  ++t.checks;
  return t;
}

// One name out of a path map: `compile()` checks where the keys lead, and a key outside the map is a routing_error.
std::string by_team(const Ticket& t) { return t.team; }
// A bool is the key "true" or "false".
bool good_enough(const Ticket& t) { return t.checks >= 2; }
// Several names: all of them run, in one step.
std::vector<std::string> who_hears(const Ticket& t) {
  std::vector<std::string> names{"archive"};
  if (t.team == "billing") names.push_back("accountant");
  return names;
}

int main() {
  af::StateGraph<Ticket> graph;
  graph.add_node("classify", classify);
  graph.add_node("billing", [](const Ticket&) { return note("billing answers"); });
  graph.add_node("support", [](const Ticket&) { return note("support answers"); });
  graph.add_node("check", check);
  graph.add_node("archive", [](const Ticket&) { return note("archived"); });
  graph.add_node("accountant", [](const Ticket&) { return note("the accountant knows"); });

  graph.set_entry_point("classify");
  graph.add_conditional_edges("classify", by_team, {{"billing", "billing"}, {"support", "support"}});
  graph.add_edge("billing", "check").add_edge("support", "check");
  graph.add_conditional_edges("check", good_enough, {{"true", "END"}, {"false", "check"}});  // a loop
  graph.add_conditional_edges("classify", who_hears, {"archive", "accountant"});
  graph.add_edge("archive", "END").add_edge("accountant", "END");
  const auto app = graph.compile();
  std::cout << app.to_mermaid() << "\n";

  Ticket bill, crash;
  bill.text = "Where is my invoice?";
  crash.text = "It crashed.";
  const auto billed = app.invoke(bill);
  const auto answered = app.invoke(crash);
  for (const auto& line : billed->log) std::cout << line << "\n";
  for (const auto& line : answered->log) std::cout << line << "\n";

  // compile() reports every problem at once.
  std::size_t problems = 0;
  try {
    af::StateGraph<Ticket> wrong = graph;
    wrong.add_node("forgotten", check).add_edge("check", "nobody");
    wrong.compile();
  } catch (const af::graph_error& e) {
    std::cout << e.what() << "\n";
    problems = e.problems().size();
  }
  const bool right = billed->log.size() == 3 && billed->checks == 2 && answered->log.size() == 2 && problems == 2;
  return right ? 0 : 1;
}
