// SPDX-License-Identifier: MIT
// agent: what a turn of an agent costs beside its model, and beside its tools; against the same calls in a loop.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "workloads.hpp"

namespace bench {

struct Sum {
  int a = 0, b = 0;
};
AGENTFLOW_PARAMS(Sum, a, b)

namespace {

/// Answers at once: so many calls of a tool, one after the other, then a text.
class Instant final : public af::ChatModel {
 public:
  explicit Instant(int calls) : calls_(calls), arguments_(af::JsonValue::parse(R"({"a": 1, "b": 2})")) {}
  asio::awaitable<af::ChatResponse> complete(af::ChatRequest request) override {
    int done = 0;
    for (const af::Message& message : request.messages) done += message.role() == af::Role::tool ? 1 : 0;
    if (done == calls_) co_return af::ChatResponse(af::Message::assistant("Done."));
    std::vector<af::ContentBlock> call(1, af::ToolCallBlock("call_" + std::to_string(done), "add", arguments_));
    co_return af::ChatResponse(af::Message(af::Role::assistant, std::move(call)), af::StopReason::tool_calls);
  }
  std::unique_ptr<af::ChatStream> stream(af::ChatRequest) override { return nullptr; }
  std::string name() const override { return "instant"; }

 private:
  int calls_;
  af::JsonValue arguments_;
};

std::shared_ptr<af::Tool> adder() {
  return af::tool("add", "Adds two numbers", [](const Sum& s) { return s.a + s.b; });
}

asio::awaitable<void> agents(const af::CompiledGraph<af::AgentState>& agent, int calls, long runs) {
  for (long i = 0; i < runs; ++i) {
    auto run = agent.ainvoke("Add", af::RunConfig().recursion_limit(1'000));
    const auto result = co_await std::move(run);
    verify(result->messages.size() == static_cast<std::size_t>(2 * calls + 2), "agent: the messages");
  }
}

/// The same conversation by hand: the model is asked, its arguments are read, the numbers are added.
asio::awaitable<void> by_hand(std::shared_ptr<af::ChatModel> model, std::shared_ptr<af::Tool> tool, int calls,
                              long runs) {
  for (long i = 0; i < runs; ++i) {
    af::ChatRequest request("Add");
    request.tools.push_back(tool->spec());
    for (;;) {
      auto asked = model->complete(request);
      af::ChatResponse answer = co_await std::move(asked);
      request.messages.push_back(answer.message);
      if (answer.stop != af::StopReason::tool_calls) break;
      for (const af::ToolCallBlock& call : answer.message.tool_calls()) {
        const auto sum = af::from_json_value<Sum>(call.arguments);
        request.messages.push_back(af::Message::tool(call.id, std::to_string(sum.a + sum.b)));
      }
    }
    verify(request.messages.size() == static_cast<std::size_t>(2 * calls + 2), "agent: the messages by hand");
  }
}

}  // namespace

void agents(Session& session) {
  std::optional<Row> rows[2];
  int at = 0;
  for (const int calls : {0, 1, 9}) {
    const auto model = std::make_shared<Instant>(calls);
    const auto tool = adder();
    const auto agent = af::react_agent(model, {tool}).compile();
    const auto row = session.measure(Case{
        .workload = "agent",
        .variant = calls == 0 ? "an answer"
                              : std::to_string(calls) + (calls == 1 ? " tool turn, answer" : " tool turns, answer"),
        .run =
            [&](long n) {
              asio::io_context loop(1);
              run_on(loop, agents(agent, calls, n));
            },
        .floor =
            [&](long n) {
              asio::io_context loop(1);
              run_on(loop, by_hand(model, tool, calls, n));
            },
        .count_instructions = true});
    if (calls > 0) rows[at++] = row;
  }
  session.add_slope(Row{.workload = "agent", .variant = "model and one tool", .unit = "turn"}, rows[0], 1, rows[1], 9);
}

}  // namespace bench
