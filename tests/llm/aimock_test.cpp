// SPDX-License-Identifier: MIT
// The four wire formats against a server that others wrote, which scripts/check_models starts. Hidden from ctest.
#include <agentflow/llm/providers.hpp>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "llm/exchange.hpp"

namespace {

using namespace exchange;

struct Peer {
  std::string name;
  Factory factory;
};
const std::vector<Peer> peers = {{"openai_chat", llm::openai_chat},
                                 {"openai_responses", llm::openai_responses},
                                 {"anthropic", llm::anthropic},
                                 {"gemini", llm::gemini}};

Outcome ask_peer(const Peer& peer, const af::ChatRequest& request, bool stream) {
  const char* url = std::getenv("AGENTFLOW_AIMOCK_URL");
  REQUIRE(url != nullptr);
  const af::http::Client client;
  return chaos::run(ask(peer.factory(client, options(url)), request, stream));
}

std::string text_of(const std::vector<af::ChatEvent>& events) {
  std::string out;
  for (const auto& e : events)
    if (e.kind == af::ChatEventKind::text) out += e.text;
  return out;
}

}  // namespace

TEST_CASE("aimock: a text, whole and in pieces", "[.aimock]") {
  for (const Peer& peer : peers) {
    CAPTURE(peer.name);
    for (const bool stream : {false, true}) {
      const Outcome o = ask_peer(peer, af::ChatRequest("hello"), stream);
      CHECK(o.code() == "ok");
      CHECK(o.response.text() == "Hello from the mock, which speaks in pieces.");
      CHECK(o.response.stop == af::StopReason::end);
      if (stream) CHECK(text_of(o.events) == o.response.text());
      if (stream) CHECK(o.events.size() >= 4);
    }
  }
}

TEST_CASE("aimock: two calls at once, their results, and the answer", "[.aimock]") {
  for (const Peer& peer : peers) {
    CAPTURE(peer.name);
    for (const bool stream : {false, true}) {
      af::ChatRequest request("What is the weather?");
      request.tools.emplace_back("weather", "Tells the weather",
                                 af::JsonValue::parse(R"({"type":"object","properties":{"city":{"type":"string"}}})"));
      request.tools.emplace_back("clock");
      const Outcome first = ask_peer(peer, request, stream);
      REQUIRE(first.code() == "ok");
      const auto calls = first.response.message.tool_calls();
      REQUIRE(calls.size() == 2);
      CHECK((calls[0].name == "weather" && calls[1].name == "clock"));
      CHECK(calls[0].arguments == af::JsonValue::parse(R"({"city":"Rome"})"));
      CHECK(calls[1].arguments == af::JsonValue::parse("{}"));
      // Gemini itself says STOP for calls; the mock has a word of its own.
      CHECK(first.response.stop == (peer.name == "gemini" ? af::StopReason::other : af::StopReason::tool_calls));
      request.messages.push_back(first.response.message);
      request.messages.push_back(af::Message::tool(af::ToolResultBlock(calls[0].id, "sunny"))
                                     .with_block(af::ToolResultBlock(calls[1].id, "noon")));
      const Outcome second = ask_peer(peer, request, stream);
      CHECK(second.code() == "ok");
      CHECK(second.response.text() == "It is sunny.");
    }
  }
}

TEST_CASE("aimock: thoughts", "[.aimock]") {
  for (const Peer& peer : peers) {
    CAPTURE(peer.name);
    for (const bool stream : {false, true}) {
      const Outcome o = ask_peer(peer, af::ChatRequest("think"), stream);
      REQUIRE(o.code() == "ok");
      const auto* thought = o.response.message.content().at(0).get_if<af::ReasoningBlock>();
      REQUIRE(thought != nullptr);
      CHECK(thought->text == "Let me think about it.");
      CHECK(o.response.text() == "Done.");
      af::ChatRequest again("think");
      again.messages.push_back(o.response.message);
      again.messages.push_back(af::Message::user("hello"));
      CHECK(ask_peer(peer, again, stream).code() == "ok");
    }
  }
}

TEST_CASE("aimock: errors", "[.aimock]") {
  for (const Peer& peer : peers) {
    CAPTURE(peer.name);
    for (const bool stream : {false, true}) {
      CHECK(ask_peer(peer, af::ChatRequest("busy"), stream).code() == "MODEL_003");
      CHECK(ask_peer(peer, af::ChatRequest("locked"), stream).code() == "MODEL_001");
    }
    const Outcome cut = ask_peer(peer, af::ChatRequest("cut"), true);
    CHECK((cut.code() == "MODEL_011" || cut.code() == "MODEL_009"));
    REQUIRE(cut.error);
    CHECK(!cut.error->info().partial.text().empty());
  }
}
