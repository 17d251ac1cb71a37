// SPDX-License-Identifier: MIT
// Client: HTTP and HTTPS for coroutines.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/http/http_error.hpp>
#include <agentflow/http/request.hpp>

namespace agentflow::http {

/// Options of a client. The environment is read when the client is made: SSL_CERT_FILE, and HTTPS_PROXY, HTTP_PROXY
/// (lower case only), ALL_PROXY and NO_PROXY as other programs read them.
class ClientOptions {
 public:
  ClientOptions() = default;
  /// Trusts the certificate authorities in this PEM file, and no others. Default: SSL_CERT_FILE, else the system's.
  ClientOptions& ca_file(std::string path) {
    ca_file_ = std::move(path);
    return *this;
  }
  /// Uses this proxy ("http://host:3128", "socks5h://host"), or with an empty text none. Default: the environment's.
  /// Loopback addresses are never asked for through a proxy.
  ClientOptions& proxy(std::string url) {
    proxy_ = std::move(url);
    return *this;
  }
  /// Allows `http://` to other machines, where everybody on the way can read the key. Default: to loopback only.
  ClientOptions& allow_plain_http(bool allow = true) {
    allow_plain_http_ = allow;
    return *this;
  }
  /// Limits connecting: name, TCP, proxy and TLS. Default 10 s.
  ClientOptions& connect_timeout(std::chrono::milliseconds limit) {
    connect_timeout_ = limit;
    return *this;
  }
  /// Limits the time without a byte going either way; a reader that takes its time does not count. Default 60 s.
  ClientOptions& idle_timeout(std::chrono::milliseconds limit) {
    idle_timeout_ = limit;
    return *this;
  }
  /// Limits the body of one response, decompressed. Default 64 MiB.
  ClientOptions& max_body_bytes(std::size_t bytes) {
    max_body_bytes_ = bytes;
    return *this;
  }
  /// How much of a stream may wait for its reader before the server is held back. Default 1 MiB.
  ClientOptions& buffer_bytes(std::size_t bytes) {
    buffer_bytes_ = bytes;
    return *this;
  }
  /// Default "agentflow/<version>".
  ClientOptions& user_agent(std::string name) {
    user_agent_ = std::move(name);
    return *this;
  }

  const std::string& ca_file() const noexcept { return ca_file_; }
  const std::optional<std::string>& proxy() const noexcept { return proxy_; }
  bool allow_plain_http() const noexcept { return allow_plain_http_; }
  std::chrono::milliseconds connect_timeout() const noexcept { return connect_timeout_; }
  std::chrono::milliseconds idle_timeout() const noexcept { return idle_timeout_; }
  std::size_t max_body_bytes() const noexcept { return max_body_bytes_; }
  std::size_t buffer_bytes() const noexcept { return buffer_bytes_; }
  const std::string& user_agent() const noexcept { return user_agent_; }

 private:
  std::string ca_file_, user_agent_;
  std::optional<std::string> proxy_;
  std::chrono::milliseconds connect_timeout_{10'000}, idle_timeout_{60'000};
  std::size_t max_body_bytes_ = std::size_t{64} << 20, buffer_bytes_ = std::size_t{1} << 20;
  bool allow_plain_http_ = false;
};
static_assert(!std::is_aggregate_v<ClientOptions>);

class Engine;
class Transfer;

/// A response while it comes. Destroying it closes the exchange.
///
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe; one call at a time.
/// **Cancellation** Any type: the exchange is closed, and the call throws `cancelled_error`.
class AGENTFLOW_API BodyStream {
 public:
  BodyStream(BodyStream&&) noexcept;
  BodyStream& operator=(BodyStream&&) noexcept;
  ~BodyStream();

  /// Waits for status and headers. **Errors** `http_error`.
  asio::awaitable<Head> head();
  /// Gives the next bytes, as many as there are; nothing at the end. **Errors** `http_error`, also in the middle.
  asio::awaitable<std::optional<std::string>> read();
  /// Reads no further. What still comes within a second is thrown away, so that the connection can be used again.
  void leave() noexcept;

 private:
  friend class Client;
  BodyStream(std::shared_ptr<Engine> engine, std::shared_ptr<Transfer> transfer) noexcept;
  std::shared_ptr<Engine> engine_;
  std::shared_ptr<Transfer> transfer_;
};

/// An HTTP client with a pool of connections: HTTP/1.1, HTTP/2 over TLS where the server has it, compression, proxies.
///
/// Certificates are always verified, with TLS 1.2 at least. Redirects are not followed, because they would carry keys
/// elsewhere; they are answers like others. Cookies are not kept. libcurl does the work, on one thread of the client's
/// own: so a client serves any number of event loops, also those that `invoke` makes for a moment.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe. Copies share the pool.
/// **Lifetime** Streams and calls under way keep the thread alive. Destroying the last of all joins it.
/// **Complexity/blocking** Never blocks an event loop.
class AGENTFLOW_API Client {
 public:
  /// **Errors** `http_error` (http_bad_request) for options that cannot be.
  explicit Client(ClientOptions options = ClientOptions());
  ~Client();
  Client(const Client&);
  Client& operator=(const Client&);

  /// Sends a request and reads the whole response.
  ///
  /// **Errors** `http_error`: http_bad_request (a URL, header or method that cannot be sent), http_plain (http:// to
  /// another machine), http_connect, http_tls, http_timeout, http_transport, http_limit. `cancelled_error`.
  asio::awaitable<Response> fetch(Request request) const;
  /// Sends a request and gives its response as a stream. What is wrong with the request is said by `head()`.
  BodyStream open(Request request) const;

 private:
  std::shared_ptr<Engine> engine_;
};

}  // namespace agentflow::http
