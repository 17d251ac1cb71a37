// SPDX-License-Identifier: MIT
// A server on loopback that misbehaves as it is told, for the tests of clients.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

namespace chaos {

/// A request as it came.
class Seen {
 public:
  Seen() = default;
  std::string method, target, head, body;
  /// The value of a header, named in lower case.
  std::string header(std::string_view name) const;
};

/// How to answer one request: bytes, and what to do to them on their way.
class Reply {
 public:
  explicit Reply(std::string b = {}) : bytes(std::move(b)) {}
  static Reply http(int status, std::string_view type, std::string_view body, std::string_view headers = {});
  static Reply json(std::string_view body, int status = 200, std::string_view headers = {}) {
    return http(status, "application/json", body, headers);
  }
  /// An event stream, its end marked by the end of the connection.
  static Reply sse(std::string_view events);

  Reply& delayed(std::chrono::milliseconds d) { return delay = d, *this; }
  Reply& in_pieces_of(std::size_t n) { return piece = n, *this; }
  Reply& every(std::chrono::milliseconds d) { return pause = d, *this; }
  /// Stops after so many bytes: `end` says how.
  enum class End { close, reset, half_close, keep_open };
  Reply& cut_at(std::size_t n, End e = End::close) { return bytes.resize(std::min(n, bytes.size())), end = e, *this; }
  Reply& then(End e) { return end = e, *this; }

  std::string bytes;
  std::chrono::milliseconds delay{0}, pause{0};
  std::size_t piece = 0;  // 0: all at once
  End end = End::close;
};

/// Listens on a port of 127.0.0.1, on a thread of its own.
class Server {
 public:
  using Handler = std::function<Reply(const Seen&)>;
  explicit Server(Handler handler);
  /// Answers every request in the same way.
  explicit Server(Reply reply) : Server([reply](const Seen&) { return reply; }) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  std::string url(std::string_view path = "") const;
  unsigned short port() const noexcept { return port_; }
  std::vector<Seen> requests() const;
  /// How many connections were made, and how many the client has closed, or lost, before their reply was out.
  int connections() const noexcept { return connections_; }
  int dropped() const noexcept { return dropped_; }
  /// Waits until `dropped` reaches a number; false when it takes more than twenty seconds.
  bool wait_for_dropped(int n) const;
  /// Waits, without an end, until so many requests have come.
  asio::awaitable<void> requested(std::size_t n) const;

 private:
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(std::shared_ptr<asio::ip::tcp::socket> socket);
  asio::awaitable<std::optional<Seen>> read_request(asio::ip::tcp::socket& socket);
  asio::awaitable<void> answer(asio::ip::tcp::socket& socket, Reply reply);

  Handler handler_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_{io_.get_executor()};
  asio::ip::tcp::acceptor acceptor_{io_};
  unsigned short port_ = 0;
  std::atomic<int> connections_{0}, dropped_{0};
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  std::thread thread_;
};

/// Runs a coroutine on an event loop and gives what it returns. Fails after twenty seconds.
template <class T>
T run(asio::awaitable<T> work);

}  // namespace chaos

#include <exception>
#include <stdexcept>
#include <utility>

#include <asio/co_spawn.hpp>

template <class T>
T chaos::run(asio::awaitable<T> work) {
  asio::io_context io(1);
  std::optional<T> result;
  std::exception_ptr failure;
  bool done = false;
  asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
    failure = e;
    if (!e) result.emplace(std::move(value));
    done = true;
  });
  io.run_for(std::chrono::seconds(20));
  if (failure) std::rethrow_exception(failure);
  if (!done) throw std::runtime_error("not done after twenty seconds");
  return std::move(*result);
}
