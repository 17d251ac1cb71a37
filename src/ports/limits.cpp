// SPDX-License-Identifier: MIT
// The limits of storage.
#include "ports/limits.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>

#include "core/json_text.hpp"

namespace agentflow::detail {

void check_name(std::string_view name, std::string_view what, std::size_t min, std::size_t max) {
  auto fail = [&](std::string_view why) {
    throw config_error(errc::bad_config, fmt::format("{} {} (got {})", what, why, quoted(name)));
  };
  if (name.size() < min) fail("must not be empty");
  if (name.size() > max) fail(fmt::format("must have at most {} bytes, not {}", max, name.size()));
  if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
    fail("must not hold control characters");
  if (find_invalid_utf8(name) != all_valid) fail("must be UTF-8");
}

void check_blob(std::string_view bytes, std::string_view what) {
  if (bytes.size() > max_blob_bytes)
    throw config_error(errc::bad_config,
                       fmt::format("{} has {} bytes; at most {} can be stored", what, bytes.size(), max_blob_bytes));
}

}  // namespace agentflow::detail
