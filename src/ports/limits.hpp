// SPDX-License-Identifier: MIT
// Private: what names and sizes storage accepts, checked in one place for every backend.
#pragma once

#include <cstddef>
#include <string_view>

namespace agentflow::detail {

inline constexpr std::size_t max_thread_bytes = 255;
inline constexpr std::size_t max_key_bytes = 1024;
inline constexpr std::size_t max_blob_bytes = std::size_t{256} << 20;

/// Throws `config_error` unless `name` is UTF-8 without control characters and of `min` to `max` bytes. `what` is how
/// the message calls it, such as "the thread id".
void check_name(std::string_view name, std::string_view what, std::size_t min, std::size_t max);
inline void check_thread(std::string_view thread) { check_name(thread, "the thread id", 1, max_thread_bytes); }
inline void check_ns(std::string_view ns) { check_name(ns, "the namespace", 0, max_key_bytes); }
/// Throws `config_error` when there are more than `max_blob_bytes`.
void check_blob(std::string_view bytes, std::string_view what);

}  // namespace agentflow::detail
