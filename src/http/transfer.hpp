// SPDX-License-Identifier: MIT
// Private: one exchange, between the thread of the engine and the coroutine that reads it.
#pragma once

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <asio/steady_timer.hpp>

#include <agentflow/core/error.hpp>
#include <agentflow/http/client.hpp>
#include <agentflow/http/http_error.hpp>
#include <agentflow/http/request.hpp>

#include "async/parking.hpp"
#include "http/url.hpp"

namespace agentflow::http {

/// Proxies and certificates as the environment had them when the client was made.
class Environment {
 public:
  Environment();
  std::string https_proxy, http_proxy, no_proxy, ca_file;
};

/// Made and read by the caller's side; everything of libcurl is touched by the engine's thread alone. The two meet in
/// what the mutex guards. Callbacks of libcurl only fill the buffer and wake the reader.
class Transfer {
 public:
  /// A request that cannot be sent is an exchange that has failed already.
  Transfer(Request request, const ClientOptions& options);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer();

  // The reader's side.
  class Piece {
   public:
    Piece() = default;
    std::string bytes;
    bool end = false, resume = false;
  };
  /// Gives the head, once it is there; throws the failure when there will be none.
  std::optional<Head> take_head();
  /// Takes what there is of the body; throws the failure when nothing is before it.
  Piece take();
  detail::ParkingSpot spot;

  // The engine's side.
  CURL* handle() const noexcept { return easy_; }
  bool failed() const noexcept;
  /// Makes the easy handle.
  void prepare(const Environment& environment);
  /// Lets go of it; it is no longer part of a multi handle.
  void release() noexcept;
  /// Called when libcurl is done with it.
  void finish(CURLcode code);
  void fail(errc code, std::string message);
  /// Throws away what comes from now on.
  void discard();
  bool paused();

  std::unique_ptr<asio::steady_timer> idle_timer;
  std::chrono::steady_clock::time_point last_activity;
  std::chrono::milliseconds idle_limit{0};

 private:
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  static int on_progress(void* self, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up);
  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);
  bool header_line(std::string_view line);
  std::size_t body(std::string_view bytes);
  void set_security(const Environment& environment);
  void set_headers();
  void add_header(std::string line);
  std::string reason(CURLcode code) const;

  const ClientOptions options_;
  Request request_;
  std::optional<CheckedUrl> url_;
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> message_{};
  Head incoming_;
  std::size_t header_bytes_ = 0;
  curl_off_t moved_ = 0;

  std::mutex mutex_;
  std::optional<Head> head_;
  std::string buffer_;
  std::size_t body_bytes_ = 0;
  bool paused_ = false, done_ = false, discard_ = false;
  std::optional<http_error> error_;  // no exception_ptr: two threads would hold it
};

}  // namespace agentflow::http
