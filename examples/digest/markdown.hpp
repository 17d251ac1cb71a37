// SPDX-License-Identifier: MIT
// Finds the headings of a Markdown document. A pure function; safe to call from any thread.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "types.hpp"

namespace digest {

inline constexpr std::size_t max_headings = 200;
inline constexpr std::size_t max_heading_length = 200;  // Characters.

/// Finds "# ATX" and underlined (setext) headings, in order, at most `max_headings`. Skips fenced and indented code,
/// HTML comments and front matter. Follows CommonMark as far as single lines tell; the text is kept as written, without
/// closing "#"s.
std::vector<Heading> find_headings(std::string_view text);

}  // namespace digest
