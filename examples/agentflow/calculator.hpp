// SPDX-License-Identifier: MIT
// Arithmetic on text.
#pragma once

#include <string>
#include <string_view>

namespace agent_cli {

/// Works out an expression: numbers, + - * / % ^, parentheses, pi and e, and sqrt, abs, round, floor, ceil, ln, log,
/// exp, sin, cos, tan, min, max.
///
/// **Errors** `agentflow::tool_error` with what is wrong and where. **Units/limits** 1,000 characters.
double calculate(std::string_view expression);

/// Writes a result as people do: 42 and not 42.0, 0.1 and not 0.10000000000000001.
std::string number_text(double value);

}  // namespace agent_cli
