// SPDX-License-Identifier: MIT
// Every step of a thread stays: look at it, go on from it another way, change it, compare.
#include <iostream>
#include <string>
#include <utility>

#include <agentflow/agentflow.hpp>
#include <agentflow/memory/memory_checkpointer.hpp>

namespace af = agentflow;

struct Walk {
  std::string heading = "north";
  af::List<std::string> path;
  int miles = 0;
};
AGENTFLOW_STATE(Walk, heading, (path, af::append), (miles, af::sum))

Walk step(Walk w) {
  w.path.push_back(w.heading);
  ++w.miles;
  return w;
}

std::string text(const Walk& w) {
  std::string out;
  for (const auto& p : w.path) out += p + " ";
  return out + "(" + std::to_string(w.miles) + " miles)";
}

int main() {
  af::StateGraph<Walk> graph;
  graph.add_node("step", step)
      .set_entry_point("step")
      .add_conditional_edges("step", [](const Walk& w) { return w.miles < 4 ? "step" : "END"; }, {"step", "END"});
  const auto app = graph.compile(af::CompileOptions().checkpointer(af::memory_checkpointer()));
  const auto thread = af::RunConfig().thread_id("walk");

  const auto walked = app.invoke(Walk(), thread);
  std::cout << "walked:    " << text(*walked) << "\n";

  const auto history = app.get_state_history("walk");
  for (const auto& s : history) std::cout << "  " << s.id << "  step " << s.step << "  " << text(*s) << "\n";

  // A branch: the same walk, but after two miles it turns east. What was is still there.
  const auto halfway = history[2].id;
  const auto turned = app.update_state("walk", af::Update<Walk>().write<&Walk::heading>("east"), {}, halfway);
  const auto branch = app.invoke(af::Resume(), thread);
  std::cout << "branched:  " << text(*branch) << "\n";
  std::cout << "unchanged: " << text(*app.get_state("walk", walked.checkpoint_id()).value()) << "\n";
  std::cout << "differs:   " << app.diff("walk", halfway, branch.checkpoint_id()).dump() << "\n";

  // A copy of the thread has a life of its own.
  app.fork("walk", turned, "another walk");
  std::cout << "copied:    " << text(*app.invoke(af::Resume(), af::RunConfig().thread_id("another walk"))) << "\n";
  return text(*branch) == "north north east east (4 miles)" ? 0 : 1;
}
