// SPDX-License-Identifier: MIT
// Writing JSON: values, escapes, numbers, calls out of order, UTF-8.
#include <agentflow/core/json_writer.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/json_failure.hpp"
#include "support/catch.hpp"

namespace {

using agentflow::errc;
using agentflow::json_error;
using agentflow::JsonValue;
using agentflow::JsonWriter;
using json_test::contains;
using json_test::Failure;
using json_test::failure_of;
using json_test::repeated;
using nlohmann::json;

template <class F>
std::string written(F&& fn) {
  JsonWriter out;
  fn(out);
  return std::move(out).take();
}

}  // namespace

TEST_CASE("the writer writes values, commas and escapes") {
  CHECK(written([](JsonWriter& w) {
          w.begin_object();
          w.key("a\"\n");
          w.begin_array();
          w.null();
          w.boolean(true);
          w.integer(std::numeric_limits<std::int64_t>::min());
          w.unsigned_integer(std::numeric_limits<std::uint64_t>::max());
          w.string("tab\t quote\" slash/ back\\ bell\x07 \x7f \xe2\x82\xac");
          w.begin_object();
          w.end_object();
          w.value(JsonValue::parse(R"({"k":[1,{}]})"));
          w.end_array();
          w.key("");
          w.number(0.1);
          w.end_object();
        }) ==
        "{\"a\\\"\\n\":[null,true,-9223372036854775808,18446744073709551615,\"tab\\t quote\\\" slash/ back\\\\ "
        "bell\\u0007 "
        "\x7f \xe2\x82\xac\",{},{\"k\":[1,{}]}],\"\":0.1}");
  std::string out = "before ";
  JsonWriter(out).string("x");
  CHECK(out == "before \"x\"");
  JsonWriter own;
  own.begin_array();
  CHECK(own.text() == "[");
}

TEST_CASE("numbers keep their value and their kind") {
  const auto number = [](auto v) { return written([v](JsonWriter& w) { w.number(v); }); };
  CHECK(number(1.0) == "1.0");
  CHECK(number(-0.0) == "-0.0");
  CHECK(number(1e300) == "1e+300");
  CHECK(number(0.1f) == "0.1");
  CHECK(number(5e-324) == "5e-324");
  for (const double v :
       {std::nan(""), std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()})
    CHECK(failure_of([&] { number(v); }).code == errc::json_encoding);
}

TEST_CASE("the writer refuses calls out of order and says where it stands") {
  const auto failure = [](auto fn) { return failure_of([&] { written(fn); }); };
  CHECK(failure([](JsonWriter& w) {
          w.null();
          w.null();
        }).code == errc::json_syntax);
  CHECK(failure([](JsonWriter& w) { w.key("a"); }).code == errc::json_syntax);
  CHECK(failure([](JsonWriter& w) {
          w.begin_array();
          w.key("a");
        }).code == errc::json_syntax);
  CHECK(failure([](JsonWriter& w) {
          w.begin_array();
          w.end_object();
        }).code == errc::json_syntax);
  CHECK(failure([](JsonWriter& w) { w.end_array(); }).code == errc::json_syntax);
  CHECK(failure([](JsonWriter& w) {
          w.begin_object();
          w.null();
        }).code == errc::json_syntax);
  CHECK(failure([](JsonWriter& w) {
          w.begin_object();
          w.key("a");
          w.key("b");
        }).code == errc::json_syntax);
  CHECK(failure([](JsonWriter& w) {
          w.begin_object();
          w.key("a");
          w.end_object();
        }).code == errc::json_syntax);

  const Failure bad = failure([](JsonWriter& w) {
    w.begin_object();
    w.key("first");
    w.null();
    w.key("messages");
    w.begin_array();
    w.null();
    w.begin_object();
    w.key("quo\"te");
    w.begin_object();
    w.key("content");
    w.string("ok \xff");
  });
  CHECK(bad.code == errc::json_encoding);
  CHECK(bad.path == R"(messages[1]["quo\"te"].content)");
  CHECK(contains(bad.text, "at its byte 3"));
  const Failure key = failure([](JsonWriter& w) {
    w.begin_object();
    w.key("a");
    w.begin_object();
    w.key("\xc3");
  });
  CHECK(key.code == errc::json_encoding);
  CHECK(key.path == "a");
  CHECK(failure([](JsonWriter& w) {
          for (int i = 0; i < 129; ++i) w.begin_array();
        }).code == errc::json_limit);
  const JsonValue deep = JsonValue::parse(repeated("[", 128) + repeated("]", 128));
  CHECK(written([&](JsonWriter& w) { w.value(deep); }) == deep.dump());
  CHECK(failure([&](JsonWriter& w) {
          w.begin_array();
          w.value(deep);
        }).code == errc::json_limit);
}

TEST_CASE("UTF-8 is judged as nlohmann's serializer judges it") {
  const std::vector<int> edges = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2,
                                  0xdf, 0xe0, 0xec, 0xed, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
  const auto agree = [](const std::string& text) {
    const bool valid = json(text).dump(-1, ' ', false, json::error_handler_t::ignore) ==
                       json(text).dump(-1, ' ', false, json::error_handler_t::replace);
    JsonWriter out;
    try {
      out.string(text);
      return valid && out.text() == json(text).dump();
    } catch (const json_error& e) {
      return !valid && e.code() == errc::json_encoding;
    }
  };
  std::size_t disagreements = 0;
  for (int a = 0; a < 256; ++a)
    for (const int b : edges)
      for (const int c : edges) {
        const char text[] = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)};
        disagreements += agree(std::string(text, 3)) ? 0u : 1u;
      }
  for (const int a : {0xf0, 0xf1, 0xf4})
    for (const int b : edges)
      for (const int c : edges)
        for (const int d : {0x41, 0x7f, 0x80, 0xbf, 0xc0}) {
          const char text[] = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c), static_cast<char>(d)};
          disagreements += agree(std::string(text, 4)) ? 0u : 1u;
        }
  // Around the eight bytes that are looked at together.
  for (std::size_t at = 0; at < 24; ++at)
    for (int c = 0; c < 256; ++c) {
      std::string text(24, 'x');
      text[at] = static_cast<char>(c);
      disagreements += agree(text) ? 0u : 1u;
    }
  CHECK(disagreements == 0);
}
