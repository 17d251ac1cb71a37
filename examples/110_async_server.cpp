// SPDX-License-Identifier: MIT
// A line server on Asio: every line a client sends is one run of one shared graph, awaited. Three clients, then it
// ends.
#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/redirect_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

namespace af = agentflow;
using namespace std::chrono_literals;
using asio::ip::tcp;
using App = af::CompiledGraph<af::AgentState>;  // copies share one graph

asio::awaitable<std::string> agent(const af::AgentState& state, af::NodeContext& ctx) {
  const std::string question = state.messages.back().text();
  if (question.empty()) throw std::invalid_argument("an empty question");
  co_await ctx.sleep(2ms);  // stands for a model; other requests are served meanwhile
  co_return std::string(question.rbegin(), question.rend());
}

asio::awaitable<void> session(tcp::socket socket, App app, int number) {
  std::string received;
  for (;;) {
    asio::error_code ended;
    const std::size_t length = co_await asio::async_read_until(socket, asio::dynamic_buffer(received, 4096), '\n',
                                                               asio::redirect_error(asio::use_awaitable, ended));
    if (ended) co_return;  // the client has gone
    const std::string line = received.substr(0, length - 1);
    received.erase(0, length);

    std::string reply;
    try {
      const auto result = co_await app.ainvoke(line, af::RunConfig().thread_id("client-" + std::to_string(number)));
      reply = result->messages.back().text();
    } catch (const af::error& e) {
      reply = "error: " + e.message();
    }
    reply += '\n';
    co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
  }
}

void report(std::exception_ptr e) {
  if (e) std::cerr << af::describe(e) << "\n";
}

asio::awaitable<void> serve(tcp::acceptor& acceptor, App app, int clients) {
  const auto executor = co_await asio::this_coro::executor;
  for (int i = 0; i < clients; ++i) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    asio::co_spawn(executor, session(std::move(socket), app, i), report);
  }
}

asio::awaitable<void> client(tcp::endpoint server, std::string name, int& right) {
  const auto executor = co_await asio::this_coro::executor;
  tcp::socket socket(executor);
  co_await socket.async_connect(server, asio::use_awaitable);
  const std::string questions = "hello\n\nwho is " + name + "\n";
  co_await asio::async_write(socket, asio::buffer(questions), asio::use_awaitable);
  std::string received;
  for (int line = 0; line < 3; ++line) {
    const std::size_t length =
        co_await asio::async_read_until(socket, asio::dynamic_buffer(received), '\n', asio::use_awaitable);
    const std::string answer = received.substr(0, length - 1);
    received.erase(0, length);
    std::cout << name << " hears: " << answer << "\n";
    right += line == 0 && answer == "olleh";
    right += line == 1 && answer == "error: node 'agent' failed: an empty question";
    right += line == 2 && answer == std::string(name.rbegin(), name.rend()) + " si ohw";
  }
}

int main() {
  af::StateGraph<> graph;
  graph.add_node("agent", agent).set_entry_point("agent").add_edge("agent", "END");
  const App app = graph.compile();

  asio::io_context io(1);
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  int right = 0;
  asio::co_spawn(io, serve(acceptor, app, 3), report);
  for (const char* name : {"ann", "bob", "cleo"}) {
    asio::co_spawn(io, client(acceptor.local_endpoint(), name, right), report);
  }
  io.run();  // returns when the last client and the last session are done
  return right == 9 ? 0 : 1;
}
