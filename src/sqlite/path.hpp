// SPDX-License-Identifier: MIT
// Private: which paths are opened.
#pragma once

#include <filesystem>
#include <string>

#include <agentflow/core/error.hpp>

namespace agentflow::detail {

/// The absolute path, so that a change of the working directory changes nothing.
inline std::string database_path(const std::string& path) {
  if (path.empty() || path == ":memory:" || path.find('\0') != std::string::npos)
    throw config_error(errc::bad_config,
                       "a SQLite database here needs the path of a file; for memory there are memory_checkpointer() "
                       "and memory_store()");
  return std::filesystem::absolute(path).string();
}

}  // namespace agentflow::detail
