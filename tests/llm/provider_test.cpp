// SPDX-License-Identifier: MIT
// Providers that fail, in every way a chaos server knows.
#include <agentflow/llm/providers.hpp>

#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/core/json.hpp>
#include <agentflow/core/json_codec.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include "llm/exchange.hpp"

namespace {

using namespace exchange;
using namespace std::chrono_literals;
using chaos::Reply;
using End = chaos::Reply::End;

const std::vector<Factory> factories = {llm::openai_chat, llm::openai_responses, llm::anthropic, llm::gemini};

Outcome ask_with(const llm::ProviderOptions& o, bool stream, Factory factory = llm::openai_chat) {
  const af::http::Client client;
  return chaos::run(ask(factory(client, o), af::ChatRequest("?"), stream));
}

const std::string good_stream =
    "data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\" "
    "two\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

}  // namespace

TEST_CASE("Each provider's errors are known by one name", "[llm]") {
  struct Case {
    int status;
    std::string body, code;
  };
  const std::vector<Case> cases = {
      {401, R"({"error":{"message":"bad key","type":"invalid_request_error","code":"invalid_api_key"}})", "MODEL_001"},
      {401, R"({"type":"error","error":{"type":"authentication_error","message":"x"}})", "MODEL_001"},
      {400, R"({"error":{"code":400,"message":"API key not valid. Please pass one.","status":"INVALID_ARGUMENT"}})",
       "MODEL_001"},
      {403, R"({"error":{"code":403,"message":"x","status":"PERMISSION_DENIED"}})", "MODEL_001"},
      {429, R"({"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}})", "MODEL_002"},
      {402, R"({"type":"error","error":{"type":"billing_error","message":"x"}})", "MODEL_002"},
      {429, R"({"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}})", "MODEL_003"},
      {429, R"({"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED"}})", "MODEL_003"},
      {529, R"({"type":"error","error":{"type":"overloaded_error","message":"x"}})", "MODEL_004"},
      {500, "oops", "MODEL_004"},
      {503, R"({"error":{"code":503,"message":"x","status":"UNAVAILABLE"}})", "MODEL_004"},
      {404, R"({"error":{"message":"no such model","type":"invalid_request_error"}})", "MODEL_005"},
      {422, R"({"detail":"not so"})", "MODEL_005"},
      {400, R"({"error":"model 'x' not found"})", "MODEL_005"},
      {302, "", "MODEL_005"},
      {400,
       R"({"error":{"message":"This model's maximum context length is 8192 tokens","code":"context_length_exceeded"}})",
       "MODEL_006"},
      {400, R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens"}})",
       "MODEL_006"},
      {413, R"({"type":"error","error":{"type":"request_too_large","message":"x"}})", "MODEL_006"},
      {400, R"({"error":{"message":"x","code":"content_filter"}})", "MODEL_007"},
      {408, "", "MODEL_008"},
      {504, R"({"type":"error","error":{"type":"timeout_error","message":"x"}})", "MODEL_008"},
  };
  for (const auto& c : cases) {
    chaos::Server server(Reply::json(c.body, c.status));
    for (const bool stream : {false, true}) {
      const Outcome o = ask(llm::openai_chat, server, af::ChatRequest("?"), stream);
      CAPTURE(c.status, c.body, stream);
      REQUIRE(o.error);
      CHECK(o.code() == c.code);
      CHECK(o.error->info().http_status == c.status);
      CHECK(o.error->info().provider == "openai");
      CHECK(o.error->message().rfind("openai the-model: HTTP " + std::to_string(c.status) + ": ", 0) == 0);
      CHECK(o.error->info().model == "the-model");
      CHECK(o.error->info().body == c.body);
    }
  }
}

TEST_CASE("What a provider asks for is in the error", "[llm]") {
  const auto info = [](const std::string& headers, const std::string& body = "{}") {
    chaos::Server server(Reply::json(body, 429, headers));
    return ask(llm::gemini, server, af::ChatRequest("?"), false).error->info();
  };
  CHECK(info("retry-after: 3\r\n").retry_after == 3s);
  CHECK(info("", R"({"error":{"details":[{"@type":"x"},{"retryDelay":"17s"}]}})").retry_after == 17s);
  CHECK(!info("").retry_after);
  CHECK(info("x-should-retry: false\r\n").should_retry == false);
}

TEST_CASE("A call is repeated after what the provider asked for", "[llm]") {
  std::atomic<int> calls{0};
  chaos::Server server([&](const chaos::Seen&) {
    return ++calls == 1 ? Reply::json("{}", 429, "retry-after-ms: 30\r\n") : Reply::sse(good_stream);
  });
  const auto start = std::chrono::steady_clock::now();
  const Outcome outcome = ask_with(options(server.url()).retry(llm::RetryOptions()), true);
  CHECK(outcome.code() == "ok");
  CHECK(outcome.response.text() == "one two");
  CHECK(std::chrono::steady_clock::now() - start >= 30ms);
  CHECK(calls == 2);
}

TEST_CASE("Answers that are no answers are protocol errors that show how they begin", "[llm]") {
  for (const auto factory : factories) {
    for (const bool stream : {false, true}) {
      chaos::Server html(Reply::http(200, "text/html", "<html>Welcome to nginx!</html>"));
      const Outcome o = ask(factory, html, af::ChatRequest("?"), stream);
      CHECK(o.code() == "MODEL_010");
      CHECK_THAT(o.error->message(), Catch::Contains("Welcome to nginx") && Catch::Contains("base URL"));
      for (const std::string body :
           {"{}", "[]", "null", "1", "\"x\"", "{\"choices\":1,\"output\":2,\"content\":3}", "{\"a\":1", ""}) {
        chaos::Server server(Reply::json(body));
        CAPTURE(body);
        CHECK(ask(factory, server, af::ChatRequest("?"), stream).code() == "MODEL_010");
      }
    }
  }
}

TEST_CASE("A stream that is cut keeps what came", "[llm]") {
  const std::string all = Reply::sse(good_stream).bytes;
  const std::size_t end = all.find("\"stop\"}]}") + 11;  // the empty line after the reason to stop
  for (std::size_t cut = all.find("\r\n\r\n") + 4; cut < all.size(); cut += 7) {
    chaos::Server server(Reply(all).cut_at(cut, cut % 2 == 0 ? End::close : End::half_close));
    const Outcome o = ask(llm::openai_chat, server, af::ChatRequest("?"), true);
    CAPTURE(cut);
    CHECK(o.code() == (cut < end ? "MODEL_011" : "ok"));
    std::string text;
    for (const auto& e : o.events) text += e.text;
    if (o.error) CHECK(o.error->info().partial.text() == text);
    CHECK(std::string("one two").rfind(text, 0) == 0);
  }
  chaos::Server reset(Reply(all).cut_at(end - 20, End::reset));
  CHECK(ask(llm::openai_chat, reset, af::ChatRequest("?"), true).code() == "MODEL_009");
}

TEST_CASE("Every format knows a stream that is cut", "[llm]") {
  const std::vector<std::string> begun = {
      good_stream.substr(0, good_stream.find("\n\n") + 2),
      "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\n",
      "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n",
      "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}]}\n\n",
  };
  for (std::size_t i = 0; i < factories.size(); ++i) {
    chaos::Server server(Reply::sse(begun[i]));
    CHECK(ask(factories[i], server, af::ChatRequest("?"), true).code() == "MODEL_011");
    chaos::Server error(Reply::sse(
        begun[i] +
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n"));
    CHECK(ask(factories[i], error, af::ChatRequest("?"), true).code() == "MODEL_004");
    chaos::Server broken(Reply::sse(begun[i] + "data: {\"a\":\n\n"));
    CHECK(ask(factories[i], broken, af::ChatRequest("?"), true).code() == "MODEL_010");
  }
}

TEST_CASE("Silence, refused connections and untidy ends", "[llm]") {
  chaos::Server silent(Reply("").then(End::keep_open).delayed(10s));
  CHECK(ask_with(options(silent.url()).idle_timeout(50ms), true).code() == "MODEL_008");
  CHECK(ask_with(options(silent.url()).timeout(50ms), false).code() == "MODEL_008");
  CHECK(ask_with(options("http://127.0.0.1:1"), true).code() == "MODEL_009");
  CHECK(ask_with(options("http://example.com"), true).code() == "MODEL_005");
  CHECK(ask_with(options("nonsense://x"), true).code() == "MODEL_005");
  // After [DONE] nobody waits for the server to close.
  chaos::Server lingering(Reply::sse(good_stream).then(End::keep_open));
  const auto start = std::chrono::steady_clock::now();
  CHECK(ask_with(options(lingering.url()), true).code() == "ok");
  CHECK(std::chrono::steady_clock::now() - start < 5s);
}

TEST_CASE("The first token does not wait for what came with it", "[llm]") {
  chaos::Server server(Reply::sse(good_stream));
  const af::http::Client client;
  af::ChatRequest request("?");
  request.keep_raw = true;
  const auto stream = llm::openai_chat(client, options(server.url()))->stream(request);
  const auto next = [&]() -> asio::awaitable<std::string> {
    auto more = stream->next();
    const auto event = co_await std::move(more);
    co_return event ? event->text : "end";
  };
  CHECK(chaos::run(next()) == "one");
  CHECK(stream->response().raw.get().size() == 1);  // the others are not looked at yet
  CHECK(chaos::run(next()) == " two");
  CHECK(stream->response().raw.get().size() == 2);
}

TEST_CASE("Hostile tool calls reach the caller, or are refused by a limit", "[llm]") {
  const auto call = [](const std::string& arguments) {
    return R"({"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":)" + arguments +
           R"(}}]},"finish_reason":"tool_calls"}]})";
  };
  const auto arguments = [&](const std::string& text) {
    chaos::Server server(Reply::json(call(text)));
    const Outcome o = ask(llm::openai_chat, server, af::ChatRequest("?"), false);
    return o.error ? o.code() : o.response.message.tool_calls().at(0).arguments.dump();
  };
  CHECK(arguments(R"("{\"a\":")") == R"("{\"a\":")");
  CHECK(arguments(R"("{\"a\":1,\"a\":2}")") == R"("{\"a\":1,\"a\":2}")");
  CHECK(arguments(R"("null")") == "null");
  CHECK(arguments(R"("[1]")") == "[1]");
  CHECK(arguments("7") == "7");
  CHECK(arguments("null") == "{}");
  CHECK(arguments("\"" + std::string(500, '[') + "\"").size() > 400);  // too deep: kept as text
  std::string many = R"({"choices":[{"message":{"tool_calls":[)";
  for (int i = 0; i < 65; ++i)
    many += std::string(i == 0 ? "" : ",") + R"({"id":")" + std::to_string(i) + R"(","function":{"name":"f"}})";
  many += R"(]},"finish_reason":"tool_calls"}]})";
  chaos::Server server(Reply::json(many));
  const Outcome o = ask(llm::openai_chat, server, af::ChatRequest("?"), false);
  CHECK(o.code() == "MODEL_010");
  CHECK_THAT(o.error->message(), Catch::Contains("max_tool_calls (64)"));
}

TEST_CASE("Answers of very many small parts are refused, and soon", "[llm]") {
  const auto refused = [](Factory factory, const std::string& head, const std::string& part, const std::string& tail) {
    std::string body = head;
    for (int i = 0; i < 20'000; ++i) body += part;
    body.back() = ']';
    chaos::Server server(Reply::json(body + tail));
    af::ChatRequest request("?");
    request.max_tool_calls = 1'000'000;
    const Outcome o = ask(factory, server, request, false);
    CHECK(o.code() == "MODEL_010");
    return o.error ? o.error->message() : "";
  };
  CHECK_THAT(
      refused(llm::openai_chat, R"({"choices":[{"message":{"tool_calls":[)", R"({"function":{"name":"f"}},)", "}}]}"),
      Catch::Contains("thousands of tool calls"));
  CHECK_THAT(refused(llm::openai_responses, R"({"output":[)", R"({"type":"reasoning"},)", "}"),
             Catch::Contains("thousands of items"));
  CHECK_THAT(refused(llm::anthropic, R"({"stop_reason":"end_turn","content":[)", R"({"type":"thinking"},)", "}"),
             Catch::Contains("more than 4096 blocks"));
}

TEST_CASE("A line of a stream may be as long as an answer", "[llm]") {
  const std::string picture(5 << 20, 'A');
  chaos::Server server(
      Reply::sse("data: {\"candidates\":[{\"finishReason\":\"STOP\",\"content\":{\"parts\":[{\"inlineData\":"
                 "{\"mimeType\":\"image/png\",\"data\":\"" +
                 picture + "\"}}]}}]}\n\n"));
  const Outcome o = ask(llm::gemini, server, af::ChatRequest("?"), true);
  REQUIRE(o.code() == "ok");
  const auto* image = o.response.message.content().at(0).get_if<af::ImageBlock>();
  REQUIRE(image != nullptr);
  CHECK(image->source.value().size() == picture.size());
  af::ChatRequest small("?");
  small.max_answer_bytes = 1 << 20;
  CHECK(ask(llm::gemini, server, small, true).code() == "MODEL_010");
}

TEST_CASE("Raw events that are too deep for one value are left out", "[llm]") {
  const std::string deep = "data: {\"x\":" + std::string(127, '[') + std::string(127, ']') + "}\n\n";
  for (const bool fits : {true, false}) {
    chaos::Server server(Reply::sse((fits ? "" : deep) + good_stream));
    af::ChatRequest request("?");
    request.keep_raw = true;
    const Outcome out = ask(llm::openai_chat, server, request, true);
    CHECK(out.code() == "ok");
    CHECK(out.response.text() == "one two");
    CHECK(out.response.raw.is_null() == !fits);
  }
}

TEST_CASE("Keys are in no error, whoever repeats them", "[llm]") {
  const std::string key = "sk-canary-1234";
  for (const std::string& form : {key, std::string("c2stY2FuYXJ5LTEyMzQ="), std::string("x-header-canary")}) {
    chaos::Server server(Reply::json(R"({"error":{"message":"Incorrect API key provided: )" + form + "\"}}", 401));
    for (const auto factory : factories) {
      const Outcome o = ask_with(options(server.url()).header("x-my-token", "x-header-canary"), true, factory);
      REQUIRE(o.error);
      const std::string everything = std::string(o.error->what()) + o.error->info().body + af::describe(*o.error);
      CHECK(everything.find("canary") == std::string::npos);
      CHECK(everything.find("c2stY2FuYXJ5") == std::string::npos);
      CHECK_THAT(everything, Catch::Contains("***"));
    }
  }
}

TEST_CASE("Errors are UTF-8, whatever the server said", "[llm]") {
  chaos::Server server(Reply::http(500, "text/html", "na\xEFve " + std::string(491, 'x') + "\xC3\xA9"));
  const Outcome o = ask(llm::openai_chat, server, af::ChatRequest("?"), false);
  REQUIRE(o.error);
  CHECK_NOTHROW(af::to_json_value(o.error->message()));
  CHECK_NOTHROW(af::to_json_value(o.error->info().body));
  CHECK_THAT(o.error->message(), Catch::Contains("na\xEF\xBF\xBDve "));
  const Outcome refused = ask(llm::openai_chat, server, af::ChatRequest("na\xEFve"), true);
  CHECK(refused.code() == "MODEL_005");
  CHECK_THAT(refused.error->message(), Catch::Contains("the request cannot be written as JSON"));
  CHECK(server.requests().size() == 1);
}

TEST_CASE("Cancelling a call closes its connection at once", "[llm]") {
  chaos::Server server(Reply::sse(std::string(100'000, '\n') + good_stream).in_pieces_of(40).every(20ms));
  const af::http::Client client;
  for (int i = 1; i <= 4; ++i) {
    asio::io_context io;
    asio::cancellation_signal signal;
    std::exception_ptr failure;
    const auto model = llm::openai_chat(client, options(server.url()));
    asio::co_spawn(
        io, ask(model, af::ChatRequest("?"), i % 2 == 0),
        asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, const Outcome&) { failure = e; }));
    const auto cancel = [&]() -> asio::awaitable<void> {
      auto seen = server.requested(static_cast<std::size_t>(i));
      co_await std::move(seen);
      asio::steady_timer timer(io, i * 15ms);
      co_await timer.async_wait(asio::use_awaitable);
      signal.emit(asio::cancellation_type::terminal);
    };
    asio::co_spawn(io, cancel(), [](std::exception_ptr) {});
    io.run();
    REQUIRE(failure);
    CHECK_THROWS_AS(std::rethrow_exception(failure), af::cancelled_error);
    CHECK(server.wait_for_dropped(i));
  }
}

TEST_CASE("The environment names a provider", "[llm]") {
  const std::vector<std::string> names = {"OPENAI_API_KEY",  "OPENAI_BASE_URL", "OPENAI_MODEL", "ANTHROPIC_API_KEY",
                                          "ANTHROPIC_MODEL", "GEMINI_API_KEY",  "GEMINI_MODEL"};
  for (const auto& name : names) ::unsetenv(name.c_str());
  const af::http::Client client;
  CHECK(llm::model_from_environment(client) == nullptr);
  ::setenv("GEMINI_API_KEY", "k", 1);
  ::setenv("GEMINI_MODEL", "g", 1);
  CHECK(llm::model_from_environment(client)->name() == "gemini/g");
  ::setenv("ANTHROPIC_API_KEY", "k", 1);
  CHECK(llm::model_from_environment(client, "claude-x")->name() == "anthropic/claude-x");
  chaos::Server server(Reply::sse(good_stream));
  ::setenv("OPENAI_BASE_URL", server.url().c_str(), 1);
  const auto local = llm::model_from_environment(client, "tiny");
  CHECK(local->name() == "openai/tiny");
  CHECK(chaos::run(ask(local, af::ChatRequest("?"), true)).response.text() == "one two");
  CHECK(server.requests().at(0).header("authorization").empty());
  CHECK(llm::model_by_name(client, "openai", "tiny")->name() == "openai/tiny");
  CHECK(llm::model_by_name(client, "openai-responses", "r")->name() == "openai-responses/r");
  CHECK(llm::model_by_name(client, "gemini")->name() == "gemini/g");
  CHECK(llm::model_by_name(client, "anthropic", "c")->name() == "anthropic/c");
  for (const auto& name : names) ::unsetenv(name.c_str());
  // Without any variable too: what is missing is said by the provider.
  CHECK(llm::model_by_name(client, "anthropic", "c")->name() == "anthropic/c");
  CHECK_THROWS_WITH(llm::model_by_name(client, "OpenAI"),
                    "RUN_005: there is no provider 'OpenAI'; there are openai, openai-responses, anthropic, gemini");
}
