// SPDX-License-Identifier: MIT
// A generator over the stream of a run: it passes on the text alone, and dropping it cancels the run.
#include <chrono>
#include <iostream>
#include <string>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

asio::awaitable<af::Message> agent(const af::AgentState&, af::NodeContext& ctx) {
  const std::string id = af::make_message_id();
  std::string text;
  for (const char* word : {"Bees ", "dance ", "to ", "tell ", "the ", "way."}) {
    co_await ctx.sleep(1ms);
    co_await ctx.emit_token(word, id);
    text += word;
  }
  co_return af::Message::assistant(text).with_id(id);
}

// Parameters are values: they live in the generator.
af::Generator<std::string> process_with_streaming(af::CompiledGraph<af::AgentState> app, std::string query) {
  auto stream = app.astream(query);
  while (auto chunk = co_await stream.next())
    if (chunk->content_type() == af::content_type::message) co_yield std::string(chunk->content());
}

// Generators compose.
af::Generator<std::string> loud(af::Generator<std::string> words) {
  while (auto word = co_await words.next()) {
    for (char& c : *word)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    co_yield *word;
  }
}

asio::awaitable<int> amain() {
  af::StateGraph<> graph;
  graph.add_node("agent", agent).set_entry_point("agent").add_edge("agent", "END");
  const auto app = graph.compile();

  std::string all;
  auto pieces = process_with_streaming(app, "Why do bees dance?");
  while (auto piece = co_await pieces.next()) all += *piece;
  std::cout << all << "\n";

  // Two words are enough: the generator goes, and with it the stream and the run.
  std::string two;
  auto words = loud(process_with_streaming(app, "And loudly?"));
  for (int i = 0; i < 2; ++i) {
    auto word = co_await words.next();
    two += word.value_or("");
  }
  std::cout << two << "\n";
  co_return all == "Bees dance to tell the way." && two == "BEES DANCE " ? 0 : 1;
}

int main() { return af::run(amain()); }
