// SPDX-License-Identifier: MIT
// JSON Schema: the official suite of draft 7, messages a model can act on, hostile schemas and values.
#include <agentflow/core/json_schema.hpp>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <agentflow/core/json.hpp>

#include "support/catch.hpp"

namespace {

namespace af = agentflow;
using af::errc;
using af::JsonSchema;
using af::JsonValue;
using nlohmann::json;

JsonSchema schema(std::string_view text) { return JsonSchema(JsonValue::parse(text)); }

std::string complaint(std::string_view schema_text, std::string_view value) {
  return af::to_string(schema(schema_text).issues(JsonValue::parse(value)));
}

errc refusal(const std::string& text) {
  try {
    schema(text);
  } catch (const af::schema_error& e) {
    return e.code();
  }
  return errc::internal;
}

bool matches(const std::string& pattern, const std::string& text) {
  return JsonSchema(JsonValue(json{{"pattern", pattern}})).accepts(JsonValue(json(text)));
}

/// A schema in a schema in a schema.
std::string nested(int depth) {
  std::string text = "true";
  for (int i = 0; i < depth; ++i) text = R"({"not":)" + text + "}";
  return text;
}

}  // namespace

TEST_CASE("The official suite of draft 7 is judged right") {
  namespace fs = std::filesystem;
  const fs::path folder = "/usr/share/json-schema-test-suite/tests/draft7";
  if (!fs::exists(folder)) {
    std::cout << "SKIPPED: " << folder << " is not there; the Debian package is json-schema-test-suite\n";
    return;
  }
  int right = 0, wrong = 0, unsupported = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream in(entry.path());
    for (const json& group : json::parse(in)) {
      const int tests = static_cast<int>(group["tests"].size());
      try {
        const JsonSchema judged{JsonValue(group["schema"])};
        for (const json& test : group["tests"]) {
          const bool ok = judged.accepts(JsonValue(test["data"])) == test["valid"].get<bool>();
          ++(ok ? right : wrong);
          if (!ok)
            std::cout << "wrong: " << entry.path().filename() << ": " << group["description"] << ": "
                      << test["description"] << "\n";
        }
      } catch (const af::schema_error& e) {
        CHECK(e.code() == errc::schema_unsupported);
        unsupported += tests;
      }
    }
  }
  std::cout << "JSON Schema, draft 7: " << right << " right, " << wrong << " wrong, " << unsupported
            << " unsupported\n";
  CHECK(wrong == 0);
  CHECK(right >= 390);
  CHECK(unsupported <= 35);
}

TEST_CASE("A schema says what is wrong, and where") {
  const auto text = R"({
    "type": "object",
    "properties": {
      "city": {"type": "string", "minLength": 1},
      "days": {"type": "integer", "minimum": 1, "maximum": 14},
      "unit": {"enum": ["celsius", "fahrenheit"]},
      "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": true, "maxItems": 3}
    },
    "required": ["city", "days"],
    "additionalProperties": false
  })";
  CHECK(complaint(text, R"({"city": "Rome", "days": 3})") == "");
  CHECK(complaint(text, R"({"days": 20, "unit": "kelvin"})") ==
        "/days: must be at most 14, and is 20\n"
        "/unit: must be one of \"celsius\", \"fahrenheit\", and is \"kelvin\"\n"
        "/city: is required, and is missing");
  CHECK(complaint(text, R"({"city": "", "days": "3", "town": 1})") ==
        "/town: is not known; known are city, days, tags, unit\n"
        "/city: must have at least 1 characters, and has 0\n"
        "/days: must be integer, and is string");
  CHECK(complaint(text, R"({"city": "R", "days": 1, "tags": ["a", 2, "a", "b"]})") ==
        "/tags/1: must be string, and is integer\n"
        "/tags: must have at most 3 elements, and has 4\n"
        "/tags: has \"a\" more than once");
  CHECK(complaint(text, "[]") == "the value: must be object, and is array");
  CHECK(complaint(R"({"properties": {"a/b~": {"type": "null"}}})", R"({"a/b~": 1})") ==
        "/a~1b~0: must be null, and is integer");
}

TEST_CASE("Of several alternatives the closest one is explained") {
  const auto text = R"({"anyOf": [
    {"type": "object", "properties": {"x": {"type": "object", "properties": {"y": {"type": "integer"}}}}},
    {"type": "string"}
  ]})";
  CHECK(complaint(text, R"({"x": {"y": "no"}})") ==
        "the value: fits none of the 2 alternatives; the closest one says:\n/x/y: must be integer, and is string");
  CHECK(complaint(text, "5") == "the value: fits none of the 2 alternatives");
  CHECK(complaint(R"({"oneOf": [{"type": "integer"}, {"minimum": 2}]})", "5") ==
        "the value: fits 2 of the 2 alternatives, and must fit just one");
}

TEST_CASE("Issues carry their keyword, and require() throws them") {
  const auto s = schema(R"({"required": ["a"]})");
  const auto issues = s.issues(JsonValue::parse("{}"));
  REQUIRE(issues.size() == 1);
  CHECK(issues[0] == af::SchemaIssue("/a", "required", "is required, and is missing"));
  try {
    s.require(JsonValue::parse("{}"));
    FAIL("must throw");
  } catch (const af::schema_error& e) {
    CHECK(e.code() == errc::schema_mismatch);
    CHECK(e.issues() == issues);
    CHECK(std::string(e.what()) == "SCHEMA_003: the value does not fit its schema:\n/a: is required, and is missing");
  }
  CHECK_NOTHROW(s.require(JsonValue::parse(R"({"a": 1})")));
}

TEST_CASE("At most sixteen issues are listed") {
  json many = json::array();
  for (int i = 0; i < 100; ++i) many.push_back(i);
  CHECK(schema(R"({"items": {"type": "string"}})").issues(JsonValue(many)).size() == JsonSchema::max_issues);
}

TEST_CASE("The keywords of 2020-12 that tools use") {
  CHECK(complaint(R"({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}})", R"(["a", 1, "b"])") ==
        "/2: must be integer, and is string");
  CHECK(complaint(R"({"dependentRequired": {"a": ["b"]}})", R"({"a": 1})") ==
        "/b: is required when a is given, and is missing");
  // In draft 7 what stands beside a reference is ignored; later drafts count it.
  const std::string beside = R"("$ref": "#/$defs/n", "maximum": 3, "$defs": {"n": {"type": "integer"}}})";
  CHECK(complaint("{" + beside, "5") == "");
  CHECK(complaint(R"({"$schema": "https://json-schema.org/draft/2020-12/schema", )" + beside, "5") ==
        "the value: must be at most 3, and is 5");
}

TEST_CASE("A format is asked of a function, or ignored") {
  const auto document = JsonValue::parse(R"({"format": "even"})");
  CHECK(JsonSchema(document).accepts(JsonValue(json("abc"))));
  const JsonSchema strict(document, [](std::string_view format, std::string_view text) {
    return format != "even" || text.size() % 2 == 0;
  });
  CHECK(strict.accepts(JsonValue(json("ab"))));
  CHECK(af::to_string(strict.issues(JsonValue(json("abc")))) == "the value: must be a even");
}

TEST_CASE("Schemas that are wrong are refused, with the place") {
  for (const char* text :
       {R"({"type": "strin"})", R"({"minimum": "1"})", R"({"required": "a"})", R"({"minLength": -1})",
        R"({"properties": []})", R"({"items": 5})", R"({"anyOf": []})", R"({"multipleOf": 0})", R"({"pattern": "("})",
        R"({"$ref": "#/nowhere"})", R"({"enum": 1})", "5", R"({"not": []})", R"({"dependencies": {"a": [1]}})",
        R"({"$ref": 1})", R"({"patternProperties": {"[": {}}})"})
    CHECK(refusal(text) == errc::schema_invalid);
  try {
    schema(R"({"properties": {"a/b": {"items": {"type": "strin"}}}})");
    FAIL("must throw");
  } catch (const af::schema_error& e) {
    CHECK(e.message() ==
          "the schema is no good at '#/properties/a~1b/items/type': must be null, boolean, integer, number, string, "
          "array or object, or an array of these");
  }
}

TEST_CASE("What is not supported is refused, never fetched") {
  for (const char* text :
       {R"({"$ref": "http://localhost/x.json"})", R"({"$ref": "other.json#/a"})", R"({"$ref": "file:///etc/passwd"})",
        R"({"$ref": "#name", "definitions": {"a": {"$id": "#name"}}})", R"x({"pattern": "(?=a)"})x",
        R"x({"pattern": "(a)\\1"})x", R"({"pattern": "\\p{L}"})",
        R"({"properties": {"a": {"$id": "http://x/", "items": {"$ref": "#/b"}}}})"})
    CHECK(refusal(text) == errc::schema_unsupported);
}

TEST_CASE("Hostile schemas and values come to an end") {
  CHECK_NOTHROW(schema(nested(64)));
  CHECK(refusal(nested(65)) == errc::schema_invalid);
  json wide = json::object();
  for (int i = 0; i < 10'001; ++i) wide["p" + std::to_string(i)] = true;
  CHECK(refusal(json{{"properties", wide}}.dump()) == errc::schema_invalid);

  const std::string limit = "the value: is too large or nests too deeply to be checked against its schema";
  CHECK(complaint(R"({"$ref": "#"})", "1") == limit);
  CHECK(complaint(R"({"allOf": [{"$ref": "#"}, {"$ref": "#"}]})", "1") == limit);
  CHECK(complaint(R"({"not": {"$ref": "#"}})", "1") == limit);
  // Each level doubles the work: 2^60 steps, were they all taken.
  json doubling = {{"$ref", "#/definitions/d0"}, {"definitions", json::object()}};
  for (int i = 0; i < 60; ++i) {
    const json next = {{"$ref", "#/definitions/d" + std::to_string(i + 1)}};
    doubling["definitions"]["d" + std::to_string(i)] = {{"allOf", json::array({next, next})}};
  }
  doubling["definitions"]["d60"] = true;
  CHECK(complaint(doubling.dump(), "1") == limit);
  // Patterns that take a back-tracking engine for ever.
  CHECK_FALSE(matches("^(a+)+$", std::string(5'000, 'a') + "b"));
  CHECK_FALSE(matches("^(a|a)*$", std::string(5'000, 'a') + "b"));
  CHECK(complaint(R"({"pattern": "(a{0,20}){0,20}b"})", json(std::string(100'000, 'a')).dump()) == limit);
  CHECK(refusal(R"({"pattern": "((a{1000}){1000}){1000}"})") == errc::schema_invalid);
  CHECK(refusal(json{{"pattern", std::string(100, '(') + std::string(100, ')')}}.dump()) == errc::schema_invalid);
  // A value as deep as values may be, under a schema that follows it down.
  std::string deep = "1";
  for (int i = 0; i < af::max_json_depth; ++i) deep = "[" + deep + "]";
  CHECK(complaint(R"({"items": {"$ref": "#"}})", deep) == "");
}

TEST_CASE("Patterns are those of ECMA-262, over code points") {
  CHECK(matches("b", "abc"));
  CHECK_FALSE(matches("^b", "abc"));
  CHECK(matches("^a.c$", "abc"));
  CHECK(matches("^.$", "\u00e9"));
  CHECK_FALSE(matches("^a.c$", "a\nc"));
  CHECK(matches("^[a-c_]+$", "abc_"));
  CHECK_FALSE(matches("^[^a-c]$", "b"));
  CHECK(matches("^[^]$", "b"));
  CHECK_FALSE(matches("[]", "b"));
  CHECK(matches(R"(^[\w.-]+@\w+\.[a-z]{2,3}$)", "a.b-c@host.org"));
  CHECK_FALSE(matches(R"(^[\w.-]+@\w+\.[a-z]{2,3}$)", "a.b-c@host.o"));
  CHECK(matches(R"(^\d{3}-\d{4}$)", "555-1234"));
  CHECK_FALSE(matches(R"(^\d{3}-\d{4}$)", "555-12345"));
  CHECK(matches("^(?:yes|no|)$", ""));
  CHECK(matches("^(yes|no)$", "no"));
  CHECK_FALSE(matches("^(yes|no)$", "yesno"));
  CHECK(matches("^a{0}b{1,}$", "bbb"));
  CHECK(matches("^a{,3}$", "a{,3}"));
  CHECK(matches("^ab*?c+?d??$", "abbcc"));
  CHECK(matches(R"(\bword\b)", "a word here"));
  CHECK_FALSE(matches(R"(\bword\b)", "swords"));
  CHECK(matches("^\\u00e9\\x41\\u{1F600}\\ud83d\\ude00$", "\u00e9A\U0001F600\U0001F600"));
  CHECK(matches(R"(^\S+\s\S+$)", "a\u00a0b"));
  CHECK(matches(R"([\d\-x]{3}$)", "-x5"));
  CHECK(matches("^(?<year>[0-9]+)$", "2026"));
  CHECK(matches("(a*)*$", "aaa"));
  CHECK(matches("(^a|b$)", "cb"));
  for (const char* bad : {"*a", "a**", "a{2}{3}", "[b-a]", "(", ")", "[", "\\", "a{3,2}", R"(\x1)", R"(\u{110000})"})
    CHECK(refusal(json{{"pattern", bad}}.dump()) == errc::schema_invalid);
}
