// SPDX-License-Identifier: MIT
// Random identifiers: of runs, and of messages.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include <agentflow/core/config.hpp>

namespace agentflow {

/// Names a run: 128 random bits. Unique without any coordination, also across processes and after `fork`.
///
/// Not a secret: the generator is fast, not cryptographic.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe while nobody assigns to them.
class AGENTFLOW_API RunId {
 public:
  /// The length of the text form.
  static constexpr std::size_t text_size = 26;

  /// Makes the nil id, which no run has.
  constexpr RunId() noexcept = default;

  /// Makes a new id. Does not allocate.
  static RunId make();
  /// Reads what `to_string` wrote, and nothing else.
  static std::optional<RunId> parse(std::string_view text) noexcept;

  constexpr bool is_nil() const noexcept { return high_ == 0 && low_ == 0; }
  /// Gives 26 characters, digits and lower-case letters without i, l, o and u (Crockford's base 32).
  std::string to_string() const;

  friend constexpr auto operator<=>(const RunId&, const RunId&) noexcept = default;

 private:
  friend struct std::hash<RunId>;
  constexpr RunId(std::uint64_t high, std::uint64_t low) noexcept : high_(high), low_(low) {}
  std::uint64_t high_ = 0, low_ = 0;
};

AGENTFLOW_API std::ostream& operator<<(std::ostream& out, const RunId& id);

/// Makes an id for a message: "m" and 14 characters of 64 kinds (84 random bits), short enough to need no allocation.
AGENTFLOW_API std::string make_message_id();

}  // namespace agentflow

template <>
struct std::hash<agentflow::RunId> {
  std::size_t operator()(const agentflow::RunId& id) const noexcept { return static_cast<std::size_t>(id.low_); }
};
