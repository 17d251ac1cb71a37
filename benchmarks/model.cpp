// SPDX-License-Identifier: MIT
// model: what a turn with a provider costs beside the provider, on loopback, and when its first token comes; against a
// bare socket that sends the same bytes.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <agentflow/llm/providers.hpp>
#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "workloads.hpp"

namespace bench {
namespace {

using asio::ip::tcp;

constexpr int tokens = 100;

std::string piece(const std::string& text) {
  return "data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + text +
         "\"}}]}\n\n";
}

std::string chunked(const std::string& text) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + text + "\r\n";
}

/// An OpenAI server that answers every request with a stream, over kept connections.
class Peer {
 public:
  Peer() : acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    head_ = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" +
            chunked(piece("token"));
    for (int i = 1; i < tokens; ++i) rest_ += chunked(piece(" token"));
    rest_ +=
        chunked("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n") +
        "0\r\n\r\n";
    asio::co_spawn(io_, accept(), [](std::exception_ptr) {});
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Peer() {
    io_.stop();
    thread_.join();
  }
  unsigned short port() const { return acceptor_.local_endpoint().port(); }
  std::size_t reply_size() const noexcept { return head_.size() + rest_.size(); }

 private:
  asio::awaitable<void> accept() {
    for (;;) {
      auto next = acceptor_.async_accept(asio::use_awaitable);
      tcp::socket socket = co_await std::move(next);
      socket.set_option(tcp::no_delay(true));
      asio::co_spawn(io_, serve(std::move(socket)), [](std::exception_ptr) {});
    }
  }
  asio::awaitable<void> serve(tcp::socket socket) {
    std::string in;
    for (;;) {
      // Requests end with the "}" of their body; this is the last of ours.
      in.clear();
      co_await asio::async_read_until(socket, asio::dynamic_buffer(in), "\"stream_options\":{\"include_usage\":true}}",
                                      asio::use_awaitable);
      co_await asio::async_write(socket, asio::buffer(head_), asio::use_awaitable);
      co_await asio::async_write(socket, asio::buffer(rest_), asio::use_awaitable);
    }
  }

  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  std::string head_, rest_;
  std::thread thread_;
};

/// Sends a request and reads the reply, with nothing but a socket; stops counting at the first bytes or at the last.
asio::awaitable<void> bare(const Peer& peer, long runs, bool first, double& ns) {
  tcp::socket socket(co_await asio::this_coro::executor);
  co_await socket.async_connect(tcp::endpoint(asio::ip::address_v4::loopback(), peer.port()), asio::use_awaitable);
  socket.set_option(tcp::no_delay(true));
  const std::string request =
      "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n{\"stream_options\":{\"include_usage\":true}}";
  std::string buffer(1 << 16, ' ');
  for (long i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
    std::size_t got = 0;
    bool counted = false;
    while (got < peer.reply_size()) {
      got += co_await socket.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      if (first ? !std::exchange(counted, true) : got == peer.reply_size())
        ns += std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
    }
  }
}

asio::awaitable<void> ask(std::shared_ptr<af::ChatModel> model, long runs, bool first, double& ns) {
  for (long i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto stream = model->stream(af::ChatRequest("Hello"));
    int seen = 0;
    for (;;) {
      auto next = stream->next();
      const auto event = co_await std::move(next);
      if (event && event->kind == af::ChatEventKind::text) ++seen;
      if (first ? event && seen == 1 && event->kind == af::ChatEventKind::text : !event)
        ns += std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
      if (!event) break;
    }
    verify(seen == tokens, "model: the tokens");
  }
}

}  // namespace

void models(Session& session) {
  for (const bool first : {true, false}) {
    const std::string variant = first ? "first token" : "whole turn of 100 tokens";
    if (!session.wants("model " + variant)) continue;
    const Peer peer;
    const af::http::Client client;
    const auto model = af::llm::openai_chat(
        client, af::llm::ProviderOptions("m").base_url("http://127.0.0.1:" + std::to_string(peer.port())));
    // Each sample is one turn: on a busy machine some of them are left alone.
    const long runs = 1;
    std::vector<double> ours, floors;
    asio::io_context loop(1);
    for (int sample = 0; sample < (session.quick() ? 301 : 3001); ++sample) {
      double ns = 0, floor = 0;
      run_on(loop, ask(model, runs, first, ns));
      run_on(loop, bare(peer, runs, first, floor));
      ours.push_back(ns / static_cast<double>(runs));
      floors.push_back(floor / static_cast<double>(runs));
    }
    session.add(Row{.workload = "model",
                    .variant = variant,
                    .unit = "turn",
                    .ns = median(ours),
                    .min_ns = *std::min_element(ours.begin(), ours.end()),
                    .floor_ns = *std::min_element(floors.begin(), floors.end())});
  }
}

}  // namespace bench
