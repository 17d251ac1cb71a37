// SPDX-License-Identifier: MIT
// CallSite: the line that called.
#pragma once

#include <cstdint>

namespace agentflow {

/// A place in the program, for messages: as a default argument, `CallSite::current()` is the line of the call. What
/// `std::source_location` is, which clang 14 does not have.
class CallSite {
 public:
  constexpr CallSite() noexcept = default;
  static constexpr CallSite current(const char* file = __builtin_FILE(),
                                    std::uint_least32_t line = __builtin_LINE()) noexcept {
    CallSite c;
    c.file_ = file;
    c.line_ = line;
    return c;
  }
  /// Empty where it is not known.
  constexpr const char* file() const noexcept { return file_; }
  constexpr std::uint_least32_t line() const noexcept { return line_; }

 private:
  const char* file_ = "";
  std::uint_least32_t line_ = 0;
};

}  // namespace agentflow
