// SPDX-License-Identifier: MIT
// The HTTP client against a server that misbehaves.
#include <agentflow/http/client.hpp>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

#include "support/catch.hpp"
#include "support/chaos_server.hpp"

namespace af = agentflow;
namespace http = agentflow::http;
using namespace std::chrono_literals;
using chaos::Reply;
using chaos::Server;
using End = chaos::Reply::End;

namespace {

/// Long limits where nothing is to be waited for.
http::ClientOptions patient() { return http::ClientOptions().connect_timeout(10s).idle_timeout(10s); }

std::string get(const http::Client& client, const std::string& url) {
  return chaos::run(client.fetch(http::Request("GET", url))).body;
}

std::string bytes_of(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

/// The code of the error that a request fails with; its message goes to `message`.
template <class F>
af::errc failure(F&& fn, std::string* message = nullptr) {
  try {
    fn();
  } catch (const http::http_error& e) {
    if (message != nullptr) *message = e.message();
    return e.code();
  }
  FAIL("no error");
  return af::errc::internal;
}
af::errc failure_of(const http::ClientOptions& options, const std::string& url, std::string* message = nullptr) {
  return failure([&] { get(http::Client(options), url); }, message);
}

}  // namespace

TEST_CASE("A request gives its response, and connections are used again", "[http]") {
  Server server([](const chaos::Seen& seen) {
    return Reply::json(R"({"got":")" + seen.method + " " + seen.target + " " + seen.body + "\"}", 201,
                       "X-Extra:  a b \r\n");
  });
  const http::Client client(patient());
  http::Request request("POST", server.url("/path?q=1"));
  request.header("content-type", "text/x").secret_header("Authorization", "Bearer ", af::SecretString("s3cret"));
  request.body = "hello";
  const auto response = chaos::run(client.fetch(request));
  CHECK(response.head.status == 201);
  CHECK(response.head.header("x-extra") == "a b");
  CHECK(response.head.header("nothing").empty());
  CHECK(response.body == R"({"got":"POST /path?q=1 hello"})");
  for (int i = 0; i < 5; ++i) get(client, server.url("/again"));
  CHECK(server.connections() == 1);
  const auto seen = server.requests();
  CHECK(seen[0].header("authorization") == "Bearer s3cret");
  CHECK(seen[0].header("content-type") == "text/x");
  CHECK(seen[0].header("expect").empty());
  CHECK(seen[1].header("user-agent").rfind("agentflow/", 0) == 0);
}

TEST_CASE("A body in the smallest pieces is the same", "[http]") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>('a' + i % 26);
  Server server([&](const chaos::Seen&) { return Reply::json(text).in_pieces_of(1); });
  CHECK(get(http::Client(patient()), server.url()) == text);
}

TEST_CASE("Compressed bodies come out as they were, and are limited as that", "[http]") {
  // gzip of "hello, hello", and of 100,000 times "0".
  const std::string hello = bytes_of("1f8b0800000000000203cb48cdc9c9d751c8005100ffc5ccf30c000000");
  const std::string zeros = bytes_of("1f8b0800000000000203edc13101000000c2a04aeb9fce1a1e400100") +
                            std::string(95, '\0') + bytes_of("af0685c24dc5a0860100");
  const auto reply = [](const std::string& body) { return Reply::json(body, 200, "content-encoding: gzip\r\n"); };
  Server small(reply(hello)), large(reply(zeros));
  CHECK(get(http::Client(patient()), small.url()) == "hello, hello");
  CHECK_THAT(small.requests().at(0).header("accept-encoding"), Catch::Contains("gzip"));
  CHECK(get(http::Client(patient()), large.url()) == std::string(100'000, '0'));
  CHECK(failure_of(patient().max_body_bytes(99'999), large.url()) == af::errc::http_limit);
}

TEST_CASE("Connections that end too early are errors at every byte", "[http]") {
  const std::string all = Reply::json("0123456789").bytes;
  for (const End end : {End::close, End::reset, End::half_close}) {
    for (std::size_t cut : {std::size_t{0}, std::size_t{5}, std::size_t{20}, all.size() - 10, all.size() - 1}) {
      Server server([&](const chaos::Seen&) { return Reply(all).cut_at(cut, end); });
      CAPTURE(cut, static_cast<int>(end));
      CHECK(failure_of(patient(), server.url()) == af::errc::http_transport);
    }
  }
}

TEST_CASE("What does not come in time is a timeout", "[http]") {
  Server silent(Reply("").then(End::keep_open).delayed(10s));
  std::string message;
  CHECK(failure_of(patient().idle_timeout(60ms), silent.url(), &message) == af::errc::http_timeout);
  CHECK_THAT(message, Catch::Contains("60 ms (the idle timeout)"));
  Server slow(Reply::json(std::string(100, 'x')).in_pieces_of(1).every(20ms));
  CHECK(failure([&] {
          http::Request request("GET", slow.url());
          request.timeout = 100ms;
          chaos::run(http::Client(patient()).fetch(request));
        }) == af::errc::http_timeout);
  // It takes connections, but never says a word of TLS: connecting is more than a socket.
  CHECK(failure_of(patient().connect_timeout(60ms), "https" + silent.url().substr(4)) == af::errc::http_timeout);
  // Slower as a whole than the idle timeout, but never silent for as long.
  Server steady(Reply::json(std::string(20, 'x')).in_pieces_of(3).every(60ms));
  CHECK(get(http::Client(patient().idle_timeout(1s)), steady.url()).size() == 20);
  // Limits of for ever.
  const auto never = std::chrono::milliseconds::max();
  http::Request request("GET", steady.url());
  request.timeout = never;
  const http::Client unlimited(http::ClientOptions().connect_timeout(never).idle_timeout(never));
  CHECK(chaos::run(unlimited.fetch(request)).body.size() == 20);
}

TEST_CASE("No server is a connection error", "[http]") {
  std::string url;
  {
    Server server{Reply::json("{}")};
    url = server.url();
  }
  std::string message;
  CHECK(failure_of(patient(), url, &message) == af::errc::http_connect);
  CHECK_THAT(message, Catch::Contains("127.0.0.1"));
  CHECK(failure_of(patient(), "https://no-such-host.invalid/") == af::errc::http_connect);
}

TEST_CASE("Redirects are answers", "[http]") {
  Server target{Reply::json("{}")};
  Server server([&](const chaos::Seen&) { return Reply::http(302, "", "", "location: " + target.url() + "\r\n"); });
  const auto response = chaos::run(http::Client(patient()).fetch(http::Request("GET", server.url())));
  CHECK(response.head.status == 302);
  CHECK(response.head.header("location") == target.url());
  CHECK(target.connections() == 0);
}

TEST_CASE("Requests that must not be sent are refused", "[http]") {
  const http::Client client(patient());
  const auto fails = [&](http::Request request) { return failure([&] { chaos::run(client.fetch(request)); }); };
  CHECK(fails(http::Request("GET", "http://example.com/")) == af::errc::http_plain);
  CHECK(fails(http::Request("GET", "http://127.0.0.1.example.com/")) == af::errc::http_plain);
  CHECK(fails(http::Request("GET", "http://10.0.0.1/")) == af::errc::http_plain);
  for (const std::string url :
       {"", "nonsense:", "ftp://localhost/", "file:///etc/passwd", "http://user:pass@localhost/"})
    CHECK(fails(http::Request("GET", url)) == af::errc::http_bad_request);
  CHECK(fails(http::Request("GET /x", "http://localhost/")) == af::errc::http_bad_request);
  CHECK(fails(http::Request("GET", "http://localhost/").header("a b", "c")) == af::errc::http_bad_request);
  CHECK(fails(http::Request("GET", "http://localhost/").header("a", "c\r\nb: d")) == af::errc::http_bad_request);
  CHECK(fails(http::Request("GET", "http://localhost/").secret_header("a", "", af::SecretString("c\n"))) ==
        af::errc::http_bad_request);
  CHECK(failure([] { http::Client(http::ClientOptions().ca_file("/no/such/file")); }) == af::errc::http_bad_request);
}

TEST_CASE("Responses past the limits are refused", "[http]") {
  Server big(Reply::json(std::string(5000, 'x')));
  std::string message;
  CHECK(failure_of(patient().max_body_bytes(4999), big.url(), &message) == af::errc::http_limit);
  CHECK_THAT(message, Catch::Contains("max_body_bytes (4999)"));
  CHECK(get(http::Client(patient().max_body_bytes(5000)), big.url()).size() == 5000);
  std::string headers;
  for (int i = 0; i < 300; ++i) headers += "x-" + std::to_string(i) + ": y\r\n";
  Server chatty(Reply::json("{}", 200, headers));
  CHECK(failure_of(patient(), chatty.url()) == af::errc::http_limit);
}

TEST_CASE("A reader that takes its time holds the server back, and is no reason for a timeout", "[http]") {
  const std::size_t size = 8 << 20;
  Server server(Reply::json(std::string(size, 'x')).in_pieces_of(1 << 20));
  const http::Client client(patient().buffer_bytes(64 << 10).idle_timeout(1s));
  const auto read = [&]() -> asio::awaitable<std::size_t> {
    http::BodyStream stream = client.open(http::Request("GET", server.url()));
    auto head = stream.head();
    co_await std::move(head);
    asio::steady_timer timer(co_await asio::this_coro::executor, 2200ms);
    co_await timer.async_wait(asio::use_awaitable);
    std::size_t total = 0, largest = 0;
    for (;;) {
      auto more = stream.read();
      const auto piece = co_await std::move(more);
      if (!piece) break;
      total += piece->size();
      largest = std::max(largest, piece->size());
    }
    CHECK(largest <= 96 << 10);
    co_return total;
  };
  CHECK(chaos::run(read()) == size);
}

TEST_CASE("Dropping a stream, or cancelling its reader, closes the connection", "[http]") {
  Server server([](const chaos::Seen&) {
    return Reply("HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x')).in_pieces_of(50).every(20ms);
  });
  const http::Client client(patient());
  const auto drop = [&]() -> asio::awaitable<int> {
    http::BodyStream stream = client.open(http::Request("GET", server.url()));
    auto more = stream.read();
    const auto piece = co_await std::move(more);
    co_return piece ? 1 : 0;
  };
  CHECK(chaos::run(drop()) == 1);
  CHECK(server.wait_for_dropped(1));

  asio::io_context io;
  asio::cancellation_signal signal;
  std::exception_ptr failure;
  asio::co_spawn(
      io, client.fetch(http::Request("GET", server.url())),
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, const http::Response&) { failure = e; }));
  asio::co_spawn(io, server.requested(2), [&](std::exception_ptr) { signal.emit(asio::cancellation_type::terminal); });
  io.run();
  REQUIRE(failure);
  CHECK_THROWS_AS(std::rethrow_exception(failure), af::cancelled_error);
  CHECK(server.wait_for_dropped(2));
}

TEST_CASE("Event loops may go in the middle of anything, and the client outlives them", "[http]") {
  Server server([](const chaos::Seen&) { return Reply::json(std::string(100, 'x')).in_pieces_of(10).every(5ms); });
  const http::Client client(patient());
  for (int handlers = 0; handlers < 12; ++handlers) {
    asio::io_context io;
    asio::co_spawn(io, client.fetch(http::Request("GET", server.url())),
                   [](std::exception_ptr, const http::Response&) {});
    for (int i = 0; i < handlers; ++i) io.run_one_for(50ms);
  }
  CHECK(get(client, server.url()).size() == 100);
}

TEST_CASE("Everything may be destroyed while streams are open", "[http]") {
  Server server([](const chaos::Seen&) { return Reply::json(std::string(100, 'x')).in_pieces_of(1).every(50ms); });
  asio::io_context io;
  std::vector<http::BodyStream> streams;
  {
    const http::Client client(patient());
    for (int i = 0; i < 5; ++i) streams.push_back(client.open(http::Request("GET", server.url())));
    asio::co_spawn(io, streams[0].head(), [](std::exception_ptr e, const http::Head&) { CHECK(!e); });
    io.run();
  }
  streams.pop_back();
  streams.clear();
  CHECK(server.wait_for_dropped(1));
}

TEST_CASE("What is left of an exchange does not spoil its connection", "[http]") {
  Server server([](const chaos::Seen&) { return Reply::json(std::string(100, 'x')).in_pieces_of(120).every(20ms); });
  const auto leave = [&](http::Client client) -> asio::awaitable<int> {
    http::BodyStream stream = client.open(http::Request("GET", server.url()));
    auto head = stream.head();
    co_await std::move(head);
    stream.leave();
    auto more = stream.read();
    const auto piece = co_await std::move(more);
    co_return piece ? 1 : 0;
  };
  // The rest takes its time, and on a busy machine more.
  int made = 0;
  for (auto wait = 100ms; made != 1 && wait < 10s; wait *= 4) {
    const int before = server.connections();
    const http::Client client(patient());
    CHECK(chaos::run(leave(client)) == 0);
    asio::io_context io;
    asio::steady_timer timer(io, wait);
    timer.wait();
    get(client, server.url());
    made = server.connections() - before;
  }
  CHECK(made == 1);
}

TEST_CASE("Fifty requests at once", "[http]") {
  Server server([](const chaos::Seen& seen) { return Reply::json("\"" + seen.target + "\"").delayed(10ms); });
  const http::Client client(patient());
  asio::io_context io;
  int good = 0;
  for (int i = 0; i < 50; ++i)
    asio::co_spawn(io, client.fetch(http::Request("GET", server.url("/" + std::to_string(i)))),
                   [&good, i](std::exception_ptr e, const http::Response& r) {
                     good += !e && r.body == "\"/" + std::to_string(i) + "\"";
                   });
  io.run();
  CHECK(good == 50);
}

TEST_CASE("Other machines are reached through the proxy, this one never", "[http]") {
  Server proxy([](const chaos::Seen& seen) {
    return seen.method == "CONNECT" ? Reply::http(403, "", "", "") : Reply::json("\"" + seen.target + "\"");
  });
  const http::Client client(patient().proxy(proxy.url()).allow_plain_http());
  CHECK(get(client, "http://example.invalid/a") == "\"http://example.invalid/a\"");
  http::Request secret("GET", "https://example.invalid/b");
  secret.secret_header("authorization", "Bearer ", af::SecretString("s3cret"));
  CHECK_NOTHROW(failure([&] { chaos::run(client.fetch(secret)); }));
  CHECK(proxy.requests().back().target == "example.invalid:443");
  CHECK(proxy.requests().back().head.find("s3cret") == std::string::npos);
  Server server{Reply::json("1")};
  CHECK(get(client, server.url()) == "1");
  CHECK(proxy.requests().size() == 2);
}

TEST_CASE("Proxies come from the environment as it was when the client was made", "[http]") {
  Server proxy([](const chaos::Seen& seen) { return Reply::json("\"" + seen.target + "\""); });
  const std::vector<std::string> names = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                          "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
  for (const auto& name : names) ::unsetenv(name.c_str());
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  ::setenv("no_proxy", "direct.invalid", 1);
  const http::Client client(patient().allow_plain_http());
  const http::Client none(patient().allow_plain_http().proxy(""));
  ::unsetenv("http_proxy");
  ::setenv("HTTP_PROXY", proxy.url().c_str(), 1);  // a header "Proxy" becomes this in a CGI program
  const http::Client careful(patient().allow_plain_http());
  for (const auto& name : names) ::unsetenv(name.c_str());
  CHECK(get(client, "http://example.invalid/a") == "\"http://example.invalid/a\"");
  CHECK(failure([&] { get(client, "http://direct.invalid/"); }) == af::errc::http_connect);
  CHECK(failure([&] { get(none, "http://example.invalid/"); }) == af::errc::http_connect);
  CHECK(failure([&] { get(careful, "http://example.invalid/"); }) == af::errc::http_connect);
  CHECK(proxy.requests().size() == 1);
}

TEST_CASE("Retry-After is read in all its forms", "[http]") {
  const auto now = std::chrono::system_clock::from_time_t(784111777);  // Sun, 06 Nov 1994 08:49:37 GMT
  const auto wait = [&](const std::string& name, const std::string& value) {
    http::Head head;
    head.headers.emplace_back(name, value);
    return head.retry_after(now);
  };
  CHECK(wait("retry-after", "3") == 3s);
  CHECK(wait("retry-after", "1.5") == 1500ms);
  CHECK(wait("retry-after-ms", "250") == 250ms);
  CHECK(wait("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT") == 10s);
  CHECK(wait("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT") == 0s);
  CHECK(wait("retry-after", "Mon, 01 Jan 1601 00:00:00 GMT") == 0s);
  CHECK(wait("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT") > 24h * 365 * 30);  // further than a clock can tell
  for (const std::string bad : {"", "soon", "-1", "nan", "1e300", "3 s"}) CHECK(!wait("retry-after", bad));
}
