// SPDX-License-Identifier: MIT
// Streaming: tokens while a node writes them, its own data, and what each node changed; awaited and in a plain loop.
#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;

struct Progress {
  std::string stage;
  int percent = 0;
};
AGENTFLOW_STATE(Progress, stage, percent)  // gives it a JSON form

const std::vector<std::string> words{"Streams ", "show ", "work ", "as ", "it ", "happens."};

// Stands for a model that answers word by word.
asio::awaitable<af::Message> agent(const af::AgentState&, af::NodeContext& ctx) {
  Progress progress;
  progress.stage = "thinking";
  co_await ctx.emit(af::to_json_value(progress));
  const std::string id = af::make_message_id();
  std::string text;
  for (const std::string& word : words) {
    co_await ctx.sleep(1ms);
    co_await ctx.emit_token(word, id);  // waits while the reader is behind
    text += word;
  }
  co_return af::Message::assistant(text).with_id(id);  // delivered as tokens already, so not again
}

asio::awaitable<void> read_stream(af::CompiledGraph<af::AgentState> app, std::string& text, int& others) {
  const auto modes = af::stream_mode::messages | af::stream_mode::updates | af::stream_mode::custom;
  auto stream = app.astream("What are streams for?", af::RunConfig().stream(modes));
  while (auto chunk = co_await stream.next()) {
    if (chunk->content_type() == af::content_type::message) {
      std::cout << chunk->content() << std::flush;
      text += chunk->content();
    } else {
      std::cout << "\n[" << chunk->node() << ": " << af::to_string(chunk->kind()) << "] " << chunk->content() << "\n";
      ++others;
    }
  }
  const auto result = co_await stream.result();
  std::cout << result->messages.size() << " messages, " << af::to_string(result.status()) << "\n";
}

int main() {
  af::StateGraph<> graph;
  graph.add_node("agent", agent).set_entry_point("agent").add_edge("agent", "END");
  const auto app = graph.compile();

  // In a program with an event loop.
  std::string text;
  int others = 0;
  asio::io_context io;
  asio::co_spawn(io, read_stream(app, text, others), [](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
  });
  io.run();

  // In a plain program: a for loop. Leaving it early cancels the run and waits for its end.
  std::string first;
  for (const af::Chunk& chunk : app.stream("And again?")) {
    first = chunk.content();
    break;
  }
  std::cout << "The first token of the second run: " << first << "\n";

  return text == "Streams show work as it happens." && others == 2 && first == "Streams " ? 0 : 1;
}
