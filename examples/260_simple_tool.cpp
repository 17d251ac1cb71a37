// SPDX-License-Identifier: MIT
// A tool of the plain kind: no coroutine, no event loop, no name of Asio's. It sorts the words of its arguments into
// questions and statements.
#include <iostream>
#include <string>
#include <string_view>

#include <agentflow/agentflow.hpp>

namespace af = agentflow;

struct Text {
  std::string input;
  af::List<std::string> notes;
};
AGENTFLOW_STATE(Text, input, (notes, af::append))

std::string_view classify(const Text& t) { return t.input.ends_with('?') ? "question" : "statement"; }

int main(int argc, char** argv) {
  af::StateGraph<Text> graph;
  graph.add_node("read", [](Text t) {
    t.notes.push_back("read " + std::to_string(t.input.size()) + " bytes");
    return t;
  });
  graph.add_node("question",
                 [](const Text&) { return af::Update<Text>().write<&Text::notes>("somebody should answer"); });
  graph.add_node("statement", [](const Text&) { return af::Update<Text>().write<&Text::notes>("noted"); });
  graph.set_entry_point("read");
  graph.add_conditional_edges("read", classify, {"question", "statement"});
  graph.add_edge("question", "END").add_edge("statement", "END");
  const auto app = graph.compile();

  Text text;
  text.input = argc > 1 ? argv[1] : "is it a tool?";
  try {
    const auto result = app.invoke(text);
    for (const auto& note : result->notes) std::cout << note << "\n";
  } catch (const af::error& e) {
    std::cerr << e << "\n";
    return 1;
  }
  app.close();
}
