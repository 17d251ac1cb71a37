// SPDX-License-Identifier: MIT
// A human in the loop: the run asks before it sends, waits as long as it takes, and goes on with the answer.
#include <iostream>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <agentflow/memory/memory_checkpointer.hpp>
#include <asio/awaitable.hpp>

namespace af = agentflow;

struct Mail {
  std::string to, text;
  af::List<std::string> log;
};
AGENTFLOW_STATE(Mail, to, text, (log, af::append))

af::Update<Mail> note(std::string line) { return af::Update<Mail>().write<&Mail::log>(std::move(line)); }

af::Update<Mail> draft(const Mail& mail) {
  return note("drafted").write<&Mail::text>("Dear " + mail.to + ", the meeting is moved to Monday.");
}

/// Runs twice: until it asks, and again from its beginning with the answer. What must not be done twice is in once().
asio::awaitable<af::Update<Mail>> approve(const Mail& mail, af::NodeContext& ctx) {
  auto look_up = [] { return std::string("address book, read once"); };
  auto reading = ctx.once("address", look_up);
  const std::string source = co_await std::move(reading);
  auto question = ctx.interrupt<std::string>("Send \"" + mail.text + "\"? (yes, no, or another text) ");
  const std::string answer = co_await std::move(question);
  if (answer == "yes") co_return note("approved, " + source);
  if (answer == "no") co_return note("refused").write<&Mail::text>(std::string());
  co_return note("rewritten").write<&Mail::text>(answer);
}

af::Update<Mail> send(const Mail& mail) { return note(mail.text.empty() ? "not sent" : "sent: " + mail.text); }

/// Asks whoever sits at the terminal; without one, everything is fine.
std::string ask(const af::Interrupt& interrupt) {
  const auto question = af::from_json_value<std::string>(interrupt.payload);
  std::cout << question << std::flush;
  std::string line;
  if (!std::getline(std::cin, line) || line.empty()) line = "yes";
  std::cout << line << "\n";
  return line;
}

int main() {
  af::StateGraph<Mail> graph;
  graph.add_node("draft", draft).add_node("approve", approve).add_node("send", send);
  graph.set_entry_point("draft").add_edge("draft", "approve").add_edge("approve", "send").add_edge("send", "END");
  const auto app = graph.compile(af::CompileOptions().checkpointer(af::memory_checkpointer()));

  const auto thread = af::RunConfig().thread_id("mail-1");
  Mail mail;
  mail.to = "Ann";
  auto result = app.invoke(std::move(mail), thread);
  while (result.status() == af::run_status::interrupted) {
    af::Resume answers;
    for (const auto& interrupt : result.interrupts()) answers.answer(interrupt.id, ask(interrupt));
    result = app.invoke(answers, thread);
  }
  for (const auto& line : result->log) std::cout << line << "\n";
  return result->log.size() == 3 ? 0 : 1;
}
