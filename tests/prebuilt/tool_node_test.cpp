// SPDX-License-Identifier: MIT
// ToolNode: order, faults, limits, confirmation, cancellation. Whatever a model or a tool does, the run goes on.
#include <agentflow/prebuilt/tool_node.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/memory/memory_checkpointer.hpp>

#include "support/alive.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/on_loop.hpp"
#include "support/tool_run.hpp"

namespace af = agentflow;
using namespace std::chrono_literals;

namespace tool_node_test {

struct Amount {
  int n = 0;
};
AGENTFLOW_PARAMS(Amount, (n, "How much"))

}  // namespace tool_node_test

using tool_node_test::Amount;

namespace {

std::shared_ptr<af::Tool> add_one() {
  return af::tool("add_one", "Adds one", [](const Amount& a) { return a.n + 1; });
}
std::shared_ptr<af::Tool> waiter(std::string name, std::chrono::nanoseconds time) {
  return af::tool(name, "", [time, name](af::ToolContext& ctx) -> asio::awaitable<std::string> {
    const Alive mark;
    co_await ctx.sleep(time);
    co_return name;
  });
}
std::shared_ptr<af::Tool> transfer(std::vector<int>& made) {
  return af::tool(
      "transfer", "Moves money",
      [&made](const Amount& a) {
        made.push_back(a.n);
        return "moved " + std::to_string(a.n);
      },
      af::ToolOptions().side_effects());
}

std::string only_text(const af::ToolNode& node, const af::ToolCallBlock& call) {
  const auto results = make_calls(node, {call});
  REQUIRE(results.size() == 1);
  CHECK(results[0].call_id == call.id);
  CHECK(results[0].is_error);
  return results[0].text;
}

}  // namespace

TEST_CASE("Calls run side by side, and their results come in the order of the calls") {
  af::testing::VirtualLoop loop;
  const auto app = tool_graph(af::ToolNode({waiter("short", 1s), waiter("long", 3s), add_one()}),
                              af::CompileOptions().clock(loop.clock()));
  const auto message = calling({call_of("long", "{}", "a"), call_of("short", "{}", "b"),
                                call_of("add_one", R"({"n": 4})", "c"), call_of("long", "{}", "d")});
  const auto result = loop.run(app.ainvoke(state_of(message)));
  CHECK(loop.clock()->passed() == 3s);
  const auto results = results_in(result.state);
  REQUIRE(results.size() == 4);
  CHECK(results[0] == af::ToolResultBlock("a", "long"));
  CHECK(results[1] == af::ToolResultBlock("b", "short"));
  CHECK(results[2] == af::ToolResultBlock("c", af::JsonValue::parse("5")));
  CHECK(results[3] == af::ToolResultBlock("d", "long"));
  REQUIRE(result->messages.size() == 5);
  CHECK(result->messages.back().role() == af::Role::tool);
  CHECK(result->messages.back().name() == "long");
}

TEST_CASE("More than nine calls keep their order") {
  std::vector<af::ToolCallBlock> calls;
  for (int i = 0; i < 30; ++i)
    calls.push_back(call_of("add_one", "{\"n\": " + std::to_string(i) + "}", std::to_string(i)));
  const auto results = make_calls(af::ToolNode({add_one()}), calls);
  REQUIRE(results.size() == 30);
  for (int i = 0; i < 30; ++i) CHECK(results[static_cast<std::size_t>(i)].call_id == std::to_string(i));
}

TEST_CASE("What a model gets wrong is told to it, and the other calls are made") {
  const af::ToolNode node({add_one()});
  CHECK(only_text(node, call_of("divide")) == "There is no tool \"divide\". The tools are: add_one.");
  CHECK(only_text(node, call_of("add_one")) ==
        "The arguments of add_one are not right:\n/n: is required, and is missing\nCorrect them and call it again.");
  CHECK(only_text(node, call_of("add_one", R"({"n": "4", "m": 1})")) ==
        "The arguments of add_one are not right:\n/m: is not known; known are n\n/n: must be integer, and is string\n"
        "Correct them and call it again.");
  // The assembler of streams leaves what is no JSON as a string.
  CHECK(only_text(node, call_of("add_one", R"("{\"n\": 4")")) ==
        "The arguments of add_one are not right:\nthe value: must be object, and is string\n"
        "Correct them and call it again.");
  // The schema lets any integer through; the type does not.
  CHECK(
      only_text(node, call_of("add_one", R"({"n": 3000000000})")) ==
      "The tool failed: the arguments are not right: n: out of range: 3000000000 is not in [-2147483648, 2147483647]");
  CHECK(only_text(af::ToolNode(af::ToolSet()), call_of("any")) == "There are no tools.");

  const auto results =
      make_calls(node, {call_of("nothing"), call_of("add_one", R"({"n": 1})", "c2"), call_of("add_one", "[]", "c3")});
  REQUIRE(results.size() == 3);
  CHECK(results[0].is_error);
  CHECK(results[1].data.dump() == "2");
  CHECK(results[2].is_error);
}

TEST_CASE("Hostile calls are refused in few words") {
  const af::ToolNode node({add_one()});
  std::string deep = "1";
  for (int i = 0; i < 120; ++i) deep = "[" + deep + "]";
  const std::vector<std::string> hostile = {deep,
                                            "null",
                                            "{\"n\": " + deep + "}",
                                            R"({"n": 1e308})",
                                            R"({"n": -9223372036854775808})",
                                            R"({"": 1})",
                                            "{\"n\": \"" + std::string(200'000, 'x') + "\"}",
                                            R"({"__proto__": {}, "n": 1})",
                                            "{\"" + std::string(50'000, 'k') + "\": 1}"};
  for (const auto& arguments : hostile) CHECK(only_text(node, call_of("add_one", arguments)).size() < 5'000);
  CHECK(only_text(node, call_of("\x1b[31m" + std::string(10'000, 'a'))).size() < 500);
  CHECK(only_text(node, af::ToolCallBlock("c1", "../../etc/passwd")) ==
        "There is no tool \"../../etc/passwd\". The tools are: add_one.");
  CHECK(only_text(node, af::ToolCallBlock("c1", "check calls")) ==
        "There is no tool \"check calls\". The tools are: add_one.");
}

TEST_CASE("What a tool throws is told to the model") {
  const auto failing = [](auto thrower) { return af::ToolNode({af::tool("t", "", thrower)}); };
  CHECK(only_text(failing([]() -> std::string { throw std::runtime_error("no network"); }), call_of("t")) ==
        "The tool failed: no network");
  CHECK(only_text(failing([]() -> std::string { throw af::tool_error("the city is not known"); }), call_of("t")) ==
        "The tool failed: the city is not known");
  CHECK(only_text(failing([]() -> std::string { throw 42; }), call_of("t")) == "The tool failed.");
  CHECK(only_text(failing([](af::ToolContext& ctx) -> asio::awaitable<std::string> {
                    co_await ctx.sleep(1ns);
                    throw std::runtime_error("later");
                  }),
                  call_of("t")) == "The tool failed: later");
  CHECK(only_text(failing(af::blocking([]() -> std::string { throw std::runtime_error("elsewhere"); })),
                  call_of("t")) == "The tool failed: elsewhere");
  CHECK(only_text(failing([]() -> std::string { throw std::runtime_error(std::string(100'000, 'x')); }), call_of("t"))
            .size() < 5'000);
  CHECK(only_text(failing([]() -> std::string { throw std::runtime_error("\xff\xfe"); }), call_of("t")) ==
        "The tool failed: ?"
        "?");
  CHECK(only_text(failing([] { return af::ToolResult::failure("try another city"); }), call_of("t")) ==
        "try another city");
}

TEST_CASE("A timeout cancels the call, and is told to the model; the others go on") {
  af::testing::VirtualLoop loop;
  const auto slow = af::tool(
      "slow", "", [](af::ToolContext& ctx) -> asio::awaitable<void> { co_await ctx.sleep(1h); },
      af::ToolOptions().timeout(2s));
  const auto app = tool_graph(
      af::ToolNode(af::ToolSet({slow, waiter("long", 1min), waiter("short", 3s)}), af::ToolNodeOptions().timeout(5s)),
      af::CompileOptions().clock(loop.clock()));
  const auto result = loop.run(
      app.ainvoke(state_of(calling({call_of("slow"), call_of("long", "{}", "c2"), call_of("short", "{}", "c3")}))));
  CHECK(loop.clock()->passed() == 5s);
  const auto results = results_in(result.state);
  REQUIRE(results.size() == 3);
  CHECK(results[0].text == "The tool took longer than its 2 s.");
  CHECK(results[0].is_error);
  CHECK(results[1].text == "The tool took longer than its 5 s.");
  CHECK(results[2].text == "short");
  CHECK(Alive::count() == 0);
}

TEST_CASE("Cancelling the run cancels the calls and joins them") {
  af::testing::VirtualLoop loop;
  const auto app = tool_graph(af::ToolNode({waiter("long", 1h)}), af::CompileOptions().clock(loop.clock()));
  auto run = app.start(loop.executor(), state_of(calling({call_of("long"), call_of("long", "{}", "c2")})));
  const auto watch = [&]() -> asio::awaitable<void> {
    co_await af::sleep(1s);
    CHECK(Alive::count() == 2);
    run.cancel();
    co_await run.result();
  };
  CHECK_THROWS_AS(loop.run(watch()), af::cancelled_error);
  CHECK(Alive::count() == 0);
  CHECK(loop.clock()->passed() == 1s);
}

TEST_CASE("Calls may be cancelled or abandoned at any point") {
  const auto wait = af::tool("wait", "", [](const Amount& a) -> asio::awaitable<int> {
    const Alive mark;
    co_await af::sleep(1s * a.n);  // on the loop's clock
    co_return a.n;
  });
  const auto app = tool_graph(af::ToolNode({wait, add_one()}));
  const auto make = [&]() -> asio::awaitable<void> {
    auto work = app.ainvoke(state_of(
        calling({call_of("wait", R"({"n": 2})"), call_of("wait", R"({"n": 1})", "b"), call_of("add_one", "{}", "c")})));
    const auto result = co_await std::move(work);
    CHECK(results_in(result.state).size() == 3);
  };
  CHECK(disturb_everywhere(make) > 3);
}

TEST_CASE("A long result is cut where characters end, and says so") {
  const auto tool = af::tool(
      "long", "", [] { return std::string(10, 'x') + "\u00e9\u00e9"; }, af::ToolOptions().max_output_bytes(11));
  CHECK(make_calls(af::ToolNode({tool}), {call_of("long")})[0].text ==
        "xxxxxxxxxx\n[cut: these are the first 10 of 14 bytes]");
  const auto megabytes = af::tool("big", "", [] { return std::string(std::size_t{3} << 20, 'x'); });
  const auto text = make_calls(af::ToolNode({megabytes}), {call_of("big")})[0].text;
  CHECK(text.size() < (std::size_t{1} << 20) + 100);
  CHECK(text.ends_with("\n[cut: these are the first 1048576 of 3145728 bytes]"));
  const auto data =
      af::tool("data", "", [] { return std::vector<int>(1'000, 7); }, af::ToolOptions().max_output_bytes(20));
  const auto cut = make_calls(af::ToolNode({data}), {call_of("data")})[0];
  CHECK(cut.data.is_null());
  CHECK(cut.text == "[7,7,7,7,7,7,7,7,7,7\n[cut: these are the first 20 of 2001 bytes]");
}

TEST_CASE("Bytes that are no text are replaced") {
  const auto tool = af::tool("binary", "", [] { return std::string("a\xff\xc3(b"); });
  CHECK(make_calls(af::ToolNode({tool}), {call_of("binary")})[0].text ==
        "a?"
        "?(b");
  const auto megabytes = af::tool("big", "", [] { return std::string(std::size_t{1} << 20, '\xff'); });
  CHECK(make_calls(af::ToolNode({megabytes}), {call_of("big")})[0].text == std::string(std::size_t{1} << 20, '?'));
}

TEST_CASE("Calls past the limit are not made") {
  int made = 0;
  const auto tool = af::tool("count", "", [&made] { return ++made; });
  std::vector<af::ToolCallBlock> calls;
  for (int i = 0; i < 70; ++i) calls.push_back(call_of("count", "{}", std::to_string(i)));
  auto results = make_calls(af::ToolNode({tool}), calls);
  REQUIRE(results.size() == 70);
  CHECK(made == 64);
  CHECK(results[64].text == "Not called: at most 64 calls are made at once. Call it again if you still need it.");
  results = make_calls(af::ToolNode(af::ToolSet({tool}), af::ToolNodeOptions().max_calls(1)),
                       {call_of("count"), call_of("count", "{}", "c2")});
  CHECK_FALSE(results[0].is_error);
  CHECK(results[1].is_error);
}

TEST_CASE("A call with side effects is confirmed: approved, denied, rewritten") {
  std::vector<int> made;
  std::vector<std::string> asked;
  std::optional<af::Approval> answer;
  const af::ToolNode node(af::ToolSet({transfer(made), add_one()}),
                          af::ToolNodeOptions().confirm([&](const af::ToolCallBlock& call, af::NodeContext&) {
                            asked.push_back(call.name + call.arguments.dump());
                            return *answer;
                          }));
  const auto call = call_of("transfer", R"({"n": 5})");

  answer = af::Approval::approve();
  CHECK(make_calls(node, {call})[0].text == "moved 5");
  answer = af::Approval::deny("Too much.");
  CHECK(only_text(node, call) == "Too much.");
  answer = af::Approval::rewrite(af::JsonValue::parse(R"({"n": 1})"));
  CHECK(make_calls(node, {call})[0].text == "moved 1");
  answer = af::Approval::rewrite(af::JsonValue::parse(R"({"n": "all"})"));
  CHECK(
      only_text(node, call) ==
      "The arguments of transfer are not right:\n/n: must be integer, and is string\nCorrect them and call it again.");
  CHECK(made == std::vector<int>{5, 1});
  CHECK(asked.size() == 4);
  CHECK(asked[0] == R"(transfer{"n":5})");

  // Neither a tool without side effects nor a call that cannot be made is asked about.
  make_calls(node, {call_of("add_one", R"({"n": 5})"), call_of("transfer", "{}", "c2")});
  CHECK(asked.size() == 4);
}

TEST_CASE("A confirmation may be awaited, and one that fails is a no") {
  af::testing::VirtualLoop loop;
  std::vector<int> made;
  const af::ToolNode node(
      af::ToolSet({transfer(made)}),
      af::ToolNodeOptions().confirm([](af::ToolCallBlock call, af::NodeContext& ctx) -> asio::awaitable<af::Approval> {
        co_await ctx.sleep(1min);
        if (call.id == "c2") throw std::runtime_error("the terminal is gone");
        co_return af::Approval::approve();
      }));
  const auto app = tool_graph(node, af::CompileOptions().clock(loop.clock()));
  const auto result = loop.run(
      app.ainvoke(state_of(calling({call_of("transfer", R"({"n": 1})"), call_of("transfer", R"({"n": 2})", "c2")}))));
  CHECK(results_in(result.state)[0].text == "moved 1");
  CHECK(results_in(result.state)[1].text == "The call could not be confirmed, and was not made.");
  CHECK(made == std::vector<int>{1});
}

TEST_CASE("A confirmation may interrupt the run, which is gone on with by an answer") {
  std::vector<int> made;
  const auto app = tool_graph(
      af::ToolNode(af::ToolSet({transfer(made), add_one()}), af::ToolNodeOptions().confirm(af::interrupt_for_approval)),
      af::CompileOptions().checkpointer(af::memory_checkpointer()));
  const auto thread = af::RunConfig().thread_id("t");
  const auto calls = calling({call_of("transfer", R"({"n": 5})"), call_of("add_one", R"({"n": 1})", "c2"),
                              call_of("transfer", R"({"n": 6})", "c3")});
  auto result = app.invoke(state_of(calls), thread);
  CHECK(result.status() == af::run_status::interrupted);
  REQUIRE(result.interrupts().size() == 2);
  CHECK(result.interrupts()[0].payload.dump() == R"({"arguments":{"n":5},"call_id":"c1","tool":"transfer"})");
  CHECK(made.empty());

  // An answer that is no Approval changes nothing: the question is open again.
  const auto first = result.interrupts()[0].id, second = result.interrupts()[1].id;
  CHECK_THROWS_AS(app.invoke(af::Resume().answer(first, "maybe"), thread), af::node_error);
  result = app.invoke(af::Resume(), thread);
  CHECK(result.interrupts().size() == 2);

  result = app.invoke(af::Resume().answer(second, false), thread);
  CHECK(result.status() == af::run_status::interrupted);
  REQUIRE(result.interrupts().size() == 1);
  result = app.invoke(af::Resume(af::Approval::rewrite(af::JsonValue::parse(R"({"n": 1})"))), thread);
  CHECK(result.status() == af::run_status::completed);
  const auto results = results_in(result.state);
  REQUIRE(results.size() == 3);
  CHECK(results[0].text == "moved 1");
  CHECK(results[1].data.dump() == "2");
  CHECK(results[2].text == "The user did not allow this call.");
  CHECK(made == std::vector<int>{1});
}

TEST_CASE("A confirmation that interrupts a run that is not stored fails it") {
  std::vector<int> made;
  const auto app = tool_graph(
      af::ToolNode(af::ToolSet({transfer(made)}), af::ToolNodeOptions().confirm(af::interrupt_for_approval)));
  try {
    app.invoke(state_of(calling({call_of("transfer", R"({"n": 5})")})));
    FAIL("must throw");
  } catch (const af::node_error& e) {
    CHECK(std::string(e.what()).find("RUN_010") != std::string::npos);
  }
  CHECK(made.empty());
}

TEST_CASE("An approval has a JSON form") {
  const auto trip = [](const af::Approval& a) { return af::from_json_text<af::Approval>(af::to_json_text(a)); };
  CHECK_FALSE(trip(af::Approval::approve()).denied());
  CHECK(trip(af::Approval::deny("no")).denied() == "no");
  CHECK(trip(af::Approval::rewrite(af::JsonValue::parse("{}"))).arguments()->dump() == "{}");
  CHECK(af::from_json_text<af::Approval>("false").denied().has_value());
  CHECK_THROWS_AS(af::from_json_text<af::Approval>("{}"), af::json_error);
  CHECK(af::Approval().denied().has_value());
}

TEST_CASE("Progress goes to the stream, with the path to the tool") {
  const auto tool = af::tool("work", "", [](af::ToolContext& ctx) {
    ctx.progress(af::JsonValue::parse("50"));
    return "ok";
  });
  std::vector<std::string> seen;
  for (const auto& chunk : tool_graph(af::ToolNode({tool}))
                               .stream(state_of(calling({call_of("work")})),
                                       af::RunConfig().stream(af::stream_mode::custom | af::stream_mode::messages))) {
    if (chunk.kind() == af::chunk_kind::custom) seen.push_back(chunk.path() + " " + chunk.node() + chunk.content());
    if (chunk.kind() == af::chunk_kind::message) seen.push_back(chunk.node() + ": " + af::to_string(chunk.message()));
  }
  REQUIRE(seen.size() == 2);
  CHECK(seen[0] == R"(tools work{"call_id":"c1","progress":50,"tool":"work"})");
  CHECK(seen[1].starts_with("tools: tool (work)"));
}

TEST_CASE("The drawing shows the tools and the confirmation") {
  std::vector<int> made;
  const auto drawn = af::ToolNode(af::ToolSet({transfer(made), add_one()}),
                                  af::ToolNodeOptions().confirm([](const af::ToolCallBlock&, af::NodeContext&) {
                                    return af::Approval::approve();
                                  }))
                         .graph()
                         .to_mermaid();
  for (const char* name : {"check calls", "ask approval", "transfer", "add_one"})
    CHECK(drawn.find(name) != std::string::npos);
  CHECK(af::ToolNode({add_one()}).graph().to_mermaid().find("ask approval") == std::string::npos);
}

TEST_CASE("A message without calls is an error of the graph's author") {
  try {
    tool_graph(af::ToolNode({add_one()})).invoke("hello");
    FAIL("must throw");
  } catch (const af::node_error& e) {
    CHECK(
        e.message() ==
        "node 'tools' failed: TOOL_001: the last message has no tool calls: route to the node of the tools only after "
        "a message that has");
  }
}

TEST_CASE("A set of tools that cannot be offered is refused") {
  const auto refusal = [](auto make) {
    try {
      make();
    } catch (const af::tool_error& e) {
      CHECK(e.code() == af::errc::tool_invalid);
      return e.message();
    }
    return std::string();
  };
  CHECK(refusal([] { af::ToolSet({nullptr}); }) == "a tool is null");
  CHECK(refusal([] { af::ToolSet({add_one(), add_one()}); }) == "two tools are called 'add_one': rename one of them");
  const std::string too_long(65, 'x');
  for (const std::string& name : {std::string(), std::string("a b"), std::string("tools/x"), std::string("\xc3\xa9"),
                                  std::string("START"), too_long})
    CHECK(refusal([&] { af::ToolSet({af::tool(name, "", [] {})}); }).starts_with("a tool cannot be called "));
  CHECK(refusal([] {
          af::ToolSet({af::tool(
              "t", "", [](const af::JsonValue&) {},
              af::ToolOptions().parameters(af::JsonValue::parse(R"({"$ref": "http://x"})")))});
        }) ==
        "the parameters of the tool 't': the schema is no good at '#/$ref': \"http://x\" refers to another document, "
        "which "
        "is never fetched");
}
