// SPDX-License-Identifier: MIT
// How often a random test tries, from the environment: AGENTFLOW_TRIALS=10000 for many, AGENTFLOW_SEED=7 to replay one.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace support {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// The seeds to try, one after another.
class Trials {
 public:
  explicit Trials(std::uint64_t count) : Trials(number_from("AGENTFLOW_TRIALS", count), only()) {}
  std::uint64_t first() const noexcept { return first_; }
  std::uint64_t last() const noexcept { return last_; }
  std::uint64_t count() const noexcept { return last_ - first_ + 1; }

 private:
  Trials(std::uint64_t count, std::uint64_t seed) : first_(seed != 0 ? seed : 1), last_(seed != 0 ? seed : count) {}
  static std::uint64_t only() { return number_from("AGENTFLOW_SEED", 0); }
  std::uint64_t first_, last_;
};

}  // namespace support
