// SPDX-License-Identifier: MIT
// Messages: making, sharing, changing, and JSON both ways.
#include <agentflow/state/message.hpp>

#include <random>
#include <sstream>
#include <thread>
#include <type_traits>

#include <agentflow/core/json_codec.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;

static_assert(sizeof(af::Message) <= 2 * sizeof(void*));
static_assert(std::is_nothrow_default_constructible_v<af::Message> &&
              std::is_nothrow_move_constructible_v<af::Message>);
static_assert(!std::is_aggregate_v<af::Message> && !std::is_convertible_v<std::string, af::Message>);
static_assert(af::JsonWritable<std::vector<af::Message>> && af::JsonReadable<std::vector<af::Message>>);
static_assert(std::is_convertible_v<af::ToolCallBlock, af::ContentBlock> &&
              !std::is_constructible_v<af::ContentBlock, std::string>);

namespace {

std::vector<af::ContentBlock> every_block() {
  using af::MediaSource;
  return {af::TextBlock(),
          af::TextBlock("h\xc3\xa9llo \"\n"),
          af::ImageBlock(MediaSource::from_url("https://x.test/a.png")),
          af::ImageBlock(MediaSource::from_base64("aGk=", "image/png")),
          af::AudioBlock(MediaSource::from_url("https://x.test/a.ogg", "audio/ogg")),
          af::DocumentBlock(MediaSource::from_base64("aGk=", "application/pdf"), "A title"),
          af::DocumentBlock(MediaSource::from_url("file")),
          af::DataBlock(),
          af::DataBlock(af::JsonValue::parse(R"({"a":[1,null]})")),
          af::ToolCallBlock("c1", "weather", af::JsonValue::parse(R"({"city":"Rome"})")),
          af::ToolCallBlock("c2", "now"),
          af::ToolResultBlock("c1", "sunny"),
          af::ToolResultBlock("c1", ""),
          af::ToolResultBlock("c2", "broken").with_error(),
          af::ToolResultBlock("c3", af::JsonValue::parse("\"text as JSON\"")),
          af::ToolResultBlock("c3", af::JsonValue::parse("[1]")),
          af::ReasoningBlock("because"),
          af::ReasoningBlock("", "c2lnbmVk"),
          af::ErrorBlock("refused", "no")};
}

std::string shown(const auto& v) {
  std::ostringstream out;
  out << v;
  return out.str();
}

struct Failure {
  af::errc code;
  std::string path;
};
Failure read_failure(std::string_view text) {
  try {
    af::from_json_text<std::vector<af::Message>>(text);
  } catch (const af::json_error& e) {
    return {e.code(), e.context().field()};
  }
  return {af::errc::internal, "nothing was thrown"};
}

}  // namespace

TEST_CASE("a message made from text") {
  const auto before = af::Message::Clock::now();
  const af::Message m = af::Message::from_text("Hello");
  CHECK(m.text() == "Hello");
  CHECK(m.role() == af::Role::user);
  CHECK(m.id().size() == 15);
  CHECK(m.content() == std::vector<af::ContentBlock>{af::TextBlock("Hello")});
  CHECK(m.timestamp() >= before);
  CHECK(m.timestamp() <= af::Message::Clock::now());
  CHECK_FALSE(m.usage());
  CHECK(m.metadata().is_null());
  CHECK(m.name().empty());
  CHECK_FALSE(m.is_removal());
  CHECK(af::Message::text_message("x", af::Role::system).role() == af::Role::system);
  CHECK(af::Message::system("x").role() == af::Role::system);
  CHECK(af::Message::user("x").role() == af::Role::user);
  CHECK(af::Message::assistant("x").role() == af::Role::assistant);
  CHECK(af::Message::from_text("a").id() != af::Message::from_text("a").id());
}

TEST_CASE("an empty message, and one moved from") {
  af::Message m = af::Message::user("x");
  const af::Message to = std::move(m);
  for (const af::Message& empty : {af::Message(), m}) {
    CHECK(empty.id().empty());
    CHECK(empty.content().empty());
    CHECK(empty.role() == af::Role::user);
    CHECK(empty.timestamp() == af::Message::Clock::time_point());
    CHECK(empty == af::Message());
    CHECK(empty.with_name("n").name() == "n");
  }
  CHECK(to.text() == "x");
}

TEST_CASE("tool calls and their answers") {
  const af::Message call(af::Role::assistant, {af::TextBlock("I look. "), af::ToolCallBlock("c1", "weather"),
                                               af::TextBlock("And."), af::ToolCallBlock("c2", "time")});
  CHECK(call.text() == "I look. And.");
  REQUIRE(call.tool_calls().size() == 2);
  CHECK(call.tool_calls()[1].name == "time");
  CHECK(call.has_tool_calls());
  CHECK_FALSE(af::Message::user("x").has_tool_calls());
  const af::Message answer = af::Message::tool("c1", "sunny").with_block(af::ToolResultBlock("c2", "noon"));
  CHECK(answer.role() == af::Role::tool);
  REQUIRE(answer.content().size() == 2);
  CHECK(answer.content()[0].get_if<af::ToolResultBlock>()->text == "sunny");
  CHECK(answer.content()[1].get_if<af::ToolResultBlock>()->call_id == "c2");
  CHECK(answer.content()[1].get_if<af::TextBlock>() == nullptr);
}

TEST_CASE("a removal is a message without content") {
  const af::Message m = af::Message::remove("m1");
  CHECK(m.is_removal());
  CHECK(m.id() == "m1");
  CHECK(m.content().empty());
  CHECK(m != af::Message().with_id("m1"));
}

TEST_CASE("changing gives a new message and leaves the copies alone") {
  const af::Message original = af::Message::user("x");
  const af::Message copy = original;
  CHECK(&copy.content() == &original.content());
  const af::Message changed = original.with_id("i")
                                  .with_role(af::Role::assistant)
                                  .with_name("ann")
                                  .with_usage(af::TokenUsage(10, 5, 3, 2))
                                  .with_metadata(af::JsonValue::parse(R"({"k":1})"))
                                  .with_timestamp(af::Message::Clock::time_point(5ns))
                                  .with_block(af::TextBlock("y"));
  CHECK(changed.id() == "i");
  CHECK(changed.role() == af::Role::assistant);
  CHECK(changed.name() == "ann");
  CHECK(changed.usage()->total() == 15);
  CHECK(changed.metadata().dump() == R"({"k":1})");
  CHECK(changed.timestamp().time_since_epoch() == 5ns);
  CHECK(changed.text() == "xy");
  CHECK(original.role() == af::Role::user);
  CHECK(original.text() == "x");
  CHECK(copy == original);
  CHECK(changed.with_blocks({}).content().empty());
  CHECK(changed.text() == "xy");
  CHECK_THROWS_AS(changed.with_metadata(af::JsonValue::parse("[1]")), af::json_error);

  af::Message shared = original.with_id("s");
  const af::Message held = shared;
  shared = std::move(shared).with_id("t");
  CHECK(held.id() == "s");
  CHECK(shared.id() == "t");
}

TEST_CASE("a temporary that nobody shares is changed in place") {
  af::Message m = af::Message::user("x");
  const auto* content = &m.content();
  m = std::move(m).with_id("a");  // one change: a second copy could land where the first was
  CHECK(&m.content() == content);
  const af::Message other = m.with_id("c");
  CHECK(&other.content() != content);
}

TEST_CASE("copies may be used and changed on several threads") {
  for (int round = 0; round < 200; ++round) {
    af::Message m = af::Message::user("x");
    std::size_t lengths = 0;
    std::thread reader([copy = m, &lengths]() mutable {
      lengths = copy.text().size();
      copy = af::Message();
    });
    m = std::move(m).with_block(af::TextBlock("y"));
    reader.join();
    REQUIRE(lengths == 1);
    REQUIRE(m.text() == "xy");
  }
}

TEST_CASE("messages are equal when everything is") {
  const af::Message m = af::Message::user("x").with_id("i").with_timestamp({});
  CHECK(m == af::Message::user("x").with_id("i").with_timestamp({}));
  for (const af::Message& other :
       {m.with_id("j"), m.with_role(af::Role::tool), m.with_name("n"), m.with_block(af::TextBlock()),
        m.with_usage(af::TokenUsage()), m.with_metadata(af::JsonValue::parse("{}")),
        m.with_timestamp(af::Message::Clock::time_point(1ns))})
    CHECK(m != other);
  const auto blocks = every_block();
  for (std::size_t i = 0; i < blocks.size(); ++i)
    for (std::size_t k = 0; k < blocks.size(); ++k) CHECK((blocks[i] == blocks[k]) == (i == k));
}

TEST_CASE("every block survives JSON") {
  for (const af::ContentBlock& block : every_block()) {
    const std::string text = af::to_json_text(block);
    INFO(text);
    CHECK(text.substr(0, 10 + block.type().size()) == R"({"type":")" + std::string(block.type()) + "\"");
    CHECK(af::from_json_text<af::ContentBlock>(text) == block);
  }
}

TEST_CASE("messages survive JSON") {
  const std::vector<af::Message> messages = {af::Message(),
                                             af::Message::user("hi"),
                                             af::Message(af::Role::assistant, every_block()),
                                             af::Message::remove("m1"),
                                             af::Message::tool("c", "r")
                                                 .with_name("n")
                                                 .with_usage(af::TokenUsage(1, 2, 0, 1))
                                                 .with_metadata(af::JsonValue::parse(R"({"a":{}})")),
                                             af::Message::system("")
                                                 .with_usage(af::TokenUsage(~std::uint64_t{0}, 0))
                                                 .with_metadata(af::JsonValue::parse("{}"))};
  const std::string text = af::to_json_text(messages);
  const auto back = af::from_json_text<std::vector<af::Message>>(text);
  CHECK(back == messages);
  CHECK(af::to_json_text(back) == text);
  CHECK(af::to_json_text(af::Message::user("hi").with_id("m1").with_timestamp(af::Message::Clock::time_point(7ns))) ==
        R"({"id":"m1","role":"user","content":[{"type":"text","text":"hi"}],"timestamp":7})");
  CHECK(af::to_json_text(af::Message::remove("m1")) == R"({"remove":"m1"})");
}

TEST_CASE("JSON that is not a message is refused, with its path") {
  const auto check = [](std::string_view text, af::errc code, std::string_view path) {
    INFO(text);
    const Failure f = read_failure(text);
    CHECK(f.code == code);
    CHECK(f.path == path);
  };
  using af::errc;
  const auto message = [](std::string_view content) {
    return R"([{"id":"i","role":"user","timestamp":1,"content":[)" + std::string(content) + "]}]";
  };
  check("[1]", errc::json_type, "[0]");
  check(R"([{"role":"user","timestamp":1,"content":[]}])", errc::json_missing, "[0].id");
  check(R"([{"id":"i","timestamp":1,"content":[]}])", errc::json_missing, "[0].role");
  check(R"([{"id":"i","role":"user","timestamp":1}])", errc::json_missing, "[0].content");
  check(R"([{"id":"i","role":"user","content":[]}])", errc::json_missing, "[0].timestamp");
  check(R"([{"id":"i","role":"User","timestamp":1,"content":[]}])", errc::json_type, "[0].role");
  check(R"([{"id":"i","role":"user","timestamp":1.5,"content":[]}])", errc::json_type, "[0].timestamp");
  check(R"([{"id":"i","role":"user","timestamp":1,"content":"x"}])", errc::json_type, "[0].content");
  check(R"([{"id":"i","role":"user","timestamp":1,"content":[],"extra":1}])", errc::json_unknown, "[0].extra");
  check(R"([{"id":"i","role":"user","timestamp":1,"content":[],"metadata":[]}])", errc::json_type, "[0].metadata");
  check(R"([{"id":"i","role":"user","timestamp":1,"content":[],"usage":{"input_tokens":1}}])", errc::json_missing,
        "[0].usage.output_tokens");
  check(R"([{"id":"i","role":"user","timestamp":1,"content":[],"usage":{"input_tokens":-1,"output_tokens":0}}])",
        errc::json_type, "[0].usage.input_tokens");
  check(R"([{"remove":"i","role":"user"}])", errc::json_unknown, "[0].role");
  check(message(R"({"type":"text","text":"a"},{"type":"video","url":"u"})"), errc::json_type, "[0].content[1].type");
  check(message(R"({"text":"a"})"), errc::json_missing, "[0].content[0].type");
  check(message(R"({"type":"text"})"), errc::json_missing, "[0].content[0].text");
  check(message(R"({"type":"text","text":"a","x":1})"), errc::json_unknown, "[0].content[0].x");
  check(message(R"({"type":"image"})"), errc::json_missing, "[0].content[0].url");
  check(message(R"({"type":"image","url":"u","data":"d"})"), errc::json_unknown, "[0].content[0].url");
  check(message(R"({"type":"tool_call","id":"i","name":"n"})"), errc::json_missing, "[0].content[0].arguments");
  check(message(R"({"type":"tool_result","call_id":"i"})"), errc::json_missing, "[0].content[0].text");
  check(message(R"({"type":"tool_result","call_id":"i","text":"t","is_error":1})"), errc::json_type,
        "[0].content[0].is_error");
  CHECK_THROWS_AS(af::to_json_text(af::Message::user("\xff")), af::json_error);
  CHECK_THROWS_AS(af::to_json_text(static_cast<af::Role>(9)), af::json_error);
}

TEST_CASE("mutilated messages give messages or a json_error, nothing else") {
  std::mt19937_64 random(11);
  const std::string original = af::to_json_text(std::vector<af::Message>{
      af::Message(af::Role::assistant, every_block()).with_usage(af::TokenUsage(1, 2)), af::Message::remove("x")});
  const std::string_view splices[] = {"null", "1", "\"\"", "[]", "{}", "text", ",", "-1", "1e9"};
  int read = 0;
  for (int i = 0; i < 8'000; ++i) {
    std::string text = original;
    const std::size_t at = random() % text.size();
    switch (random() % 4) {
      case 0: text[at] = static_cast<char>(random()); break;
      case 1: text.insert(at, splices[random() % std::size(splices)]); break;
      case 2: text.erase(at, random() % 8); break;
      default: {  // one value for another
        const std::size_t end = text.find_first_of(",}]", at);
        const std::size_t start = text.find_last_of(":[,", at);
        if (end != text.npos && start != text.npos && start < end)
          text.replace(start + 1, end - start - 1, splices[random() % std::size(splices)]);
      }
    }
    try {
      const auto messages = af::from_json_text<std::vector<af::Message>>(text);
      ++read;
      REQUIRE(af::from_json_text<std::vector<af::Message>>(af::to_json_text(messages)) == messages);
    } catch (const af::json_error&) {
    }
  }
  CHECK(read > 200);
}

TEST_CASE("roles and usage") {
  for (const af::Role role : {af::Role::system, af::Role::user, af::Role::assistant, af::Role::tool})
    CHECK(af::parse_role(to_string(role)) == role);
  CHECK_FALSE(af::parse_role("developer"));
  CHECK_FALSE(af::parse_role(""));
  af::TokenUsage sum(1, 2, 3, 4);
  sum += af::TokenUsage(10, 20, 30, 40);
  CHECK(sum == af::TokenUsage(11, 22, 33, 44));
}

TEST_CASE("messages print for people") {
  CHECK(shown(af::Message::user("hi").with_name("ann")) == "user (ann): hi");
  CHECK(shown(af::Message::remove("m1")) == "remove m1");
  std::string all;
  for (const auto& block : every_block()) all += shown(block) + "\n";
  CHECK(all ==
        "\nh\xc3\xa9llo \"\n\n[image https://x.test/a.png]\n[image image/png, 4 bytes of base64]\n[audio "
        "https://x.test/a.ogg]\n"
        "[document A title application/pdf, 4 bytes of base64]\n[document file]\n[data null]\n[data {\"a\":[1,null]}]\n"
        "[tool_call weather {\"city\":\"Rome\"}]\n[tool_call now null]\n[tool_result sunny]\n[tool_result ]\n"
        "[tool_result error: broken]\n[tool_result \"text as JSON\"]\n[tool_result [1]]\n[reasoning "
        "because]\n[reasoning ]\n"
        "[error refused: no]\n");
}
