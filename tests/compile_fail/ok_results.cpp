// SPDX-License-Identifier: MIT
// Every way to the state of a result, and an exit code that is used.
#include <agentflow/agentflow.hpp>

#include <asio/awaitable.hpp>
#include <string>

#pragma GCC diagnostic error "-Wunused-result"

namespace af = agentflow;

asio::awaitable<void> amain() {
  af::StateGraph<> graph;
  graph.add_node("a", [](const af::AgentState&) { return "hi"; }).set_entry_point("a").add_edge("a", "END");
  const auto app = graph.compile();
  auto result = app.invoke("Hello");
  af::AgentState& state = *result;
  state.messages.clear();
  const af::AgentState& kept = *app.invoke("Hello");
  std::string text = app.invoke("Hello")->messages.back().text() + kept.messages.back().text();
  for (const af::Message& message : app.invoke("Hello").state.messages) text += message.text();
  for (const af::Message& message : (*app.invoke("Hello")).messages) text += message.text();
  co_return;
}

int main() { return af::run(amain()); }
