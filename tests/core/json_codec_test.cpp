// SPDX-License-Identifier: MIT
// C++ values to JSON and back: every built-in mapping, own types, nlohmann's types, strictness.
#include <agentflow/core/json_codec.hpp>

#include <any>
#include <deque>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <agentflow/core/json.hpp>

#include "support/catch.hpp"

namespace codec_test {

struct Point {  // functions beside the type
  int x = 0;
  std::optional<double> weight;
  bool operator==(const Point&) const = default;
};
void agentflow_write_json(agentflow::JsonWriter& out, const Point& p) {
  out.begin_object();
  out.key("x");
  write_json(out, p.x);
  out.key("weight");
  write_json(out, p.weight);
  out.end_object();
}
void agentflow_read_json(const agentflow::JsonReader& in, Point& p) {
  static constexpr std::string_view names[] = {"x", "weight"};
  check_members(in, names);
  read_member(in, "x", p.x);
  read_member(in, "weight", p.weight);
}

struct Tracked : Point {  // derives from a mapped type, but has a member more
  int secret = 0;
};

struct Described {  // templates that are told the type, as AGENTFLOW_STATE writes them
  std::vector<Point> points;
};
template <class T>
  requires std::is_same_v<T, Described>
void agentflow_write_json(agentflow::JsonWriter& out, const T& d) {
  write_json(out, d.points);
}
template <class T>
  requires std::is_same_v<T, Described>
void agentflow_read_json(const agentflow::JsonReader& in, T& d) {
  read_json(in, d.points);
}

enum class Colour : std::uint8_t { red = 1, blue = 200 };
enum class Named { on, off };
void agentflow_write_json(agentflow::JsonWriter& out, const Named& n) { out.string(n == Named::on ? "on" : "off"); }
void agentflow_read_json(const agentflow::JsonReader& in, Named& n) {
  n = in.as_string() == "on" ? Named::on : Named::off;
}

struct Foreign {  // mapped by nlohmann's functions
  std::string name;
  int age = 0;
  bool operator==(const Foreign&) const = default;
};
void to_json(nlohmann::json& j, const Foreign& f) { j = {{"name", f.name}, {"age", f.age}}; }
void from_json(const nlohmann::json& j, Foreign& f) {
  j.at("name").get_to(f.name);
  j.at("age").get_to(f.age);
}

template <class T>
struct Log {  // a sequence of our own, with the least there may be
  using value_type = T;
  void push_back(T v) { items.push_back(std::move(v)); }
  auto begin() const { return items.begin(); }
  auto end() const { return items.end(); }
  std::vector<T> items;
};

struct Nothing {};
struct NoDefault {
  explicit NoDefault(int v) : value(v) {}
  int value;
};
void agentflow_write_json(agentflow::JsonWriter& out, const NoDefault& v) { out.integer(v.value); }
void agentflow_read_json(const agentflow::JsonReader& in, NoDefault& v) { read_json(in, v.value); }

}  // namespace codec_test

namespace {

namespace app = codec_test;
using namespace std::chrono_literals;
using agentflow::errc;
using agentflow::from_json_text;
using agentflow::JsonReadable;
using agentflow::JsonValue;
using agentflow::JsonWritable;
using agentflow::to_json_text;

template <class T>
inline constexpr bool mapped = JsonWritable<T> && JsonReadable<T>;

static_assert(mapped<bool> && mapped<char> && mapped<std::uint64_t> && mapped<float> && mapped<std::string>);
static_assert(mapped<std::vector<std::map<std::string, std::optional<std::array<app::Point, 2>>>>>);
static_assert(mapped<std::vector<bool>> && mapped<app::Log<app::Described>> && mapped<std::pair<int, app::Foreign>>);
static_assert(mapped<nlohmann::json> && mapped<std::vector<nlohmann::json>> && mapped<JsonValue>);
static_assert(JsonWritable<std::string_view> && !JsonReadable<std::string_view>);
static_assert(JsonWritable<const int> && !JsonReadable<const int>);
static_assert(mapped<app::NoDefault> && JsonWritable<std::vector<app::NoDefault>> &&
              !JsonReadable<std::vector<app::NoDefault>>);
static_assert(mapped<std::array<int, 3>> && JsonReadable<std::tuple<>>);

template <class T>
inline constexpr bool unmapped = !JsonWritable<T> && !JsonReadable<T>;
static_assert(unmapped<app::Nothing> && unmapped<std::vector<app::Nothing>> && unmapped<std::optional<app::Nothing>>);
static_assert(unmapped<std::map<std::string, std::vector<app::Nothing>>> && unmapped<std::tuple<int, app::Nothing>>);
static_assert(unmapped<app::Tracked>, "a base's functions would drop members");
static_assert(unmapped<std::unique_ptr<int>> && unmapped<int*> && unmapped<const char*> && unmapped<std::any>);
static_assert(unmapped<std::chrono::steady_clock::time_point>, "means nothing in another process");

template <class T>
errc failure(std::string_view text, std::string* path = nullptr) {
  try {
    from_json_text<T>(text);
  } catch (const agentflow::json_error& e) {
    if (path != nullptr) *path = e.context().field();
    return e.code();
  }
  return errc::internal;
}

template <class T>
bool survives(const T& value, std::string_view text) {
  return to_json_text(value) == text && from_json_text<T>(text) == value &&
         agentflow::from_json_value<T>(agentflow::to_json_value(value)) == value;
}

}  // namespace

TEST_CASE("values of every built-in kind survive") {
  CHECK(survives(true, "true"));
  CHECK(survives(std::int8_t{-128}, "-128"));
  CHECK(survives(std::numeric_limits<std::uint64_t>::max(), "18446744073709551615"));
  CHECK(survives(0.1, "0.1"));
  CHECK(survives(0.1f, "0.1"));
  CHECK(survives(std::numeric_limits<float>::max(), "3.4028235e+38"));
  CHECK(survives(app::Colour::blue, "200"));
  CHECK(survives(app::Named::off, "\"off\""));
  CHECK(survives(std::string("h\xc3\xa9\n"), "\"h\xc3\xa9\\n\""));
  CHECK(survives(JsonValue::parse("[1,{}]"), "[1,{}]"));
  CHECK(survives(std::optional<int>(), "null"));
  CHECK(survives(std::optional<int>(3), "3"));
  CHECK(survives(std::vector<bool>{true, false}, "[true,false]"));
  CHECK(survives(std::deque<std::string>{"a"}, "[\"a\"]"));
  CHECK(survives(std::array<int, 2>{1, 2}, "[1,2]"));
  CHECK(survives(std::map<std::string, int>{{"b", 1}, {"a", 2}}, R"({"a":2,"b":1})"));
  CHECK(survives(std::unordered_map<std::string, int>{{"b", 1}}, R"({"b":1})"));
  CHECK(survives(std::set<int>{3, 1}, "[1,3]"));
  CHECK(survives(std::unordered_set<std::string>{"x"}, "[\"x\"]"));
  CHECK(survives(std::pair<int, std::string>{1, "x"}, "[1,\"x\"]"));
  CHECK(survives(std::tuple<int, std::optional<bool>, double>{1, std::nullopt, 2.5}, "[1,null,2.5]"));
  CHECK(survives(std::chrono::seconds(-2), "-2000000000"));
  CHECK(survives(std::chrono::duration<double>(1.5), "1500000000"));
  CHECK(survives(std::chrono::system_clock::time_point(1s + 1ns), "1000000001"));
  CHECK(survives(nlohmann::json{{"a", {1, 2}}}, R"({"a":[1,2]})"));
  CHECK(survives(app::Foreign{"ann", 7}, R"({"age":7,"name":"ann"})"));
  CHECK(survives(app::Point{4, 0.5}, R"({"x":4,"weight":0.5})"));
  CHECK(to_json_text(std::string_view("v")) == "\"v\"");
  CHECK(from_json_text<double>("7") == 7.0);

  const auto log = from_json_text<app::Log<int>>("[1,2]");
  CHECK(log.items == std::vector<int>{1, 2});
  CHECK(to_json_text(log) == "[1,2]");
  const auto described = from_json_text<app::Described>(R"([{"x":1},{"x":2,"weight":1}])");
  CHECK(described.points == std::vector<app::Point>{{1, {}}, {2, 1.0}});
  CHECK(to_json_text(described) == R"([{"x":1,"weight":null},{"x":2,"weight":1.0}])");
}

TEST_CASE("what does not fit is refused, with its path") {
  CHECK(failure<std::int8_t>("128") == errc::json_type);
  CHECK(failure<std::int8_t>("-129") == errc::json_type);
  CHECK(failure<std::uint8_t>("256") == errc::json_type);
  CHECK(failure<std::uint32_t>("-1") == errc::json_type);
  CHECK(failure<std::int64_t>("9223372036854775808") == errc::json_type);
  CHECK(failure<int>("1.0") == errc::json_type);
  CHECK(failure<float>("1e39") == errc::json_type);
  CHECK(failure<double>("\"1\"") == errc::json_type);
  CHECK(failure<bool>("0") == errc::json_type);
  CHECK(failure<std::string>("null") == errc::json_type);
  CHECK(failure<app::Colour>("256") == errc::json_type);
  CHECK(failure<std::vector<int>>("{}") == errc::json_type);
  CHECK(failure<std::map<std::string, int>>("[]") == errc::json_type);
  CHECK(failure<std::array<int, 2>>("[1]") == errc::json_type);
  CHECK(failure<std::pair<int, int>>("[1,2,3]") == errc::json_type);
  CHECK(failure<std::chrono::seconds>("1500000000") == errc::json_type);
  CHECK(failure<std::vector<int>>("[1") == errc::json_syntax);

  std::string path;
  CHECK(failure<std::map<std::string, std::vector<std::optional<int>>>>(R"({"a":[1,null,"x"]})", &path) ==
        errc::json_type);
  CHECK(path == "a[2]");
  CHECK(failure<std::set<int>>("[1,2,1]", &path) == errc::json_type);
  CHECK(path == "[2]");
  CHECK(failure<std::vector<app::Point>>(R"([{"x":1},{"weight":1}])", &path) == errc::json_missing);
  CHECK(path == "[1].x");
  CHECK(failure<std::vector<app::Point>>(R"([{"x":1},{"x":1,"y z":1}])", &path) == errc::json_unknown);
  CHECK(path == R"([1]["y z"])");
  CHECK(failure<app::Point>("[]", &path) == errc::json_type);
  CHECK(failure<app::Point>(R"({"x":1,"weight":"heavy"})", &path) == errc::json_type);
  CHECK(path == "weight");
}

TEST_CASE("an unknown member's error lists the known ones") {
  try {
    from_json_text<app::Point>(R"({"x":1,"wieght":2})");
    FAIL("no error");
  } catch (const agentflow::json_error& e) {
    CHECK(e.message() == R"(the member "wieght" is not expected; expected are: x, weight)");
  }
}

TEST_CASE("nlohmann's errors become json_error with the path") {
  std::string path;
  CHECK(failure<std::vector<app::Foreign>>(R"([{"name":"a","age":1},{"name":"b"}])", &path) == errc::json_missing);
  CHECK(path == "[1]");
  CHECK(failure<app::Foreign>(R"({"name":1,"age":1})") == errc::json_type);
  CHECK_THROWS_AS(to_json_text(app::Foreign{"\xff", 1}), agentflow::json_error);
}

TEST_CASE("a container is unchanged when reading into it fails") {
  std::vector<int> numbers = {1, 2};
  std::optional<int> maybe = 5;
  const JsonValue bad = JsonValue::parse(R"([7,"x"])");
  CHECK_THROWS_AS(read_json(agentflow::JsonReader(bad), numbers), agentflow::json_error);
  CHECK_THROWS_AS(read_json(agentflow::JsonReader(bad), maybe), agentflow::json_error);
  CHECK(numbers == std::vector<int>{1, 2});
  CHECK(maybe == 5);
}

TEST_CASE("durations past nanoseconds in 64 bits are refused") {
  CHECK_THROWS_AS(to_json_text(std::chrono::hours::max()), agentflow::json_error);
  CHECK_THROWS_AS(to_json_text(std::chrono::duration<double>(1e300)), agentflow::json_error);
  CHECK(to_json_text(std::chrono::nanoseconds::min()) == "-9223372036854775808");
}
