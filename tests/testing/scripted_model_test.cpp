// SPDX-License-Identifier: MIT
// Models for tests: the script and the echo.
#include <agentflow/testing/scripted_model.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/testing/echo_model.hpp>
#include <agentflow/testing/virtual_time.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;
using af::testing::ScriptedModel;

namespace {

asio::awaitable<std::string> all_text(af::ChatModel& model, std::string prompt) {
  const auto stream = model.stream(af::ChatRequest(std::move(prompt)));
  std::string text;
  for (;;) {
    auto next = stream->next();
    const auto event = co_await std::move(next);
    if (!event) break;
    if (event->kind == af::ChatEventKind::text) text += "|" + event->text;
  }
  CHECK(stream->response().message.id() == stream->message_id());
  co_return text;
}

}  // namespace

TEST_CASE("A scripted model gives its answers in order, and keeps the requests", "[models]") {
  af::testing::VirtualLoop loop;
  ScriptedModel model;
  model.call("weather", af::JsonValue::parse(R"({"city":"Rome"})"))
      .reply("Sunny.")
      .answer([](const af::ChatRequest& r) {
        return af::ChatResponse(af::Message::assistant("You said " + r.messages[0].text()));
      });
  const auto first = loop.run(model.complete(af::ChatRequest("Weather?")));
  CHECK(first.stop == af::StopReason::tool_calls);
  CHECK(first.message.tool_calls()[0].id == "call_1");
  CHECK(loop.run(model.complete(af::ChatRequest("And?"))).text() == "Sunny.");
  CHECK(model.left() == 1);
  CHECK(loop.run(all_text(model, "a b")) == "|You| said| a| b");
  CHECK(model.requests().size() == 3);
  CHECK(model.requests()[1].messages[0].text() == "And?");
  try {
    loop.run(model.complete(af::ChatRequest("More?")));
    FAIL("there is no more");
  } catch (const af::model_error& e) {
    CHECK(e.code() == af::errc::model_bad_request);
    CHECK(e.message() == "the script has 3 answers, and this is call 4");
  }
}

TEST_CASE("A scripted model goes on as it is told when its script is over", "[models]") {
  af::testing::VirtualLoop loop;
  ScriptedModel model;
  model.reply("Prepared.").otherwise([](const af::ChatRequest& r) {
    return af::ChatResponse(af::Message::user("No: " + r.messages[0].text()));
  });
  CHECK(loop.run(model.complete(af::ChatRequest("a"))).text() == "Prepared.");
  CHECK(loop.run(model.complete(af::ChatRequest("b"))).text() == "No: b");
  CHECK(loop.run(all_text(model, "c")) == "|No:| c");
  model.reply("Again.");
  CHECK(loop.run(model.complete(af::ChatRequest("d"))).text() == "Again.");
  CHECK(model.left() == 0);
  CHECK(model.requests().size() == 4);
}

TEST_CASE("A scripted stream fails in the middle with what came before", "[models]") {
  af::testing::VirtualLoop loop;
  ScriptedModel model;
  model.fail(af::model_error(af::errc::model_transport, "the line was cut"),
             af::ChatResponse(af::Message::assistant("one two three")), 2);
  try {
    loop.run(all_text(model, "?"));
    FAIL("it goes on");
  } catch (const af::model_error& e) {
    CHECK(e.code() == af::errc::model_transport);
    CHECK(e.info().partial.text() == "one two");
  }
}

TEST_CASE("A scripted model takes its time on the clock, and can be cancelled meanwhile", "[models]") {
  af::testing::VirtualLoop loop;
  ScriptedModel model;
  model.pace(loop.clock(), 1s).reply("one two three").reply("four").reply("five");
  loop.run(all_text(model, "?"));
  CHECK(loop.clock()->passed() == 4s);  // three words and the reason to stop
  CHECK(loop.run(model.complete(af::ChatRequest("?"))).text() == "four");
  CHECK(loop.clock()->passed() == 5s);

  asio::cancellation_signal signal;
  loop.after(loop.handlers() + 1, [&signal] { signal.emit(asio::cancellation_type::terminal); });
  CHECK_THROWS_AS(loop.run(model.complete(af::ChatRequest("?")), signal.slot()), af::cancelled_error);
}

TEST_CASE("An echo repeats the last user message", "[models]") {
  af::testing::VirtualLoop loop;
  af::testing::EchoModel model;
  std::vector<af::Message> messages;
  messages.push_back(af::Message::system("Be brief."));
  messages.push_back(af::Message::user("How are you?"));
  messages.push_back(af::Message::assistant("Well."));
  const auto answer = loop.run(model.complete(af::ChatRequest(messages)));
  CHECK(answer.text() == "How are you?");
  CHECK(answer.usage() == af::TokenUsage(6, 3));
  CHECK(loop.run(all_text(model, "a b")) == "|a| b");
}
