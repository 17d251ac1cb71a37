// SPDX-License-Identifier: MIT
// How digest's values are kept with --resume. Names of files must be UTF-8 then.
#pragma once

#include <agentflow/state/describe.hpp>

#include "rank.hpp"
#include "types.hpp"

namespace digest {

AGENTFLOW_STATE(FileJob, path, display, index, size_hint)
AGENTFLOW_STATE(Heading, level, text, line)
AGENTFLOW_STATE(TermCount, term, count)
AGENTFLOW_STATE(FileReport, job, status, detail, language, bytes, lines, blank_lines, comment_lines, longest_line,
                invalid_bytes, words, term_total, terms, headings, shingles, signature)
AGENTFLOW_STATE(Problem, path, kind, detail)
AGENTFLOW_STATE(LanguageTotals, language, files, bytes, lines, blank_lines, comment_lines, words)
AGENTFLOW_STATE(ScoredTerm, term, score, files, count)
AGENTFLOW_STATE(RankedFile, report, importance, mentions, telling, duplicate_group)
AGENTFLOW_STATE(DuplicateGroup, paths, similarity)
AGENTFLOW_STATE(Digest, files, languages, total, terms, duplicates, problems, skipped, planned, seen, stopped)

}  // namespace digest
