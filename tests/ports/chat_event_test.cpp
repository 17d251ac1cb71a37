// SPDX-License-Identifier: MIT
// Answers from their events, and back.
#include <agentflow/ports/chat_event.hpp>

#include <string>
#include <utility>
#include <vector>

#include <agentflow/core/json_codec.hpp>
#include <agentflow/ports/model_error.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using af::ChatEvent;

namespace {

af::ChatResponse assemble(const std::vector<ChatEvent>& events, const af::ChatRequest& request = af::ChatRequest()) {
  af::ChatAssembler assembler(request);
  for (const auto& event : events) assembler.add(event);
  return assembler.response();
}

void refuses(const std::vector<ChatEvent>& events, const std::string& text,
             const af::ChatRequest& request = af::ChatRequest()) {
  try {
    assemble(events, request);
    FAIL("taken: " << text);
  } catch (const af::model_error& e) {
    CHECK(e.code() == af::errc::model_protocol);
    CHECK_THAT(e.message(), Catch::Contains(text));
  }
}

}  // namespace

TEST_CASE("Pieces of alternating blocks become the message in the order of the blocks", "[chat]") {
  const auto answer = assemble({
      ChatEvent::reasoning_piece(0, "Hm"),
      ChatEvent::reasoning_piece(0, "m.", "sig"),
      ChatEvent::text_piece(1, "I "),
      ChatEvent::tool_begin(2, "a", "weather"),
      ChatEvent::tool_begin(3, "b", "clock"),
      ChatEvent::tool_args(2, R"({"city":)"),
      ChatEvent::tool_args(3, ""),
      ChatEvent::tool_args(2, R"("Rome"})"),
      ChatEvent::text_piece(1, "look."),
      ChatEvent::tool_end(2),
      ChatEvent::tool_end(3),
      ChatEvent::usage_so_far(af::TokenUsage(3, 4)),
      ChatEvent::stopped(af::StopReason::end),
      ChatEvent::usage_so_far(af::TokenUsage(3, 9)),
  });
  const auto& blocks = answer.message.content();
  REQUIRE(blocks.size() == 4);
  CHECK(blocks[0] == af::ContentBlock(af::ReasoningBlock("Hmm.", "sig")));
  CHECK(blocks[1] == af::ContentBlock(af::TextBlock("I look.")));
  CHECK(blocks[2] == af::ContentBlock(af::ToolCallBlock("a", "weather", af::JsonValue::parse(R"({"city":"Rome"})"))));
  CHECK(blocks[3] == af::ContentBlock(af::ToolCallBlock("b", "clock", af::JsonValue::parse("{}"))));
  CHECK(answer.usage() == af::TokenUsage(3, 9));
  CHECK(answer.message.role() == af::Role::assistant);
  CHECK(answer.stop == af::StopReason::tool_calls);  // there are calls, whatever the provider said
}

TEST_CASE("Arguments that are not JSON are kept for the tool to refuse", "[chat]") {
  const auto answer = assemble({ChatEvent::tool_begin(0, "a", "t"), ChatEvent::tool_args(0, R"({"city": Rome)"),
                                ChatEvent::stopped(af::StopReason::tool_calls)});
  CHECK(answer.message.tool_calls()[0].arguments == af::to_json_value(std::string(R"({"city": Rome)")));
}

TEST_CASE("Pieces that do not fit together are refused", "[chat]") {
  refuses({ChatEvent::text_piece(1, "x")}, "do not fit");
  refuses({ChatEvent::text_piece(0, "x"), ChatEvent::reasoning_piece(0, "y")}, "do not fit");
  refuses({ChatEvent::tool_args(0, "{}")}, "not begun");
  refuses({ChatEvent::tool_begin(0, "a", "t"), ChatEvent::tool_end(0), ChatEvent::tool_args(0, "{}")}, "complete");
  refuses({ChatEvent::text_piece(0, "x"), ChatEvent::tool_begin(0, "a", "t")}, "inside another");
}

TEST_CASE("The limits of a request hold for its answer", "[chat]") {
  af::ChatRequest request("?");
  request.max_tool_calls = 1;
  refuses({ChatEvent::tool_begin(0, "a", "t"), ChatEvent::tool_begin(1, "b", "t")}, "max_tool_calls (1)", request);
  request.max_answer_bytes = 3;
  refuses({ChatEvent::text_piece(0, "abc"), ChatEvent::text_piece(0, "d")}, "max_answer_bytes (3)", request);
}

TEST_CASE("An answer taken apart and put together again is the same", "[chat]") {
  std::vector<af::ContentBlock> blocks;
  blocks.emplace_back(af::ReasoningBlock("Let me see.", "s"));
  blocks.emplace_back(af::TextBlock(" It is  sunny in Rome. "));
  blocks.emplace_back(af::ImageBlock(af::MediaSource::from_base64("AAAA", "image/png")));
  blocks.emplace_back(af::ToolCallBlock("a", "t", af::JsonValue::parse(R"({"x":[1,2]})")));
  blocks.emplace_back(af::TextBlock(""));
  const af::ChatResponse before(af::Message(af::Role::assistant, blocks).with_usage(af::TokenUsage(1, 2)),
                                af::StopReason::tool_calls);
  const auto events = af::events_of(before);
  const af::ChatResponse after = assemble(events);
  CHECK(after.message.content() == before.message.content());
  CHECK(after.usage() == before.usage());
  CHECK(after.stop == before.stop);
  CHECK(events[1].text == " It");  // word by word
}

TEST_CASE("Stop reasons have names", "[chat]") {
  for (int i = 0; i <= static_cast<int>(af::StopReason::other); ++i) {
    const auto reason = static_cast<af::StopReason>(i);
    CHECK(af::parse_stop_reason(to_string(reason)) == reason);
  }
  CHECK(!af::parse_stop_reason("END"));
}

TEST_CASE("What passes by itself may be tried again", "[chat]") {
  using af::errc;
  for (const errc code : {errc::model_rate_limited, errc::model_overloaded, errc::model_timeout, errc::model_transport,
                          errc::model_stream_truncated})
    CHECK(af::model_error(code, "").retryable());
  for (const errc code : {errc::model_auth, errc::model_quota, errc::model_bad_request, errc::model_context_too_long,
                          errc::model_refused, errc::model_protocol, errc::model_budget})
    CHECK(!af::model_error(code, "").retryable());
  CHECK(af::model_error(errc::model_auth, "no key").what() == std::string("MODEL_001: no key"));
}
