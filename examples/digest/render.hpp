// SPDX-License-Identifier: MIT
// Writes a digest as text or JSON, a progress bar, and trace events. Pure functions; safe to call from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rank.hpp"

namespace digest {

struct TextOptions {
  std::size_t top = 20;     ///< Files, groups and problems shown; 0: all.
  std::size_t width = 100;  ///< Columns; at least 60 are used.
  bool color = false;       ///< Whether to use ANSI colours.
};

/// Writes the report for people: totals, terms, languages, ranked files, near-duplicates, problems. No line is wider
/// than `width`, and no name, however odd, can change what the terminal does.
std::string render_text(const Digest& digest, const TextOptions& options = {});

/// Writes everything as one JSON object with "format": "digest/1". Valid UTF-8 whatever the files are called: bytes
/// that are not become U+FFFD.
std::string render_json(const Digest& digest);

/// Draws the progress in exactly `width` columns (a terminal's width less one, so that the cursor stays in the line):
/// "[=====>    ]  42/100  42%  docs/a.md". Without colours and line ends; write "\r" before it. A narrow bar loses the
/// file first, then the bar.
std::string progress_bar(std::uint64_t done, std::uint64_t total, std::size_t width, std::string_view last_file);

/// Something that took time.
struct TraceEvent {
  std::string name;
  std::string category;
  std::uint64_t start_us = 0;  ///< Microseconds from the beginning of the run.
  std::uint64_t duration_us = 0;
  std::uint32_t lane = 0;  ///< Events of one lane nest or follow each other.

  bool operator==(const TraceEvent&) const = default;
};

/// Writes events as Chrome trace JSON, which opens in https://ui.perfetto.dev: one process, a track for each lane. The
/// order of `events` does not matter.
std::string render_trace(std::vector<TraceEvent> events);

}  // namespace digest
