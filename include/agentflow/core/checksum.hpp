// SPDX-License-Identifier: MIT
// A checksum for what is stored: finds damage, proves nothing against an attacker.
#pragma once

#include <cstdint>
#include <string_view>

#include <agentflow/core/config.hpp>

namespace agentflow {

/// Computes XXH64 of the bytes: the same on every machine and in every release, so it may be stored.
///
/// A changed bit goes unnoticed once in 2^64 times. Not cryptographic: who can write the data can write a fitting sum.
///
/// **Source** The XXH64 algorithm as specified in xxHash's `doc/xxhash_spec.md`.
AGENTFLOW_API std::uint64_t checksum64(std::string_view bytes, std::uint64_t seed = 0) noexcept;

}  // namespace agentflow
