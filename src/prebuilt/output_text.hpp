// SPDX-License-Identifier: MIT
// Private: the JSON in what a model wrote.
#pragma once

#include <string_view>

namespace agentflow::detail {

/// The text without white space around it.
std::string_view trimmed(std::string_view text);
/// The text inside a code fence, if it is in one, trimmed: some models fence JSON whatever they are told.
std::string_view json_part(std::string_view text);

}  // namespace agentflow::detail
