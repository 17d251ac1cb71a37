// SPDX-License-Identifier: MIT
// An agent on a server that speaks OpenAI's chat format (llama.cpp, vLLM, Ollama, LM Studio), its tokens streamed while
// they come. The server is a part of this program; give the address of a real one and the name of its model to ask
// that.
#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <agentflow/llm/providers.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;
using asio::ip::tcp;

// The server: fails once, as servers do, and then answers word by word.
asio::awaitable<void> tiny_server(tcp::acceptor acceptor) {
  for (int i = 0; i < 2; ++i) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    std::string request;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(request, 65536), "\r\n\r\n", asio::use_awaitable);
    std::string out = "HTTP/1.1 503 Busy\r\nRetry-After: 0.05\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (i == 1) out = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(out), asio::use_awaitable);
    if (i == 0) continue;
    for (const char* word : {"Bees", " dance", " to", " tell", " the", " way."}) {
      const std::string event =
          R"(data: {"model":"tiny","choices":[{"delta":{"content":")" + std::string(word) + "\"}}]}\n\n";
      co_await asio::async_write(socket, asio::buffer(event), asio::use_awaitable);
      co_await af::sleep(1ms);
    }
    const std::string end = R"(data: {"choices":[{"delta":{},"finish_reason":"stop"}]})"
                            "\n\n"
                            R"(data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":6}})"
                            "\n\ndata: [DONE]\n\n";
    co_await asio::async_write(socket, asio::buffer(end), asio::use_awaitable);
  }
}

// A graph of one node, which asks the model and hands its tokens on.
af::CompiledGraph<af::AgentState> make_agent(std::shared_ptr<af::ChatModel> model) {
  af::StateGraph<> graph;
  graph.add_node("agent", [model](const af::AgentState& s, af::NodeContext& ctx) -> asio::awaitable<af::Message> {
    const auto stream = model->stream(af::ChatRequest(s.messages));
    while (auto event = co_await stream->next())
      if (event->kind == af::ChatEventKind::text) co_await ctx.emit_token(event->text, stream->message_id());
    co_return stream->response().message;  // its text is what was streamed, under the same id
  });
  graph.set_entry_point("agent").add_edge("agent", "END");
  return graph.compile();
}

asio::awaitable<int> amain(std::string url, std::string name) {
  const auto executor = co_await asio::this_coro::executor;
  af::BackgroundTaskManager servers(executor);
  const bool own = url.empty();
  if (own) {
    tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    url = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
    servers.spawn("server", tiny_server(std::move(acceptor)));
  }

  const af::http::Client client;
  auto retry = af::llm::RetryOptions().on_retry(
      [](const af::model_error& e, int, std::chrono::nanoseconds) { std::cout << "(" << e.message() << "; again)\n"; });
  auto options = af::llm::ProviderOptions(name).base_url(url).retry(retry);
  options.api_key(af::SecretString::from_environment("OPENAI_API_KEY"));  // local servers need none
  const auto app = make_agent(af::llm::openai_chat(client, options));

  std::string text;
  auto run = app.astream("How do bees find flowers?", af::RunConfig().stream(af::stream_mode::messages));
  while (auto chunk = co_await run.next()) {
    std::cout << chunk->content() << std::flush;
    text += chunk->content();
  }
  const auto result = co_await run.result();
  const af::Message& answer = result->messages.back();
  std::cout << "\n" << answer.usage().value_or(af::TokenUsage()).total() << " tokens\n";
  if (own) co_await servers.wait_for_all();
  co_return answer.text() == text && (!own || text == "Bees dance to tell the way.") ? 0 : 1;
}

int main(int argc, char** argv) {
  try {
    return af::run(amain(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "tiny"));
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
