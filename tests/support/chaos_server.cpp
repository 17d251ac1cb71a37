// SPDX-License-Identifier: MIT
// The misbehaving server.
#include "support/chaos_server.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <charconv>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

namespace chaos {

using asio::ip::tcp;

std::string Seen::header(std::string_view name) const {
  std::string lower;
  for (const char c : head) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  const auto at = lower.find("\r\n" + std::string(name) + ": ");
  if (at == lower.npos) return {};
  const auto from = at + name.size() + 4;
  return head.substr(from, head.find("\r\n", from) - from);
}

Reply Reply::http(int status, std::string_view type, std::string_view body, std::string_view headers) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + " X\r\n";
  if (!type.empty()) out.append("content-type: ").append(type).append("\r\n");
  out.append(headers).append("content-length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  return Reply(std::move(out)).then(End::keep_open);
}

Reply Reply::sse(std::string_view events) {
  return Reply("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n" + std::string(events));
}

Server::Server(Handler handler) : handler_(std::move(handler)) {
  const tcp::endpoint any(asio::ip::address_v4::loopback(), 0);
  acceptor_.open(any.protocol());
  acceptor_.bind(any);
  acceptor_.listen();
  port_ = acceptor_.local_endpoint().port();
  asio::co_spawn(io_, accept(), [](std::exception_ptr) {});
  thread_ = std::thread([this] { io_.run(); });
}

Server::~Server() {
  io_.stop();
  thread_.join();
}

std::string Server::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

std::vector<Seen> Server::requests() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

bool Server::wait_for_dropped(int n) const {
  asio::io_context io(1);
  asio::steady_timer timer(io);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (dropped_ < n && std::chrono::steady_clock::now() < limit) {
    timer.expires_after(std::chrono::milliseconds(2));
    timer.wait();
  }
  return dropped_ >= n;
}

asio::awaitable<void> Server::requested(std::size_t n) const {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (requests().size() < n) {
    timer.expires_after(std::chrono::milliseconds(2));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> Server::accept() {
  for (;;) {
    auto next = acceptor_.async_accept(asio::use_awaitable);
    auto socket = std::make_shared<tcp::socket>(co_await std::move(next));
    ++connections_;
    asio::co_spawn(io_, serve(socket), [socket](std::exception_ptr) {});
  }
}

asio::awaitable<void> Server::serve(std::shared_ptr<tcp::socket> socket) {
  for (;;) {
    auto read = read_request(*socket);
    const std::optional<Seen> seen = co_await std::move(read);
    if (!seen) co_return;
    Reply reply = handler_(*seen);
    {
      std::lock_guard lock(mutex_);
      seen_.push_back(*seen);
    }
    const auto end = reply.end;
    auto write = answer(*socket, std::move(reply));
    co_await std::move(write);
    if (end == Reply::End::close) co_return;
  }
}

asio::awaitable<std::optional<Seen>> Server::read_request(tcp::socket& socket) {
  std::string text;
  std::size_t head_end = text.npos, wanted = 0;
  for (;;) {
    char buffer[16384];
    std::error_code ec;
    auto token = asio::redirect_error(asio::use_awaitable, ec);
    const std::size_t n = co_await socket.async_read_some(asio::buffer(buffer), token);
    if (ec) co_return std::nullopt;
    text.append(buffer, n);
    if (head_end == text.npos) head_end = text.find("\r\n\r\n");
    if (head_end == text.npos) continue;
    Seen seen;
    seen.head = text.substr(0, head_end + 2);
    const std::string length = seen.header("content-length");
    std::from_chars(length.data(), length.data() + length.size(), wanted);
    if (text.size() < head_end + 4 + wanted) continue;
    seen.body = text.substr(head_end + 4);
    const auto space = seen.head.find(' ');
    seen.method = seen.head.substr(0, space);
    seen.target = seen.head.substr(space + 1, seen.head.find(' ', space + 1) - space - 1);
    co_return seen;
  }
}

asio::awaitable<void> Server::answer(tcp::socket& socket, Reply reply) {
  asio::steady_timer timer(io_);
  // Notices a client that goes away while we wait or write: nothing else is sent to us meanwhile.
  std::error_code ec;
  const auto gone = [&socket] {
    char byte;
    const auto n = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
  };
  const auto until = std::chrono::steady_clock::now() + reply.delay;
  while (std::chrono::steady_clock::now() < until) {
    timer.expires_after(std::chrono::milliseconds(5));
    co_await timer.async_wait(asio::use_awaitable);
    if (gone()) {
      ++dropped_;
      throw std::runtime_error("the client has gone");
    }
  }
  const std::size_t piece = reply.piece == 0 ? std::max<std::size_t>(reply.bytes.size(), 1) : reply.piece;
  for (std::size_t at = 0; at < reply.bytes.size(); at += piece) {
    const std::string part = reply.bytes.substr(at, piece);
    auto token = asio::redirect_error(asio::use_awaitable, ec);
    co_await asio::async_write(socket, asio::buffer(part), token);
    if (ec || gone()) {
      ++dropped_;
      throw std::runtime_error("the client has gone");
    }
    if (reply.pause.count() > 0) {
      timer.expires_after(reply.pause);
      co_await timer.async_wait(asio::use_awaitable);
    }
  }
  if (reply.end == Reply::End::reset) {
    socket.set_option(asio::socket_base::linger(true, 0));
    socket.close();
  } else if (reply.end == Reply::End::half_close) {
    socket.shutdown(tcp::socket::shutdown_send);
  }
}

}  // namespace chaos
