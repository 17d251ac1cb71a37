// SPDX-License-Identifier: MIT
// Schemas derived from types, and that they judge as the decoder does.
#include <agentflow/state/schema_of.hpp>

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include <agentflow/core/json_schema.hpp>

#include "support/catch.hpp"

namespace af = agentflow;

namespace schema_of_test {

enum class Unit { celsius, fahrenheit };
AGENTFLOW_ENUM(Unit, celsius, fahrenheit)

struct Place {
  double latitude = 0, longitude = 0;
  bool operator==(const Place&) const = default;
};
AGENTFLOW_PARAMS(Place, latitude, longitude)

struct Weather {
  std::variant<std::string, Place> where;
  std::optional<int> days;
  Unit unit = Unit::celsius;
  std::vector<std::string> tags;
  std::map<std::string, unsigned> weights;
  bool operator==(const Weather&) const = default;
};
AGENTFLOW_PARAMS(Weather, (where, "A city, or a place"), (days, "How many days"), unit, tags, weights)

struct Odd {
  std::tuple<int, bool> pair;
  std::array<double, 3> point;
  std::set<std::string> names;
  af::JsonValue anything;
  std::variant<std::monostate, int> maybe;
};
AGENTFLOW_STATE(Odd, pair, point, names, anything, maybe)

struct Date {
  std::string text;
};
void agentflow_write_schema(af::JsonWriter& out, const Date*) {
  out.key("type");
  out.string("string");
  out.key("format");
  out.string("date");
}

struct Tree {
  std::string name;
  std::vector<Tree> children;
};
AGENTFLOW_STATE(Tree, name, children)

struct OneField {
  int only = 0;
};
AGENTFLOW_PARAMS(OneField, (only, "The only one"))

}  // namespace schema_of_test

using namespace schema_of_test;

TEST_CASE("A described struct gives an object schema with sentences") {
  CHECK(af::schema_of<Weather>().dump() ==
        R"({"additionalProperties":false,"properties":{)"
        R"("days":{"description":"How many days","type":"integer"},)"
        R"("tags":{"items":{"type":"string"},"type":"array"},)"
        R"("unit":{"enum":["celsius","fahrenheit"],"type":"string"},)"
        R"("weights":{"additionalProperties":{"minimum":0,"type":"integer"},"type":"object"},)"
        R"("where":{"anyOf":[{"type":"string"},{"additionalProperties":false,"properties":{)"
        R"("latitude":{"type":"number"},"longitude":{"type":"number"}},"required":["latitude","longitude"],)"
        R"("type":"object"}],"description":"A city, or a place"}},)"
        R"("required":["where","unit","tags","weights"],"type":"object"})");
  CHECK(af::schema_of<OneField>().dump() ==
        R"({"additionalProperties":false,"properties":{"only":{"description":"The only one","type":"integer"}},)"
        R"("required":["only"],"type":"object"})");
}

TEST_CASE("The strict style requires every field and lets optional ones be null") {
  CHECK(af::schema_of<std::optional<int>>(af::SchemaStyle::strict).dump() ==
        R"({"anyOf":[{"type":"integer"},{"type":"null"}]})");
  const af::JsonSchema strict(af::schema_of<Weather>(af::SchemaStyle::strict));
  const auto text = R"({"where": "Rome", "days": null, "unit": "celsius", "tags": [], "weights": {}})";
  CHECK(strict.accepts(af::JsonValue::parse(text)));
  CHECK_FALSE(
      strict.accepts(af::JsonValue::parse(R"({"where": "Rome", "unit": "celsius", "tags": [], "weights": {}})")));
  CHECK_FALSE(af::from_json_text<Weather>(text).days.has_value());
}

TEST_CASE("Tuples, arrays, sets, any JSON, null, and a schema of a type's own") {
  CHECK(af::schema_of<Odd>().dump() ==
        R"({"additionalProperties":false,"properties":{"anything":{},)"
        R"("maybe":{"anyOf":[{"type":"null"},{"type":"integer"}]},)"
        R"("names":{"items":{"type":"string"},"type":"array","uniqueItems":true},)"
        R"("pair":{"maxItems":2,"minItems":2,"prefixItems":[{"type":"integer"},{"type":"boolean"}],"type":"array"},)"
        R"("point":{"items":{"type":"number"},"maxItems":3,"minItems":3,"type":"array"}},)"
        R"("required":["pair","point","names","anything","maybe"],"type":"object"})");
  CHECK(af::schema_of<std::vector<Date>>().dump() == R"({"items":{"format":"date","type":"string"},"type":"array"})");
}

TEST_CASE("A struct that contains itself is an error, not an endless schema") {
  CHECK_THROWS_AS(af::schema_of<Tree>(), af::json_error);
}

TEST_CASE("What the schema accepts can be decoded, and what it refuses cannot") {
  const af::JsonSchema schema(af::schema_of<Weather>());
  for (
      const char* good :
      {R"({"where": "Rome", "unit": "celsius", "tags": ["a"], "weights": {"x": 1}})",
       R"({"where": {"latitude": 1, "longitude": 2.5}, "days": 3, "unit": "fahrenheit", "tags": [], "weights": {}})"}) {
    const auto value = af::JsonValue::parse(good);
    CHECK(schema.accepts(value));
    const auto decoded = af::from_json_value<Weather>(value);
    CHECK(af::from_json_text<Weather>(af::to_json_text(decoded)) == decoded);
  }
  for (const char* bad : {R"({"where": 1, "unit": "celsius", "tags": [], "weights": {}})",
                          R"({"where": "Rome", "unit": "kelvin", "tags": [], "weights": {}})",
                          R"({"where": "Rome", "unit": "celsius", "tags": [1], "weights": {}})",
                          R"({"where": "Rome", "unit": "celsius", "tags": [], "weights": {"x": -1}})",
                          R"({"where": "Rome", "unit": "celsius", "tags": [], "weights": {}, "extra": 1})",
                          R"({"where": {"latitude": 1}, "unit": "celsius", "tags": [], "weights": {}})", "[]"}) {
    const auto value = af::JsonValue::parse(bad);
    CHECK_FALSE(schema.accepts(value));
    CHECK_THROWS_AS(af::from_json_value<Weather>(value), af::json_error);
  }
}

TEST_CASE("Enums are their names in JSON") {
  CHECK(af::to_json_text(std::vector<Unit>{Unit::fahrenheit, Unit::celsius}) == R"(["fahrenheit","celsius"])");
  CHECK(af::from_json_text<Unit>(R"("fahrenheit")") == Unit::fahrenheit);
  CHECK_THROWS_AS(af::to_json_text(static_cast<Unit>(7)), af::json_error);
  try {
    af::from_json_text<std::vector<Unit>>(R"(["celsius", "kelvin"])");
    FAIL("must throw");
  } catch (const af::json_error& e) {
    CHECK(e.message() == "must be one of celsius, fahrenheit");
    CHECK(e.context().field() == "[1]");
  }
}
