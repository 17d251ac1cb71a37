// SPDX-License-Identifier: MIT
// The nodes of digest.
#include "graph.hpp"

#include <utility>

#include <agentflow/core/json.hpp>

#include "analyze.hpp"
#include "walk.hpp"

namespace digest {

namespace af = agentflow;

namespace {

af::Update<Corpus> walk_roots(const Corpus& state, af::NodeContext& ctx) {
  WalkOptions options;
  options.display_base = state.roots.size() == 1 ? state.roots.front() : std::string();
  options.stop = ctx.user<Session>().stop.get_token();
  auto found = walk(state.roots, options);
  nlohmann::json progress(nlohmann::json::value_t::object);
  progress["planned"] = found.jobs.size();
  ctx.write(af::JsonValue(std::move(progress)));
  af::Update<Corpus> update;
  update.write<&Corpus::planned>(found.jobs.size());
  update.write<&Corpus::walk_stopped>(found.stopped);
  update.write<&Corpus::jobs>(std::move(found.jobs));
  update.write<&Corpus::problems>(std::move(found.problems));
  update.write<&Corpus::skipped>(std::move(found.skipped));
  return update;
}

af::Route one_branch_per_file(const Corpus& state) {
  if (state.jobs.empty()) return "rank";
  af::Route route;
  for (const auto& job : state.jobs) route.add(af::Send("measure", MeasureJob{job, state.max_bytes}));
  return route;
}

af::Update<Corpus> measure(const MeasureJob& job) {
  auto report = analyze(job.file, job.max_bytes);
  std::map<std::string, LanguageTotals> totals;
  totals[report.language] = totals_of(report);
  af::Update<Corpus> update;
  update.write<&Corpus::languages>(std::move(totals));
  update.write<&Corpus::reports>(std::move(report));
  return update;
}

Corpus rank_all(Corpus state) {
  state.digest = digest_of(state, false);
  return state;
}

}  // namespace

af::CompiledGraph<Corpus> make_graph(std::size_t jobs, std::shared_ptr<af::Checkpointer> checkpointer) {
  af::StateGraph<Corpus> graph;
  // The disk is slow and measuring takes time: neither belongs on the event loop.
  graph.add_node("walk", af::blocking(walk_roots));
  graph.add_node("measure", af::blocking(measure));
  graph.add_node("rank", af::blocking(rank_all));
  graph.set_entry_point("walk");
  graph.add_conditional_edges("walk", one_branch_per_file, std::vector<std::string>{"measure", "rank"});
  graph.add_edge("measure", "rank");
  graph.add_edge("rank", "END");
  return graph.compile(af::CompileOptions().blocking_threads(jobs).checkpointer(std::move(checkpointer)));
}

Digest digest_of(Corpus state, bool stopped) {
  Collected collected;
  collected.reports = state.reports.to_vector();
  collected.problems = std::move(state.problems);
  collected.skipped = std::move(state.skipped);
  collected.planned = state.planned;
  collected.stopped = stopped || state.walk_stopped;
  return rank(std::move(collected));
}

}  // namespace digest
