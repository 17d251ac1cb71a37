// SPDX-License-Identifier: MIT
// Catches a json_error and shows what is in it.
#pragma once

#include <string>
#include <string_view>

#include <agentflow/core/error.hpp>

namespace json_test {

struct Failure {
  agentflow::errc code = agentflow::errc::internal;
  std::string path, text;
};

template <class F>
Failure failure_of(F&& fn) {
  try {
    fn();
  } catch (const agentflow::json_error& e) {
    return {e.code(), e.context().field(), e.message()};
  }
  return {agentflow::errc::internal, "", "nothing was thrown"};
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

inline std::string repeated(std::string_view part, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

}  // namespace json_test
