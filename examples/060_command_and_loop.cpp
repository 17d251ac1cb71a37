// SPDX-License-Identifier: MIT
// A loop that a node controls: a Command carries a change and the place to go to.
#include <iostream>
#include <string>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct Draft {
  std::string text;
  af::List<std::string> remarks;
};
AGENTFLOW_STATE(Draft, text, (remarks, af::append))

Draft write_more(Draft draft) {
  draft.text += draft.text.empty() ? "Graphs are" : " very very";
  return draft;
}

// Says what it changes and where to go in one return value.
af::Command<Draft> review(const Draft& draft) {
  if (draft.text.size() > 30) return af::Command<Draft>().go_to("publish");
  auto remark = af::Update<Draft>().write<&Draft::remarks>("too short: " + std::to_string(draft.text.size()));
  return af::Command<Draft>().update(std::move(remark)).go_to("write");
}

int main() {
  af::StateGraph<Draft> graph;
  graph.add_node("write", write_more);
  // The destinations are checked, and drawings show them. Without them a Command may lead anywhere.
  graph.add_node("review", review, af::NodeOptions().destinations({"write", "publish"}));
  graph.add_node("publish", [](Draft draft) {
    draft.text += " useful.";
    return draft;
  });
  graph.set_entry_point("write").add_edge("write", "review").add_edge("publish", "END");
  const auto app = graph.compile();

  const auto result = app.invoke(Draft());
  for (const auto& remark : result->remarks) std::cout << remark << "\n";
  std::cout << result->text << "\n" << result.steps() << " steps\n";

  // A loop that does not come to its end is stopped by the limit: 25 steps unless you say otherwise.
  std::uint64_t limit = 0;
  try {
    app.invoke(Draft(), af::RunConfig().recursion_limit(4));
  } catch (const af::recursion_error& e) {
    std::cout << e.message() << "\n";
    limit = e.limit();
  }
  const bool right = result->text == "Graphs are very very very very very very useful." &&
                     result->remarks.size() == 3 && result.steps() == 9 && limit == 4;
  return right ? 0 : 1;
}
