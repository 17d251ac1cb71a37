// SPDX-License-Identifier: MIT
// A node that asks another service over the network: an HTTP exchange on Asio sockets, with a limit in time. The
// service is a part of this program.
#include <array>
#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;
using asio::ip::tcp;

// One request per connection: the answer is everything up to its end.
asio::awaitable<std::string> http_get(tcp::endpoint server, std::string path) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  co_await socket.async_connect(server, asio::use_awaitable);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
  std::string answer;
  asio::error_code ended;
  co_await asio::async_read(socket, asio::dynamic_buffer(answer, 65536),
                            asio::redirect_error(asio::use_awaitable, ended));
  const std::size_t body = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.1 200 ") || body == std::string::npos)
    throw std::runtime_error("the weather service answered: " + answer.substr(0, answer.find('\r')));
  co_return answer.substr(body + 4);
}

// The service: answers two requests, then ends.
asio::awaitable<void> weather_service(tcp::acceptor acceptor) {
  for (int i = 0; i < 2; ++i) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    std::string request;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(request, 4096), "\r\n\r\n", asio::use_awaitable);
    const bool known = request.starts_with("GET /oslo ");
    const std::string body = known ? "rain" : "no such place";
    std::string answer = known ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 404 Not Found\r\n";
    answer += "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
    co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
  }
}

asio::awaitable<int> amain() {
  const auto executor = co_await asio::this_coro::executor;
  tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  const tcp::endpoint server = acceptor.local_endpoint();
  af::BackgroundTaskManager services(executor);
  services.spawn("weather service", weather_service(std::move(acceptor)));

  af::StateGraph<> graph;
  auto ask = [server](const af::AgentState& s) -> asio::awaitable<std::string> {
    const std::string place = s.messages.back().text();
    std::string weather = co_await http_get(server, "/" + place);
    co_return "The weather in " + place + ": " + weather;
  };
  graph.add_node("ask", ask, af::NodeOptions().timeout(5s)).set_entry_point("ask").add_edge("ask", "END");
  const auto app = graph.compile();

  const auto result = co_await app.ainvoke("oslo");
  std::cout << result->messages.back().text() << "\n";
  bool reported = false;
  try {
    co_await app.ainvoke("atlantis");
  } catch (const af::node_error& e) {
    std::cout << e.message() << "\n";
    reported = e.message().find("404") != std::string::npos;
  }
  co_await services.wait_for_all();
  co_return result->messages.back().text() == "The weather in oslo: rain" && reported ? 0 : 1;
}

int main() { return af::run(amain()); }
