// SPDX-License-Identifier: MIT
// Opt-in: makes results, chunks, errors, ids, messages and statistics printable with fmt.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

#include <agentflow/async/shutdown_stats.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/core/ids.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/graph/chunk.hpp>
#include <agentflow/run/options.hpp>
#include <agentflow/state/message.hpp>
#include <agentflow/typed/run.hpp>

/// A run's result as one line of JSON.
template <class S>
struct fmt::formatter<agentflow::RunResult<S>> : fmt::formatter<std::string_view> {
  auto format(const agentflow::RunResult<S>& r, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(r.to_json(), ctx);
  }
};

/// A chunk's content.
template <>
struct fmt::formatter<agentflow::Chunk> : fmt::formatter<std::string_view> {
  auto format(const agentflow::Chunk& c, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(c.content(), ctx);
  }
};

/// An error with all its causes, one per line.
template <class E>
struct fmt::formatter<E, std::enable_if_t<std::is_base_of_v<agentflow::error, E>, char>>
    : fmt::formatter<std::string_view> {
  auto format(const agentflow::error& e, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(agentflow::describe(static_cast<const std::exception&>(e)), ctx);
  }
};

/// A message's text.
template <>
struct fmt::formatter<agentflow::Message> : fmt::formatter<std::string_view> {
  auto format(const agentflow::Message& m, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(m.text(), ctx);
  }
};

template <>
struct fmt::formatter<agentflow::RunId> : fmt::formatter<std::string_view> {
  auto format(const agentflow::RunId& id, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(id.to_string(), ctx);
  }
};

template <>
struct fmt::formatter<agentflow::run_status> : fmt::formatter<std::string_view> {
  auto format(agentflow::run_status s, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(agentflow::to_string(s), ctx);
  }
};

template <>
struct fmt::formatter<agentflow::JsonValue> : fmt::formatter<std::string_view> {
  auto format(const agentflow::JsonValue& v, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(v.dump(), ctx);
  }
};

/// What a shutdown did, as one line of JSON.
template <>
struct fmt::formatter<agentflow::ShutdownStats> : fmt::formatter<std::string_view> {
  auto format(const agentflow::ShutdownStats& s, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(s.to_json(), ctx);
  }
};

template <>
struct fmt::formatter<agentflow::shutdown_status> : fmt::formatter<std::string_view> {
  auto format(agentflow::shutdown_status s, fmt::format_context& ctx) const {
    return fmt::formatter<std::string_view>::format(agentflow::to_string(s), ctx);
  }
};
