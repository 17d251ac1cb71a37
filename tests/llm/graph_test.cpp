// SPDX-License-Identifier: MIT
// Models in nodes: tokens on their way from a provider to `astream`, and a cancelled run that closes its request.
#include <agentflow/llm/providers.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "llm/exchange.hpp"

namespace {

using namespace exchange;
using namespace std::chrono_literals;
using App = af::CompiledGraph<af::AgentState>;

/// A node that asks a model and hands its tokens on.
App agent(std::shared_ptr<af::ChatModel> model) {
  af::StateGraph<> graph;
  graph.add_node("agent", [model](const af::AgentState& s, af::NodeContext& ctx) -> asio::awaitable<af::Message> {
    const auto stream = model->stream(af::ChatRequest(s.messages));
    for (;;) {
      auto next = stream->next();
      const auto event = co_await std::move(next);
      if (!event) break;
      if (event->kind != af::ChatEventKind::text) continue;
      auto token = ctx.emit_token(event->text, stream->message_id());
      co_await std::move(token);
    }
    co_return stream->response().message;
  });
  graph.set_entry_point("agent").add_edge("agent", "END");
  return graph.compile();
}

std::string chat_stream(int words) {
  std::string out;
  for (int i = 0; i < words; ++i)
    out += "data: {\"choices\":[{\"delta\":{\"content\":\"w" + std::to_string(i) + " \"}}]}\n\n";
  return out + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
}

}  // namespace

TEST_CASE("Tokens go from the provider to astream under one id, and make the message", "[llm]") {
  chaos::Server server(chaos::Reply::sse(chat_stream(20)).in_pieces_of(33).every(1ms));
  const af::http::Client client;
  const App app = agent(llm::openai_chat(client, options(server.url())));
  const auto read = [&]() -> asio::awaitable<int> {
    std::set<std::string> ids;
    std::string text;
    int tokens = 0;
    auto run = app.astream("Hello", af::RunConfig().stream(af::stream_mode::messages));
    for (;;) {
      auto next = run.next();
      const auto chunk = co_await std::move(next);
      if (!chunk) break;
      ids.insert(chunk->message_id());
      text += chunk->content();
      ++tokens;
    }
    auto rest = run.result();
    const auto result = co_await std::move(rest);
    CHECK(ids == std::set<std::string>{result->messages.back().id()});
    CHECK(result->messages.back().text() == text);
    CHECK(text.substr(0, 6) == "w0 w1 ");
    co_return tokens;
  };
  CHECK(chaos::run(read()) == 20);
}

TEST_CASE("Cancelling a run closes its request within a tenth of a second", "[llm]") {
  // One that says nothing at all, and one in the middle of its answer.
  chaos::Server silent(chaos::Reply("").then(chaos::Reply::End::keep_open).delayed(20s));
  chaos::Server slow(chaos::Reply::sse(chat_stream(2000)).in_pieces_of(60).every(5ms));
  for (chaos::Server* server : {&silent, &slow}) {
    const af::http::Client client;
    const App app = agent(llm::openai_chat(client, options(server->url())));
    // The best of some, because the machine may be busy with others.
    auto best = std::chrono::steady_clock::duration(10s);
    for (int i = 1; i <= 20 && best >= 100ms; ++i) {
      asio::io_context io;
      asio::cancellation_signal signal;
      std::exception_ptr failure;
      asio::co_spawn(
          io, app.ainvoke("Hello"),
          asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, const auto&) { failure = e; }));
      std::chrono::steady_clock::time_point start;
      const auto cancel = [&]() -> asio::awaitable<void> {
        auto seen = server->requested(static_cast<std::size_t>(i));
        co_await std::move(seen);
        asio::steady_timer timer(io, 20ms);
        co_await timer.async_wait(asio::use_awaitable);
        start = std::chrono::steady_clock::now();
        signal.emit(asio::cancellation_type::terminal);
      };
      asio::co_spawn(io, cancel(), [](std::exception_ptr) {});
      io.run();
      CHECK_THROWS_AS(std::rethrow_exception(failure), af::cancelled_error);
      CHECK(server->wait_for_dropped(i));
      best = std::min(best, std::chrono::steady_clock::now() - start);
    }
    CHECK(best < 100ms);
  }
}
