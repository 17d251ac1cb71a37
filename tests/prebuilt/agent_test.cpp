// SPDX-License-Identifier: MIT
// react_agent: the loop of model and tools, streaming with stable ids, cancellation, what the model is asked.
#include <agentflow/prebuilt/agent.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/memory/memory_checkpointer.hpp>
#include <agentflow/testing/scripted_model.hpp>
#include <agentflow/testing/virtual_time.hpp>

#include "support/alive.hpp"
#include "support/catch.hpp"
#include "support/disturb.hpp"
#include "support/tool_run.hpp"

namespace af = agentflow;
using af::testing::ScriptedModel;
using namespace std::chrono_literals;

namespace agent_test {

struct Sum {
  int a = 0, b = 0;
};
AGENTFLOW_PARAMS(Sum, a, b)

struct Support {
  std::string customer;
  std::vector<std::string> orders;
  af::List<af::Message> messages;
};
AGENTFLOW_STATE(Support, customer, orders, (messages, af::add_messages))

/// A model whose streams are counted, and go on for longer than a test looks at them.
class LongWindedModel final : public af::ChatModel {
 public:
  asio::awaitable<af::ChatResponse> complete(af::ChatRequest) override { co_return af::ChatResponse(); }
  std::unique_ptr<af::ChatStream> stream(af::ChatRequest request) override {
    return std::make_unique<Stream>(clock, request);
  }
  std::string name() const override { return "long-winded"; }
  std::shared_ptr<af::Clock> clock;

 private:
  class Stream final : public af::ChatStream {
   public:
    Stream(const std::shared_ptr<af::Clock>& clock, const af::ChatRequest& r) : assembler_(r) {
      ScriptedModel words;
      words.reply("a b c d e f g h i j").pace(clock, 1s);  // its waits are on the test's clock
      inner_ = words.stream(r);
    }
    asio::awaitable<std::optional<af::ChatEvent>> next() override {
      auto wait = inner_->next();
      co_await std::move(wait);
      af::ChatEvent event = af::ChatEvent::text_piece(0, "on ");
      assembler_.add(event);
      co_return event;
    }
    af::ChatResponse response() const override { return assembler_.response(); }
    const std::string& message_id() const noexcept override { return assembler_.message_id(); }

   private:
    Alive mark_;
    std::unique_ptr<af::ChatStream> inner_;
    af::ChatAssembler assembler_;
  };
};

}  // namespace agent_test

using namespace agent_test;

namespace {

std::shared_ptr<af::Tool> add() {
  return af::tool("add", "Adds two numbers", [](const Sum& s) { return s.a + s.b; });
}
af::JsonValue json(const char* text) { return af::JsonValue::parse(text); }

std::vector<std::string> texts(const af::AgentState& state) {
  std::vector<std::string> out;
  for (const auto& message : state.messages) out.push_back(af::to_string(message));
  return out;
}

}  // namespace

TEST_CASE("The model is asked, its calls are made, and it is asked again") {
  auto model = std::make_shared<ScriptedModel>();
  model->call("add", json(R"({"a": 2, "b": 3})")).call("add", json(R"({"a": 5, "b": 1})")).reply("It is 6.");
  const auto app = af::react_agent(model, {add()}, af::AgentOptions().prompt("You add.").name("adder")).compile();
  const auto result = app.invoke("2 + 3 + 1?");
  CHECK(texts(result.state) ==
        std::vector<std::string>{"user: 2 + 3 + 1?", R"(assistant (adder): [tool_call add {"a":2,"b":3}])",
                                 "tool (add): [tool_result 5]", R"(assistant (adder): [tool_call add {"a":5,"b":1}])",
                                 "tool (add): [tool_result 6]", "assistant (adder): It is 6."});
  CHECK(model->left() == 0);
  const auto requests = model->requests();
  REQUIRE(requests.size() == 3);
  CHECK(requests[0].messages.size() == 2);
  CHECK(requests[0].messages[0].role() == af::Role::system);
  CHECK(requests[0].messages[0].text() == "You add.");
  CHECK(requests[2].messages.size() == 6);
  REQUIRE(requests[0].tools.size() == 1);
  CHECK(requests[0].tools[0].name == "add");
  // The prompt is the request's, not the conversation's.
  CHECK(result->messages[0].role() == af::Role::user);
}

TEST_CASE("A model that errs is told, and may mend it") {
  auto model = std::make_shared<ScriptedModel>();
  model->call("subtract").call("add", json(R"({"a": 1})")).call("add", json(R"({"a": 1, "b": 1})")).reply("2");
  const auto result = af::react_agent(model, {add()}).compile().invoke("1 + 1?");
  CHECK(result->messages.back().text() == "2");
  const auto results = results_in(result.state);
  REQUIRE(results.size() == 3);
  CHECK(results[0].is_error);
  CHECK(results[1].is_error);
  CHECK(results[2].data.dump() == "2");
}

TEST_CASE("A model that never stops calling comes to the recursion limit") {
  auto model = std::make_shared<ScriptedModel>();
  for (int i = 0; i < 20; ++i) model->call("add", json(R"({"a": 1, "b": 1})"));
  const auto app = af::react_agent(model, {add()}).compile();
  CHECK_THROWS_AS(app.invoke("go", af::RunConfig().recursion_limit(10)), af::recursion_error);
  CHECK(model->left() == 15);
}

TEST_CASE("Without tools the agent answers in one step") {
  auto model = std::make_shared<ScriptedModel>();
  model->reply("Hello.");
  const auto result = af::react_agent(model).compile().invoke("Hi");
  CHECK(result.steps() == 1);
  CHECK(result->messages.back().text() == "Hello.");
}

TEST_CASE("An answer that is no whole answer ends the turn, and says why") {
  const auto model = std::make_shared<ScriptedModel>();
  const auto agent = af::react_agent(model, {add()}).compile();
  for (const auto reason :
       {af::StopReason::length, af::StopReason::refused, af::StopReason::paused, af::StopReason::other}) {
    model->reply(af::ChatResponse(af::Message::assistant("As far as"), reason));
    const auto result = agent.invoke("Go");
    CHECK(result->messages.size() == 2);
    CHECK(af::stop_reason(result->messages.back()) == reason);
    // Also when it is stored and read again.
    CHECK(af::stop_reason(af::from_json_value<af::Message>(af::to_json_value(result->messages.back()))) == reason);
  }
  model->call("add", af::JsonValue::parse(R"({"a": 1, "b": 2})")).reply("3");
  const auto whole = agent.invoke("Go");
  CHECK(af::stop_reason(whole->messages[1]) == af::StopReason::tool_calls);
  CHECK(af::stop_reason(whole->messages[3]) == af::StopReason::end);
  CHECK(whole->messages[3].metadata().is_null());

  // Calls that were cut off in their arguments are no calls; the model hears of it.
  std::vector<af::ChatEvent> cut;
  cut.push_back(af::ChatEvent::tool_begin(0, "c1", "add"));
  cut.push_back(af::ChatEvent::tool_args(0, R"({"a": 1, "b)"));
  cut.push_back(af::ChatEvent::stopped(af::StopReason::length));
  model->play(cut).reply("I was cut off.");
  const auto mended = agent.invoke("Go");
  CHECK(mended->messages.back().text() == "I was cut off.");
  CHECK(mended->messages[2].content().at(0).get_if<af::ToolResultBlock>()->is_error);

  // One that was cut off before its arguments had not none.
  int wiped = 0;
  const auto wipe = af::tool("wipe", "Wipes the table, or a part of it", [&wiped] { ++wiped; });
  const std::vector<af::ChatEvent> begun{af::ChatEvent::tool_begin(0, "c1", "wipe"), af::ChatEvent::tool_end(0)};
  for (const auto reason : {af::StopReason::length, af::StopReason::tool_calls}) {
    cut = begun;
    cut.push_back(af::ChatEvent::stopped(reason));
    model->play(cut).reply("Well.");
    CHECK(af::react_agent(model, {wipe}).compile().invoke("Go")->messages.back().text() == "Well.");
    CHECK(wiped == (reason == af::StopReason::tool_calls ? 1 : 0));
  }
}

TEST_CASE("What a model fails with is the cause of the node's error") {
  auto model = std::make_shared<ScriptedModel>();
  model->fail(af::model_error(af::errc::model_rate_limited, "slow down"));
  try {
    af::react_agent(model).compile().invoke("Hi");
    FAIL("must throw");
  } catch (const af::node_error& e) {
    CHECK(e.context().node() == "agent");
    CHECK_THROWS_AS(std::rethrow_exception(e.cause()), af::model_error);
  }
  model->fail(af::model_error(af::errc::model_overloaded, "busy")).reply("At last.");
  af::testing::VirtualLoop loop;
  const auto retried = af::react_agent(model, {}, af::AgentOptions().node(af::NodeOptions().retry(af::RetryPolicy())))
                           .compile(af::CompileOptions().clock(loop.clock()));
  CHECK(loop.run(retried.ainvoke("Hi"))->messages.back().text() == "At last.");
}

TEST_CASE("Tokens stream through agents in subgraphs, and put together are the message") {
  auto model = std::make_shared<ScriptedModel>();
  af::ChatResponse first(calling({call_of("add", R"({"a": 2, "b": 3})")}).with_block(af::TextBlock(" let me see")),
                         af::StopReason::tool_calls);
  model->reply(first).reply("The sum is 5, I am sure.");
  af::StateGraph<> graph;
  graph.add_node("helper", af::react_agent(model, {add()}).compile());
  graph.set_entry_point("helper").add_edge("helper", "END");
  const auto app = graph.compile();
  std::map<std::string, std::string> streamed;
  std::vector<std::string> whole;
  auto stream = app.stream("2 + 3?", af::RunConfig().stream(af::stream_mode::messages));
  for (const auto& chunk : stream) {
    if (chunk.kind() == af::chunk_kind::token) {
      CHECK(chunk.path() == "helper");
      CHECK(chunk.node() == "agent");
      streamed[chunk.message_id()] += chunk.content();
    } else {
      whole.push_back(chunk.message_id());
    }
  }
  const auto result = stream.result();
  REQUIRE(streamed.size() == 2);
  std::size_t found = 0;
  for (const auto& message : result->messages) {
    if (message.role() != af::Role::assistant) continue;
    ++found;
    REQUIRE(streamed.contains(message.id()));
    CHECK(streamed[message.id()] == message.text());
  }
  CHECK(found == 2);
  CHECK(result->messages.back().text() == "The sum is 5, I am sure.");
  // Only the tool's message comes whole: nothing is delivered twice.
  REQUIRE(whole.size() == 1);
}

TEST_CASE("Cancelling a run destroys the stream of the model") {
  af::testing::VirtualLoop loop;
  auto model = std::make_shared<LongWindedModel>();
  model->clock = loop.clock();
  const auto app = af::react_agent(model).compile(af::CompileOptions().clock(loop.clock()));
  auto run = app.astream("go", af::RunConfig().stream(af::stream_mode::messages));
  const auto watch = [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 3; ++i) {
      const auto chunk = co_await run.next();
      CHECK(chunk->content() == "on ");
    }
    CHECK(Alive::count() == 1);
    run.cancel();
    for (;;) {
      const auto chunk = co_await run.next();
      if (!chunk) break;
    }
  };
  CHECK_THROWS_AS(loop.run(watch()), af::cancelled_error);
  CHECK(Alive::count() == 0);
  CHECK(loop.clock()->passed() <= 4s);
}

TEST_CASE("A turn of an agent may be cancelled or abandoned at any point") {
  const auto wait = af::tool("wait", "", []() -> asio::awaitable<std::string> {
    const Alive mark;
    co_await af::sleep(1s);  // on the loop's clock
    co_return "waited";
  });
  const auto make = [&]() -> asio::awaitable<void> {
    auto model = std::make_shared<ScriptedModel>();
    model->call("wait").reply("Done, at last.");
    af::StateGraph<> graph;
    graph.add_node("helper", af::react_agent(model, {wait}).compile());
    graph.set_entry_point("helper").add_edge("helper", "END");
    const auto app = graph.compile();
    auto run = app.astream("go", af::RunConfig().stream(af::stream_mode::messages));
    for (;;) {
      const auto chunk = co_await run.next();
      if (!chunk) break;
    }
    const auto result = co_await run.result();
    CHECK(result->messages.back().text() == "Done, at last.");
  };
  CHECK(disturb_everywhere(make) > 3);
}

TEST_CASE("Options: a prompt with fields, a state of one's own, a hook on requests, a view of the history") {
  auto model = std::make_shared<ScriptedModel>();
  model->reply("Yes.");
  af::AgentOptions options;
  options.prompt("You help {customer}, who ordered {orders}. Answer as {{\"a\": 1}}.");
  options.request([](af::ChatRequest& r) { r.temperature = 0.5; });
  options.history([](const af::List<af::Message>& all) { return std::vector<af::Message>(1, all.back()); });
  const auto app = af::react_agent<Support>(model, {}, options).compile();
  Support state;
  state.customer = "{orders} Ann";
  state.orders = {"tea", "milk"};
  state.messages.push_back(af::Message::user("one"));
  state.messages.push_back(af::Message::user("two"));
  app.invoke(state);
  const auto request = model->requests().at(0);
  CHECK(request.temperature == 0.5);
  REQUIRE(request.messages.size() == 2);
  CHECK(request.messages[0].text() == "You help {orders} Ann, who ordered [\"tea\",\"milk\"]. Answer as {\"a\": 1}.");
  CHECK(request.messages[1].text() == "two");
}

TEST_CASE("Calls that a failed run left without results are closed before the model is asked again") {
  auto model = std::make_shared<ScriptedModel>();
  model->call("add", json(R"({"a": 1, "b": 1})")).reply("Never mind.");
  const auto app =
      af::react_agent(model, {add()}).compile(af::CompileOptions().checkpointer(af::memory_checkpointer()));
  const auto thread = af::RunConfig().thread_id("t");
  CHECK_THROWS_AS(app.invoke("1 + 1?", af::RunConfig(thread).recursion_limit(1)), af::recursion_error);
  const auto result = app.invoke("Hello?", thread);
  CHECK(result->messages.back().text() == "Never mind.");
  const auto asked = model->requests().at(1).messages;
  REQUIRE(asked.size() == 4);
  CHECK(af::to_string(asked[1]) == R"(assistant: [tool_call add {"a":1,"b":1}])");
  CHECK(af::to_string(asked[2]) ==
        "tool (add): [tool_result error: The run ended before this call had a result. It may have been made.]");
  CHECK(asked[3].text() == "Hello?");
  CHECK(result->messages.size() == 4);  // the conversation itself is as it was
}

TEST_CASE("An agent that is put together wrongly is refused") {
  const auto code = [](auto make) {
    try {
      make();
    } catch (const af::error& e) {
      return e.code();
    }
    return af::errc::internal;
  };
  CHECK(code([] { af::react_agent(nullptr); }) == af::errc::agent_invalid);
  const auto model = std::make_shared<ScriptedModel>();
  CHECK(code([&] { af::react_agent(model, {}, af::AgentOptions().prompt("{customer}")); }) == af::errc::prompt_invalid);
  CHECK_NOTHROW(af::react_agent<Support>(model, {}, af::AgentOptions().prompt("{customer}")));
  for (const char* bad : {"{", "}", "a { b", "{a b}", "{}", "{a", "{{a}"})
    CHECK(code([&] { af::PromptTemplate{bad}; }) == af::errc::prompt_invalid);
}

TEST_CASE("The drawing shows agent and tools") {
  const auto drawn = af::react_agent(std::make_shared<ScriptedModel>(), {add()}).compile().to_mermaid();
  for (const char* name : {"agent", "tools", "add"}) CHECK(drawn.find(name) != std::string::npos);
}
