// SPDX-License-Identifier: MIT
// digest as a graph: walk, then one branch per file, then rank.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <agentflow/agentflow.hpp>

#include "options.hpp"
#include "rank.hpp"
#include "stored.hpp"
#include "types.hpp"

namespace digest {

/// Adds totals language by language: a reducer of the application's own.
struct add_totals {
  using Totals = std::map<std::string, LanguageTotals>;
  static agentflow::Diff<Totals> diff(const Totals& base, Totals&& mine) {
    return base == mine ? agentflow::Diff<Totals>::none() : agentflow::Diff<Totals>::replaced();
  }
  static void apply(Totals& value, Totals delta) {
    for (auto& [language, totals] : delta) value[language] += totals;
  }
};

/// What the nodes share. Branches never see each other's reports; the reducers put them together.
struct Corpus {
  std::vector<std::string> roots;
  std::uint64_t max_bytes = default_max_bytes;
  std::vector<FileJob> jobs;
  std::uint64_t planned = 0;
  std::vector<Problem> problems;
  std::vector<std::string> skipped;
  agentflow::List<FileReport> reports;
  std::map<std::string, LanguageTotals> languages;
  bool walk_stopped = false;
  Digest digest;
};
AGENTFLOW_STATE(Corpus, roots, max_bytes, jobs, planned, problems, skipped, (reports, agentflow::append),
                (languages, add_totals), walk_stopped, digest)

/// What the nodes need of the program: how to learn that it should end.
struct Session {
  std::stop_source stop;
};

/// What one branch takes: a file, and how much of it.
struct MeasureJob {
  FileJob file;
  std::uint64_t max_bytes = default_max_bytes;
};
AGENTFLOW_STATE(MeasureJob, file, max_bytes)

/// The graph: START -> walk -> {measure for each file} -> rank -> END. With a checkpointer its runs can be left off.
agentflow::CompiledGraph<Corpus> make_graph(std::size_t jobs,
                                            std::shared_ptr<agentflow::Checkpointer> checkpointer = nullptr);

/// The digest of a run that may have been stopped before it ranked.
Digest digest_of(Corpus state, bool stopped);

}  // namespace digest
