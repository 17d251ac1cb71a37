// SPDX-License-Identifier: MIT
// The three parts of plan_act_reflect.
#include <agentflow/prebuilt/plan_act_reflect.hpp>

#include <optional>

#include <fmt/format.h>

#include <agentflow/core/json_schema.hpp>
#include <agentflow/prebuilt/structured_output.hpp>
#include <agentflow/state/params.hpp>
#include <agentflow/state/schema_of.hpp>

namespace agentflow {
namespace detail {

struct PlannedSteps {
  std::vector<std::string> steps;
};
AGENTFLOW_PARAMS(PlannedSteps, (steps, "What to do, one step each, in order"))

struct PlanVerdict {
  std::optional<std::string> answer;
  std::optional<std::vector<std::string>> steps;
};
AGENTFLOW_PARAMS(PlanVerdict, (answer, "The answer to the question, if it can be given"),
                 (steps, "Otherwise: what else to do, one step each"))

namespace {

/// Asks for a T. What does not fit goes back to the model once.
template <class T>
asio::awaitable<T> ask_for(std::shared_ptr<ChatModel> model, std::vector<Message> messages) {
  const JsonSchema schema(schema_of<T>());
  for (int attempt = 1;; ++attempt) {
    ChatRequest request(messages);
    request.output = OutputSchema(schema_of<T>(SchemaStyle::strict));
    auto work = model->complete(std::move(request));
    const ChatResponse response = co_await std::move(work);
    std::optional<T> value;
    std::optional<Message> mend;
    try {
      value = from_json_value<T>(output_of(response.text(), schema));
    } catch (const error& fault) {
      if (attempt == 2) throw_given_up(attempt, fault);
      mend = mend_request(fault);
    }
    if (value) co_return std::move(*value);
    messages.push_back(response.message);
    messages.push_back(std::move(*mend));
  }
}

std::string numbered(const auto& lines) {
  std::string out;
  int n = 0;
  for (const std::string& line : lines) out += fmt::format("{}. {}\n", ++n, line);
  return out;
}

std::vector<Message> with_instruction(const PlanState& s, const std::string& prompt, const std::string& instruction) {
  std::vector<Message> messages(s.messages.begin(), s.messages.end());
  messages.insert(messages.begin(), Message::system(prompt.empty() ? instruction : prompt + "\n\n" + instruction));
  return messages;
}

asio::awaitable<Update<PlanState>> make_plan(std::shared_ptr<ChatModel> model, std::string prompt, PlanState s) {
  auto messages = with_instruction(s, prompt, "Do not answer yet. Make a plan: the steps that lead to the answer.");
  auto work = ask_for<PlannedSteps>(std::move(model), std::move(messages));
  PlannedSteps plan = co_await std::move(work);
  Update<PlanState> update;
  update.write<&PlanState::plan>(std::move(plan.steps)).write<&PlanState::done>(0).write<&PlanState::round>(1);
  update.overwrite<&PlanState::findings>({});  // those of the last question, in a thread
  co_return update;
}

asio::awaitable<Command<PlanState>> reflect(std::shared_ptr<ChatModel> model, std::string prompt, PlanState s,
                                            bool last) {
  std::string instruction = "These steps were done, and this came out:\n" + numbered(s.findings);
  instruction += last ? "Answer the question now, as well as you can."
                      : "If this is enough, answer the question. If not, say what else to do.";
  auto work = ask_for<PlanVerdict>(std::move(model), with_instruction(s, prompt, instruction));
  PlanVerdict verdict = co_await std::move(work);
  Command<PlanState> next;
  Update<PlanState> update;
  if (!last && !verdict.answer && verdict.steps && !verdict.steps->empty()) {
    update.write<&PlanState::plan>(std::move(*verdict.steps)).write<&PlanState::done>(0);
    update.write<&PlanState::round>(s.round + 1);
    next.go_to("act");
  } else {
    update.write<&PlanState::messages>(Message::assistant(verdict.answer.value_or("I could not find an answer.")));
    next.go_to(END);
  }
  next.update(std::move(update));
  co_return next;
}

AgentState task_of(const std::string& prompt, const PlanState& s) {
  AgentState task;
  if (!prompt.empty()) task.messages.push_back(Message::system(prompt));
  std::string text = "The question is: " + s.messages.back().text() + "\n";
  if (!s.findings.empty()) text += "So far we have:\n" + numbered(s.findings);
  text += "Now do only this step, and say what came out: " + s.plan[static_cast<std::size_t>(s.done)];
  task.messages.push_back(Message::user(std::move(text)));
  return task;
}

Update<PlanState> finding_of(const PlanState& s, const AgentState& task) {
  return Update<PlanState>()
      .write<&PlanState::findings>(
          fmt::format("{}: {}", s.plan[static_cast<std::size_t>(s.done)], task.messages.back().text()))
      .write<&PlanState::done>(s.done + 1);
}

const char* after_step(const PlanState& s) {
  return static_cast<std::size_t>(s.done) < s.plan.size() ? "act" : "reflect";
}

}  // namespace
}  // namespace detail

StateGraph<PlanState> plan_act_reflect(std::shared_ptr<ChatModel> model, ToolSet tools, AgentOptions options,
                                       int max_rounds) {
  if (max_rounds < 1) throw error(errc::agent_invalid, "plan_act_reflect needs at least one round");
  options.prompt().check<PlanState>();
  const PromptTemplate prompt = options.prompt();
  // A step has a state of its own, which the prompt's fields are not in: it gets the text.
  options.prompt(PromptTemplate());
  const auto act = react_agent(model, std::move(tools), options).compile();
  StateGraph<PlanState> graph;
  graph.add_node(
      "plan", [model, prompt](const PlanState& s) { return detail::make_plan(model, prompt.render(s), s); },
      options.node());
  graph.add_subgraph(
      "act", act, [prompt](const PlanState& s) { return detail::task_of(prompt.render(s), s); }, detail::finding_of);
  graph.add_node(
      "reflect",
      [model, prompt, max_rounds](const PlanState& s) {
        return detail::reflect(model, prompt.render(s), s, s.round >= max_rounds);
      },
      NodeOptions(options.node()).destinations({"act", "END"}));
  graph.set_entry_point("plan");
  graph.add_conditional_edges("plan", detail::after_step, {"act", "reflect"});
  graph.add_conditional_edges("act", detail::after_step, {"act", "reflect"});
  return graph;
}

}  // namespace agentflow
