// SPDX-License-Identifier: MIT
// JSON documents: parsing hostile text, writing, reading with paths.
#include <agentflow/core/json.hpp>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include "core/json_failure.hpp"
#include "support/catch.hpp"
#include "support/json_reference.hpp"

namespace {

using agentflow::errc;
using agentflow::json_error;
using agentflow::JsonKind;
using agentflow::JsonReader;
using agentflow::JsonValue;
using agentflow::JsonWriter;
using nlohmann::json;

using json_test::contains;
using json_test::Failure;
using json_test::failure_of;
using json_test::repeated;

Failure parse_failure(std::string_view text) {
  return failure_of([&] { JsonValue::parse(text); });
}

template <class F>
std::string written(F&& fn) {
  JsonWriter out;
  fn(out);
  return std::move(out).take();
}

template <class T>
concept MakesJsonValue = requires(T&& v) { JsonValue(static_cast<T&&>(v)); };

// JsonValue takes a json and nothing that converts to one; a reader of a temporary would dangle.
static_assert(MakesJsonValue<json> && MakesJsonValue<const json&> && MakesJsonValue<json&>);
static_assert(!MakesJsonValue<const char*> && !MakesJsonValue<int> && !MakesJsonValue<std::string>);
static_assert(!std::is_convertible_v<json, JsonValue>);
static_assert(!std::is_constructible_v<JsonReader, JsonValue> && std::is_constructible_v<JsonReader, const JsonValue&>);
static_assert(std::is_nothrow_default_constructible_v<JsonValue> && sizeof(JsonValue) == 2 * sizeof(void*));

json random_json(std::mt19937_64& random, int depth) {
  const auto pick = [&](std::uint64_t n) { return random() % n; };
  const auto text = [&] {
    static const std::vector<std::string> parts = {"a",
                                                   "\"",
                                                   "\\",
                                                   "\n",
                                                   "\x01",
                                                   "\x7f",
                                                   "/",
                                                   "\xc3\xa9",
                                                   "\xe2\x82\xac",
                                                   "\xf0\x9f\x98\x80",
                                                   std::string(1, '\0'),
                                                   "plain ascii text",
                                                   "\xed\x9f\xbf"};
    std::string s;
    for (std::uint64_t i = pick(6); i > 0; --i) s += parts[pick(parts.size())];
    return s;
  };
  switch (pick(depth > 0 ? 8 : 6)) {
    case 0: return nullptr;
    case 1: return pick(2) == 0;
    case 2: return static_cast<std::int64_t>(random());
    case 3: return random();
    case 4: {
      double d = 0;
      const std::uint64_t bits = random();
      std::memcpy(&d, &bits, sizeof d);
      return std::isfinite(d) ? d : 0.5;
    }
    case 5: return text();
    case 6: {
      json array = json::array();
      for (std::uint64_t i = pick(5); i > 0; --i) array.push_back(random_json(random, depth - 1));
      return array;
    }
    default: {
      json object = json::object();
      for (std::uint64_t i = pick(5); i > 0; --i) object[text()] = random_json(random, depth - 1);
      return object;
    }
  }
}

}  // namespace

TEST_CASE("a JsonValue holds what was parsed and shares it") {
  const JsonValue v = JsonValue::parse(R"( {"a":[1,-2,3.5,"x",true,null],"b":{}} )");
  CHECK(v.dump() == R"({"a":[1,-2,3.5,"x",true,null],"b":{}})");
  CHECK(v.dump(1) == "{\n \"a\": [\n  1,\n  -2,\n  3.5,\n  \"x\",\n  true,\n  null\n ],\n \"b\": {}\n}");
  const JsonValue copy = v;
  CHECK(&copy.get() == &v.get());
  CHECK(copy == v);
  CHECK(v == JsonValue(json::parse(v.dump())));
  CHECK_FALSE(v == JsonValue());
  CHECK(JsonValue::parse("1") == JsonValue(json(1.0)));
}

TEST_CASE("null takes no document, however it comes") {
  for (const JsonValue& v : {JsonValue(), JsonValue::parse("null"), JsonValue(json()), JsonValue(json(nullptr))}) {
    CHECK(v.is_null());
    CHECK(v.get().is_null());
    CHECK(v.dump() == "null");
    CHECK(v == JsonValue());
  }
  JsonValue moved = JsonValue::parse("[1]");
  const JsonValue to = std::move(moved);
  CHECK(moved.is_null());
  CHECK(to.dump() == "[1]");
}

TEST_CASE("texts that are not JSON are refused, with the byte") {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "[",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "nul",
                                      "truee",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "-",
                                      "1e",
                                      "NaN",
                                      "Infinity",
                                      "-inf",
                                      "'a'",
                                      "\"a",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00x\"",
                                      "\"\t\"",
                                      "1 2",
                                      "[1] x",
                                      "// c\n1",
                                      "/* c */1",
                                      "[1 2]",
                                      "}",
                                      "]",
                                      "\"a\nb\"",
                                      "{\"a\":1 \"b\":2}",
                                      "{1:2}"}) {
    const Failure f = parse_failure(text);
    INFO(text << " -> " << f.text);
    CHECK(f.code == errc::json_syntax);
    CHECK(contains(f.text, "at byte "));
  }
  CHECK(contains(parse_failure("[1,x]").text, "at byte 3"));
  CHECK(contains(parse_failure("[").text, "at byte 1"));
  CHECK(contains(parse_failure("[1]]").text, "at byte 3"));
}

TEST_CASE("what other parsers let pass is refused too") {
  SECTION("a key twice, at any level, also when escapes hide it") {
    const Failure f = parse_failure(R"({"x":1,"\u0078":2})");
    CHECK(f.code == errc::json_syntax);
    CHECK(contains(f.text, R"(the key "x" stands twice)"));
    CHECK(contains(f.text, "at byte 7"));
    CHECK(parse_failure(R"([{"a":{"b":1,"c":{},"b":{}}}])").code == errc::json_syntax);
    CHECK(JsonValue::parse(R"({"a":{"a":{"a":1}}})").dump() == R"({"a":{"a":{"a":1}}})");
  }
  SECTION("integers past 64 bits and numbers past double") {
    CHECK(JsonValue::parse("18446744073709551615").get() == std::numeric_limits<std::uint64_t>::max());
    CHECK(JsonValue::parse("-9223372036854775808").get() == std::numeric_limits<std::int64_t>::min());
    for (const std::string_view text :
         {"18446744073709551616", "-9223372036854775809", "[1e400]", "-1e400", "100000000000000000000000000000000"}) {
      INFO(text);
      CHECK(parse_failure(text).code == errc::json_type);
      CHECK(contains(parse_failure(text).text, "at byte "));
    }
    CHECK(JsonValue::parse("18446744073709551616.0").get().is_number_float());
    CHECK(parse_failure(repeated("9", 100'000)).code == errc::json_type);
  }
  SECTION("a NUL ends nothing") {
    CHECK(parse_failure(std::string_view("1\0", 2)).code == errc::json_syntax);
    CHECK(parse_failure(std::string_view("{}\0garbage", 10)).code == errc::json_syntax);
    CHECK(JsonValue::parse("\"\\u0000\"").get().get<std::string>() == std::string(1, '\0'));
  }
  SECTION("bytes that are not UTF-8, in strings, keys and between") {
    for (const std::string_view text : {"\"\x80\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
                                        "{\"\xff\":1}", "\"\xe2\x82\"", "[1,\xfe]"}) {
      CHECK(parse_failure(text).code == errc::json_encoding);
    }
    CHECK(contains(parse_failure("[\"abc\xff\"]").text, "at byte 5"));
  }
}

TEST_CASE("depth is bounded at 128, without recursion") {
  const auto nested = [](std::size_t n) { return repeated("[", n) + repeated("]", n); };
  CHECK(JsonValue::parse(nested(128)).dump() == nested(128));
  CHECK(parse_failure(nested(129)).code == errc::json_limit);
  CHECK(parse_failure(nested(100'000)).code == errc::json_limit);
  CHECK(parse_failure(repeated("[", 1'000'000)).code == errc::json_limit);
  CHECK(parse_failure(repeated("{\"a\":", 1'000'000)).code == errc::json_limit);
  CHECK(parse_failure(repeated("[{\"a\":", 100'000)).code == errc::json_limit);

  CHECK(JsonValue(json::parse(nested(128))).dump() == nested(128));
  CHECK(failure_of([&] { JsonValue v(json::parse(nested(129))); }).code == errc::json_limit);
  json deep;
  for (int i = 0; i < 100'000; ++i) {
    json outer = json::array();
    outer.push_back(std::move(deep));
    deep = std::move(outer);
  }
  const Failure copied = failure_of([&] { JsonValue v(deep); });
  CHECK(copied.code == errc::json_limit);
  CHECK(copied.path.substr(0, 6) == "[0][0]");
  CHECK(failure_of([&] { JsonValue v(std::move(deep)); }).code == errc::json_limit);
}

TEST_CASE("length is bounded") {
  CHECK(failure_of([] { JsonValue::parse("[1,2]", 4); }).code == errc::json_limit);
  CHECK(JsonValue::parse("[1,2]", 5).dump() == "[1,2]");
  CHECK(parse_failure(std::string(JsonValue::default_max_bytes + 1, ' ')).code == errc::json_limit);
}

TEST_CASE("a JsonValue cannot hold what is not JSON") {
  const auto failure = [](json v) { return failure_of([&] { JsonValue made(v); }); };
  const Failure nan = failure(json{{"a", {1, 2, {{"odd key", std::nan("")}}}}});
  CHECK(nan.code == errc::json_encoding);
  CHECK(nan.path == R"(a[2]["odd key"])");
  CHECK(failure(json(std::numeric_limits<double>::infinity())).code == errc::json_encoding);
  CHECK(failure(json("\xff")).code == errc::json_encoding);
  CHECK(failure(json{{"\xc3", 1}}).code == errc::json_encoding);
  CHECK(failure(json::binary({1, 2})).code == errc::json_type);
  CHECK(failure(json(json::value_t::discarded)).code == errc::json_type);
}

TEST_CASE("the reader reads, and its errors have the path") {
  const JsonValue doc = JsonValue::parse(
      R"({"s":"text","n":-5,"u":18446744073709551615,"d":2.5,"b":true,"z":null,"l":[[1],[2,{"k k":[0,"deep"]}]]})");
  const JsonReader r(doc);
  CHECK(r.kind() == JsonKind::object);
  CHECK(r.size() == 7);
  CHECK(r.at("s").as_string() == "text");
  CHECK(r.at("n").as_int64() == -5);
  CHECK(r.at("u").as_uint64() == std::numeric_limits<std::uint64_t>::max());
  CHECK(r.at("d").as_double() == 2.5);
  CHECK(r.at("n").as_double() == -5.0);
  CHECK(r.at("b").as_bool());
  CHECK(r.at("z").is_null());
  CHECK(r.at("l").elements() == 2);
  CHECK_FALSE(r.find("none"));
  CHECK(r.find("z")->path() == "z");
  CHECK(r.path().empty());

  const JsonReader deep = r.at("l").at(1).at(1).at("k k").at(1);
  CHECK(deep.path() == R"(l[1][1]["k k"][1])");
  CHECK(r.value() == doc);
  const JsonValue part = r.at("l").at(1).value();
  CHECK(part.dump() == R"([2,{"k k":[0,"deep"]}])");

  std::string seen;
  r.for_each_member([&seen](std::string_view key, JsonReader member) {
    seen += key;
    seen += to_string(member.kind());
    seen += ' ';
  });
  CHECK(seen == "ba boolean da number with a fraction lan array nan integer sa string uan integer znull ");

  const auto failure = [&](auto fn) { return failure_of([&] { fn(); }); };
  CHECK(failure([&] { deep.as_int64(); }).code == errc::json_type);
  CHECK(failure([&] { deep.as_int64(); }).path == deep.path());
  CHECK(failure([&] { deep.as_int64(); }).text == "expected an integer, found a string");
  CHECK(failure([&] { r.at("d").as_int64(); }).code == errc::json_type);
  CHECK(failure([&] { r.at("u").as_int64(); }).code == errc::json_type);
  CHECK(failure([&] { r.at("n").as_uint64(); }).code == errc::json_type);
  CHECK(failure([&] { r.at("n").as_int64(0, 10); }).code == errc::json_type);
  CHECK(failure([&] { r.at("u").as_uint64(255); }).code == errc::json_type);
  CHECK(failure([&] { r.at("s").as_bool(); }).code == errc::json_type);
  CHECK(failure([&] { r.at("s").as_double(); }).code == errc::json_type);
  CHECK(failure([&] { r.at("n").as_string(); }).code == errc::json_type);
  CHECK(failure([&] { r.at("n").size(); }).code == errc::json_type);
  CHECK(failure([&] { r.elements(); }).code == errc::json_type);
  CHECK(failure([&] { r.at(0); }).code == errc::json_type);
  CHECK(failure([&] { r.at("l").find("x"); }).code == errc::json_type);
  CHECK(failure([&] { r.at("l").at("x"); }).code == errc::json_type);
  CHECK(failure([&] { r.at("s").for_each_member([](std::string_view, JsonReader) {}); }).code == errc::json_type);
  CHECK(failure([&] { r.at("l").at(2); }).code == errc::json_missing);
  CHECK(failure([&] { r.at("l").at(2); }).path == "l");
  CHECK(failure([&] { r.at("l").at(1).at(1).at("no"); }).code == errc::json_missing);
  CHECK(failure([&] { r.at("l").at(1).at(1).at("no"); }).path == "l[1][1].no");
  CHECK(failure([&] { r.at("l").require_elements(3); }).code == errc::json_type);
}

TEST_CASE("long names do not make long errors") {
  const std::string name(100'000, 'n');
  const JsonValue doc = JsonValue::parse("{\"" + name + "\":1}");
  const Failure f = failure_of([&] { JsonReader(doc).at(name).as_string(); });
  CHECK(f.path.size() < 100);
  CHECK(parse_failure("{\"" + name + "\":1,\"" + name + "\":2}").text.size() < 200);
  CHECK(parse_failure("[\"" + name).text.size() < 200);
}

TEST_CASE("random documents survive writing and parsing") {
  std::mt19937_64 random(20240521);
  for (int i = 0; i < 2'000; ++i) {
    const json original = random_json(random, 5);
    const JsonValue value(original);
    const std::string text = written([&](JsonWriter& w) { w.value(value); });
    const JsonValue back = JsonValue::parse(text);
    REQUIRE(back.get() == original);
    REQUIRE(JsonValue::parse(value.dump(2)) == value);
    REQUIRE(written([&](JsonWriter& w) { w.value(back); }) == text);
  }
}

TEST_CASE("texts at the edges are read as nlohmann reads them") {
  const std::string members = [] {
    std::string text = "{";
    for (int i = 40; i > 0; --i) text += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + (i > 1 ? "," : "}");
    return text;
  }();
  for (const std::string& text : std::vector<std::string>{"-0",
                                                          "[-0.0]",
                                                          "0e0",
                                                          "1E+2",
                                                          "5e-324",
                                                          "1e-400",
                                                          "-1e-999",
                                                          "2.2250738585072011e-308",
                                                          "0.1e1",
                                                          "1.7976931348623157e308",
                                                          "1.7976931348623159e308",
                                                          "123456789012345678901234567890.0",
                                                          "9007199254740993.0",
                                                          "18446744073709551615",
                                                          "-9223372036854775808",
                                                          "0x10",
                                                          "1_0",
                                                          "00",
                                                          "-01",
                                                          "1.e1",
                                                          "1e+",
                                                          "1.0.0",
                                                          R"("\u0000\u007F\u0080\u07ff\u0800\uFFFF")",
                                                          R"("\ud83d\ude00")",
                                                          R"("\ud83d\u0041")",
                                                          R"("\ud83d\n")",
                                                          R"("\ud83d\ud83d")",
                                                          R"("\ude00")",
                                                          R"("\u12g4")",
                                                          R"("\u 123")",
                                                          R"("\u+123")",
                                                          R"("\"\\\/\b\f\n\r\t")",
                                                          R"("seven..\n")",
                                                          R"("\neight...")",
                                                          "\"\x7f\"",
                                                          "\"\xc2\x80\xef\xbf\xbf\"",
                                                          "\"tail\\",
                                                          "\"tail\\u",
                                                          "\"\\u00",
                                                          "\xef\xbb\xbf[1]",
                                                          "\xef\xbb\xbf",
                                                          "\xef\xbb[1]",
                                                          " \t\r\n[ ] ",
                                                          "\f[]",
                                                          "[\xc2\xa0]",
                                                          "nulll",
                                                          "tru",
                                                          "f",
                                                          "[1,,2]",
                                                          "[,1]",
                                                          "{,}",
                                                          R"({"a":1,,"b":2})",
                                                          R"({"a" "b"})",
                                                          R"({"":{"":[]}})",
                                                          R"({"a":1,"a":2)",
                                                          members}) {
    INFO(text);
    CHECK(json_reference::difference(text) == "");
  }
  const JsonValue many = JsonValue::parse(members);
  for (int i = 1; i <= 40; ++i) CHECK(JsonReader(many).at("k" + std::to_string(i)).as_int64() == i);
  CHECK_FALSE(JsonReader(many).find("k"));
  CHECK_FALSE(JsonReader(many).find("k41"));
}

TEST_CASE("one document may be asked for its other form by many threads") {
  for (int round = 0; round < 50; ++round) {
    const JsonValue parsed = JsonValue::parse(R"({"a":[1,{"b":"c"}]})"), made(json{{"a", {1, {{"b", "c"}}}}});
    std::vector<std::thread> threads;
    std::atomic<int> right = 0;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        right += parsed.get().at("a").at(1).at("b") == "c" && &parsed.get() == &parsed.get();
        right += JsonReader(made).at("a").at(1).at("b").as_string() == "c";
      });
    for (auto& t : threads) t.join();
    REQUIRE(right == 8);
  }
}

TEST_CASE("a part of a document is a document of its own") {
  JsonValue part;
  {
    const JsonValue whole =
        JsonValue::parse(R"([0,{"long key with \u00e9":["long enough to be no small string",-1,2.5,{}]}])");
    part = JsonReader(whole).at(1).value();
    CHECK(JsonReader(whole).at(std::size_t{0}).value() == JsonValue::parse("0"));
  }
  CHECK(part.dump() == "{\"long key with \xc3\xa9\":[\"long enough to be no small string\",-1,2.5,{}]}");
  CHECK(JsonReader(part).at("long key with \xc3\xa9").at(1).path() == "[\"long key with \xc3\xa9\"][1]");
}

TEST_CASE("mutilated texts give what nlohmann gives, or a json_error") {
  std::mt19937_64 random(7);
  const std::vector<std::string> splices = {"[",
                                            "]",
                                            "{",
                                            "}",
                                            "\"",
                                            "\\",
                                            ",",
                                            ":",
                                            "\\ud800",
                                            "1e999",
                                            "\xff",
                                            "\xe2\x82",
                                            "null",
                                            "-",
                                            "0",
                                            std::string(1, '\0'),
                                            "\"a\":",
                                            "[[[[[[[[",
                                            "9999999999999999999999"};
  int parsed = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = random_json(random, 3).dump();
    for (std::uint64_t n = random() % 4; n > 0; --n) {
      const std::size_t at = random() % (text.size() + 1);
      switch (random() % 4) {
        case 0: text.resize(at); break;
        case 1: text.insert(at, splices[random() % splices.size()]); break;
        case 2: text.erase(at, random() % 5); break;
        default:
          if (at < text.size()) text[at] = static_cast<char>(random());
      }
    }
    INFO(text);
    REQUIRE(json_reference::difference(text) == "");
    parsed += json_reference::ours(text).has_value() ? 1 : 0;
  }
  CHECK(parsed > 1'000);
}
