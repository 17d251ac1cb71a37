// SPDX-License-Identifier: MIT
// An HTTP server under load that ends in order: 20 clients send requests over kept connections, each is a run of one
// shared graph. On SIGTERM the server accepts nothing new, answers what it has read, closes the graph and says what
// it did. Here the program sends itself the signal.
#include <csignal>

#include <chrono>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/agentflow.hpp>
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
using App = af::CompiledGraph<af::AgentState>;

struct Counts {
  int started = 0, answered = 0, heard = 0;
};

asio::awaitable<std::string> agent(const af::AgentState& s, af::NodeContext& ctx) {
  co_await ctx.sleep(2ms);  // stands for a model
  co_return "hello to " + s.messages.back().text();
}

asio::awaitable<std::size_t> read_head(tcp::socket& socket, std::string& received) {
  return asio::async_read_until(socket, asio::dynamic_buffer(received, 16384), "\r\n\r\n", asio::use_awaitable);
}

asio::awaitable<void> session(tcp::socket socket, App app, af::GracefulShutdownManager& shutdown, Counts& counts) {
  std::string received;
  for (;;) {
    std::size_t head = 0;
    try {
      head = co_await shutdown.run_until_shutdown(read_head(socket, received));
    } catch (const std::exception&) {
      co_return;  // the client has gone, or there is a shutdown and nothing was asked
    }
    const std::string path = received.substr(5, received.find(' ', 5) - 5);  // after "GET /"
    received.erase(0, head);
    ++counts.started;
    const auto result = co_await app.ainvoke(path);  // what was read is answered, shutdown or not
    const std::string body = result->messages.back().text();
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
    ++counts.answered;
  }
}

asio::awaitable<void> client(tcp::endpoint server, std::string name, Counts& counts) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  std::string received;
  const std::string request = "GET /" + name + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  try {
    co_await socket.async_connect(server, asio::use_awaitable);
    for (int i = 0; i < 1000; ++i) {  // more than there is time for
      co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
      const std::size_t length = co_await asio::async_read_until(socket, asio::dynamic_buffer(received),
                                                                 "hello to " + name, asio::use_awaitable);
      received.erase(0, length);
      if (++counts.heard == 500) std::raise(SIGTERM);
    }
  } catch (const asio::system_error&) {
    // The server has closed the connection.
  }
}

asio::awaitable<int> amain() {
  const auto executor = co_await asio::this_coro::executor;
  af::StateGraph<> graph;
  graph.add_node("agent", agent).set_entry_point("agent").add_edge("agent", "END");
  const App app = graph.compile(af::CompileOptions().shutdown_timeout(10s));

  af::GracefulShutdownManager shutdown(executor, 20s);
  shutdown.register_signal_handlers();
  Counts counts;
  tcp::acceptor acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  af::BackgroundTaskManager sessions(executor), clients(executor);
  for (int i = 0; i < 20; ++i)
    clients.spawn("client", client(acceptor.local_endpoint(), "client-" + std::to_string(i), counts));
  try {
    for (;;) {
      tcp::socket socket = co_await shutdown.run_until_shutdown(acceptor.async_accept(asio::use_awaitable));
      sessions.spawn("session", session(std::move(socket), app, shutdown, counts));
    }
  } catch (const af::shutdown_requested_error&) {
    std::cout << "signal " << shutdown.signal() << ": no new connections\n";
  }
  acceptor.close();
  const auto drained = co_await sessions.aclose(10s);
  const auto stats = co_await app.aclose();
  co_await clients.wait_for_all();
  shutdown.unregister_signal_handlers();
  std::cout << counts.started << " requests read, " << counts.answered << " answered\n" << stats << "\n";
  const bool in_order = drained.status == af::shutdown_status::completed && stats.clean();
  co_return in_order&& counts.started == counts.answered&& counts.heard >= 500 ? 0 : 1;
}

int main() { return af::run(amain()); }
