// SPDX-License-Identifier: MIT
// A server: each request is a run of one agent, and its tokens go out as server-sent events while they come. Writing to
// a client that has hung up fails, which cancels the run, and with it the request to the model.
#include <agentflow/agentflow.hpp>
#include <agentflow/http/client.hpp>
#include <agentflow/http/sse.hpp>
#include <agentflow/testing/echo_model.hpp>

#include <algorithm>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace af = agentflow;
using asio::ip::tcp;
using Agent = af::CompiledGraph<af::AgentState>;  // copies share one graph

asio::awaitable<void> session(tcp::socket socket, Agent agent) {
  std::string request;
  co_await asio::async_read_until(socket, asio::dynamic_buffer(request, 16384), "\r\n\r\n", asio::use_awaitable);
  std::string question = request.substr(5, request.find(' ', 5) - 5);  // after "GET /"
  std::replace(question.begin(), question.end(), '+', ' ');

  std::string out = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
  auto run = agent.astream(question, af::RunConfig().stream(af::stream_mode::messages));
  while (auto chunk = co_await run.next()) {
    out += "event: token\ndata: " + af::to_json_text(std::string(chunk->content())) + "\n\n";
    co_await asio::async_write(socket, asio::buffer(out), asio::use_awaitable);
    out.clear();
  }
  const auto result = co_await run.result();
  out = "event: done\ndata: " + std::to_string(result->messages.size()) + "\n\n";
  co_await asio::async_write(socket, asio::buffer(out), asio::use_awaitable);
}

asio::awaitable<void> serve(tcp::acceptor& acceptor, Agent agent, af::BackgroundTaskManager& sessions) {
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    sessions.spawn("session", session(std::move(socket), agent));
  }
}

asio::awaitable<std::string> ask(af::http::Client client, std::string url) {
  af::http::BodyStream body = client.open(af::http::Request("GET", url));
  af::http::SseParser parser;
  std::string heard;
  while (auto bytes = co_await body.read()) {
    parser.feed(*bytes);
    while (auto event = parser.next()) heard += "[" + event->event + " " + event->data + "]";
  }
  co_return heard;
}

asio::awaitable<void> amain() {
  // A real one: const auto model = af::llm::model_from_environment(af::http::Client());
  const auto model = std::make_shared<af::testing::EchoModel>();
  const Agent agent = af::react_agent(model).compile();

  const auto executor = co_await asio::this_coro::executor;
  tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  af::BackgroundTaskManager tasks(executor);
  tasks.spawn("server", serve(acceptor, agent, tasks));

  const af::http::Client client;
  const std::string url = "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port());
  std::vector<asio::awaitable<std::string>> clients;
  for (const char* path : {"/Hello", "/How+are+you"}) clients.push_back(ask(client, url + path));
  const auto heard = co_await af::gather(std::move(clients));
  for (const std::string& events : heard) std::cout << events << "\n";
  co_await tasks.aclose(std::chrono::seconds(0));  // the server would go on for ever
}

int main() { return af::run(amain()); }
