// SPDX-License-Identifier: MIT
// Server-sent events in any pieces.
#include <agentflow/http/sse.hpp>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <agentflow/http/http_error.hpp>

#include "support/catch.hpp"

namespace af = agentflow;
using af::http::SseEvent;
using af::http::SseParser;

namespace {

SseEvent event(std::string data, std::string type = {}, std::string id = {}) {
  SseEvent e;
  e.data = std::move(data);
  e.event = std::move(type);
  e.id = std::move(id);
  return e;
}

void drain(SseParser& parser, std::vector<SseEvent>& out) {
  while (auto e = parser.next()) out.push_back(std::move(*e));
}

std::vector<SseEvent> parse(const std::vector<std::string_view>& pieces) {
  SseParser parser;
  std::vector<SseEvent> out;
  for (const auto piece : pieces) {
    parser.feed(piece);
    drain(parser, out);
  }
  return out;
}

std::string with_ends(std::string_view text, std::string_view end) {
  std::string out;
  for (const char c : text) c == '\n' ? out.append(end) : out.append(1, c);
  return out;
}

// Comments, several lines, no space, no value, empty data, unknown fields, an id, an event without data, and a rest.
const std::string_view sample =
    ": hello\n\n"
    "data: one\n\n"
    "event: two\ndata:2a\ndata:  2b\ndata\nid: 7\nretry: 10\nunknown: x\n\n"
    "data:\n\n"
    "event: nothing\n\n"
    "data: {\"a\":\"\xC3\xA4: b\"}\nevent:last\n\n"
    "data: never finished\n";
const std::vector<SseEvent> expected = {event("one"), event("2a\n 2b\n", "two", "7"), event("", "", "7"),
                                        event("{\"a\":\"\xC3\xA4: b\"}", "last", "7")};

}  // namespace

TEST_CASE("Events come out the same whatever the line ends and wherever the bytes are split", "[sse]") {
  for (const std::string_view end : {"\n", "\r\n", "\r"}) {
    for (const std::string_view bom : {"", "\xEF\xBB\xBF"}) {
      const std::string text = std::string(bom) + with_ends(sample, end);
      const std::string_view all = text;
      for (std::size_t i = 0; i <= all.size(); ++i)
        if (parse({all.substr(0, i), all.substr(i)}) != expected) FAIL("split at " << i);
      std::vector<std::string_view> bytes;
      for (std::size_t i = 0; i < all.size(); ++i) bytes.push_back(all.substr(i, 1));
      CHECK(parse(bytes) == expected);
      std::mt19937 random(1);
      for (int round = 0; round < 2000; ++round) {
        std::vector<std::string_view> pieces;
        for (std::size_t at = 0; at < all.size();) {
          pieces.push_back(all.substr(at, random() % 20));
          at += pieces.back().size();
        }
        if (parse(pieces) != expected) FAIL("round " << round);
      }
    }
  }
}

TEST_CASE("A rest is known as such, and is no event", "[sse]") {
  SseParser parser;
  parser.feed("data: x\n\n");
  CHECK(parser.next());
  CHECK(!parser.in_the_middle());
  parser.feed("data: y\n");
  CHECK(parser.in_the_middle());
  CHECK(!parser.next());
  parser.feed("\n");
  CHECK(parser.next() == event("y"));
  CHECK(!parser.in_the_middle());
}

TEST_CASE("A byte order mark is one only at the beginning", "[sse]") {
  CHECK(parse({"data: a\n\n\xEF\xBB\xBF"
               "data: b\n\n"}) == std::vector<SseEvent>{event("a")});
}

TEST_CASE("Lines and events are bounded", "[sse]") {
  const auto limit = [](std::size_t line, std::size_t bytes, const std::string& text) {
    SseParser parser(line, bytes);
    try {
      for (const char c : text) parser.feed(std::string_view(&c, 1));
      return std::string();
    } catch (const af::http::http_error& e) {
      CHECK(e.code() == af::errc::http_limit);
      return e.message();
    }
  };
  CHECK(limit(10, 1000, "data: 1234\n\n").empty());
  CHECK(limit(10, 1000, "data: 12345\n\n") == "a line of the event stream is longer than 10");
  // Lines without content cost memory too.
  std::string many;
  for (int i = 0; i < 100; ++i) many += "data\n";
  CHECK(limit(10, 1000, many) == "an event of the stream is longer than 1000");
  many.clear();
  for (int i = 0; i < 100; ++i) many += "data\n\n";
  CHECK(limit(10, 1000, many).empty());
}
