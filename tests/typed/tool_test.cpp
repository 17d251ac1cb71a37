// SPDX-License-Identifier: MIT
// Any callable becomes a tool: what it may take, what it may give back.
#include <agentflow/typed/tool.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/on_loop.hpp"
#include "support/tool_run.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;

namespace tool_test {

struct City {
  std::string city;
  std::optional<int> days;
};
AGENTFLOW_PARAMS(City, (city, "Which city"), days)

}  // namespace tool_test

using tool_test::City;

namespace {

std::string weather(City c) { return c.city + " for " + std::to_string(c.days.value_or(1)); }
asio::awaitable<std::string> weather_later(const City& c, af::ToolContext& ctx) {
  co_await ctx.sleep(1s);
  co_return c.city + " via " + ctx.call_id();
}

std::string text_of(const std::shared_ptr<af::Tool>& tool, const std::string& arguments = "{}") {
  const auto results = make_calls(af::ToolNode({tool}), {call_of(tool->spec().name, arguments)});
  REQUIRE(results.size() == 1);
  CHECK_FALSE(results[0].is_error);
  return results[0].text + (results[0].data.is_null() ? "" : results[0].data.dump());
}

}  // namespace

TEST_CASE("A tool says what it is, with the schema of its parameters") {
  const auto tool = af::tool("weather", "Tells the weather", weather);
  CHECK(tool->spec().name == "weather");
  CHECK(tool->spec().description == "Tells the weather");
  CHECK(tool->spec().parameters == af::schema_of<City>());
  CHECK(tool->kind() == af::tool_kind::sync);
  CHECK_FALSE(tool->options().side_effects());
  CHECK(tool->hands_off_to().empty());
  CHECK(af::tool("later", "", weather_later)->kind() == af::tool_kind::async);
  CHECK(af::tool("slow", "", af::blocking(weather))->kind() == af::tool_kind::blocking);
  CHECK(af::tool("none", "", [] {})->spec().parameters.is_null());
}

TEST_CASE("Tools take a struct, a context, both, or nothing") {
  const auto rome = R"({"city": "Rome", "days": 2})";
  CHECK(text_of(af::tool("t", "", weather), rome) == "Rome for 2");
  CHECK(text_of(af::tool("t", "", [](const City& c) { return c.city; }), rome) == "Rome");
  CHECK(text_of(af::tool("t", "", [](City c, af::ToolContext& ctx) { return c.city + ctx.tool(); }), rome) == "Romet");
  CHECK(text_of(af::tool("t", "", [](af::ToolContext& ctx) { return ctx.call_id(); })) == "c1");
  CHECK(text_of(af::tool("t", "", [] { return "nothing"; })) == "nothing");
  CHECK(text_of(af::tool("t", "", [own = std::make_unique<int>(7)] { return *own; })) == "7");
  CHECK(text_of(af::tool("t", "", weather_later), rome) == "Rome via c1");
  CHECK(text_of(af::tool("t", "", [](City c) -> asio::awaitable<std::string> { co_return c.city; }), rome) == "Rome");
  CHECK(text_of(af::tool("t", "", [](af::ToolContext& ctx) -> asio::awaitable<void> { co_await ctx.sleep(1ms); })) ==
        "done");
}

TEST_CASE("An optional argument may be left out or null") {
  for (const char* arguments : {R"({"city": "Rome"})", R"({"city": "Rome", "days": null})"})
    CHECK(text_of(af::tool("t", "", weather), arguments) == "Rome for 1");
}

TEST_CASE("Results are text, JSON, or blocks") {
  using namespace std::string_view_literals;
  CHECK(text_of(af::tool("t", "", [] { return std::string("a"); })) == "a");
  CHECK(text_of(af::tool("t", "", [] { return "a"sv; })) == "a");
  CHECK(text_of(af::tool("t", "", [] {})) == "done");
  CHECK(text_of(af::tool("t", "", [] { return 2.5; })) == "2.5");
  CHECK(text_of(af::tool("t", "", [] { return std::vector<int>{1, 2}; })) == "[1,2]");
  CHECK(text_of(af::tool("t", "", [] { return std::map<std::string, bool>{{"on", true}}; })) == R"({"on":true})");
  CHECK(text_of(af::tool("t", "", [] { return City{"Rome", 2}; })) == R"({"city":"Rome","days":2})");
  CHECK(text_of(af::tool("t", "", [] { return af::JsonValue::parse("[null]"); })) == "[null]");
  CHECK(text_of(af::tool("t", "", [] { return af::ToolResult::text("b"); })) == "b");
  CHECK(text_of(af::tool("t", "", [] { return af::ContentBlock(af::TextBlock("c")); })) == "c");
}

TEST_CASE("Blocks that are no text follow the result in its message") {
  const auto tool = af::tool("picture", "", [] {
    std::vector<af::ContentBlock> blocks;
    blocks.emplace_back(af::TextBlock("a bee"));
    blocks.emplace_back(af::ImageBlock(af::MediaSource::from_url("http://bee")));
    return blocks;
  });
  const auto result = tool_graph(af::ToolNode({tool})).invoke(state_of(calling({call_of("picture")})));
  const auto& content = result->messages.back().content();
  REQUIRE(content.size() == 2);
  CHECK(content[0].get_if<af::ToolResultBlock>()->text == "a bee");
  CHECK(content[1].get_if<af::ImageBlock>() != nullptr);
}

TEST_CASE("A schema may be given by hand, and any JSON taken") {
  const auto echo = [](const af::JsonValue& arguments) { return arguments; };
  const auto schema = af::JsonValue::parse(R"({"type": "object", "required": ["x"]})");
  const auto tool = af::tool("echo", "", echo, af::ToolOptions().parameters(schema));
  CHECK(tool->spec().parameters == schema);
  CHECK(text_of(tool, R"({"x": [1]})") == R"({"x":[1]})");
  CHECK(make_calls(af::ToolNode({tool}), {call_of("echo")})[0].text ==
        "The arguments of echo are not right:\n/x: is required, and is missing\nCorrect them and call it again.");
  try {
    af::tool("echo", "", echo);
    FAIL("must throw");
  } catch (const af::tool_error& e) {
    CHECK(e.code() == af::errc::tool_invalid);
    CHECK(e.message() == "the tool 'echo' takes any JSON: give its schema with ToolOptions().parameters(...)");
  }
}

TEST_CASE("A blocking tool runs on another thread, and is waited for") {
  const auto here = std::this_thread::get_id();
  const auto tool = af::tool("slow", "", af::blocking([here](af::ToolContext& ctx) {
                               return std::string(std::this_thread::get_id() == here ? "here" : "there") +
                                      (ctx.cancelled() ? " cancelled" : "");
                             }));
  CHECK(text_of(tool) == "there");
}

TEST_CASE("A tool sees the run's ids, its clock, and the user's object") {
  struct Session {
    std::string user = "ann";
  };
  const auto tool = af::tool("who", "", [](af::ToolContext& ctx) {
    return ctx.user<Session>().user + " " + ctx.thread_id() + " " +
           std::to_string(
               std::chrono::duration_cast<std::chrono::hours>(ctx.clock().now().time_since_epoch()).count()) +
           (ctx.run_id().is_nil() ? "" : " run");
  });
  af::testing::VirtualLoop loop;
  const auto app = tool_graph(af::ToolNode({tool}), af::CompileOptions().clock(loop.clock()));
  af::RunConfig config;
  config.thread_id("t1").context(std::make_shared<Session>());
  auto result = loop.run(app.ainvoke(state_of(calling({call_of("who")})), config));
  CHECK(results_in(result.state)[0].text == "ann t1 1 run");
  result = loop.run(app.ainvoke(state_of(calling({call_of("who")}))));
  CHECK(results_in(result.state)[0].is_error);
}
