// SPDX-License-Identifier: MIT
// Finds the files to look at. A function of its arguments and the file system; safe to call from any thread.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "types.hpp"

namespace digest {

struct WalkOptions {
  std::string display_base;  ///< Files inside this folder are displayed relative to it; empty: as their root was given.
  std::stop_token stop;      ///< Asked before each entry.
};

/// What a walk found. Everything is sorted by bytes, so the same tree gives the same result on every machine.
struct WalkResult {
  std::vector<FileJob> jobs;         ///< By `display`; each file once.
  std::vector<Problem> problems;     ///< Missing roots, unreadable folders, broken links. By path.
  std::vector<std::string> skipped;  ///< Folders passed over on purpose, as displayed.
  bool stopped = false;              ///< The walk was asked to stop: `jobs` is what it had found.

  bool operator==(const WalkResult&) const = default;
};

/// Collects the files of `roots`, which may be files and folders, recursively.
///
/// Folders met on the way are skipped if they are hidden (".git"), if they hold what a build made ("build",
/// "build-...", "cmake-build-...", "_build", "node_modules", "__pycache__", or with a CMakeCache.txt or CACHEDIR.TAG
/// inside), or if they are symbolic links, so there are no loops. A root is never skipped. Links to files are followed;
/// a file that is reached in several ways counts once, under its own name if that was seen. Pipes, sockets and devices
/// become jobs too: `analyze` reports them.
///
/// **Errors** what is wrong with the file system is a `Problem`; throws `std::bad_alloc` only. **Complexity/blocking**
/// blocks on the disk; O(n log n).
WalkResult walk(const std::vector<std::string>& roots, const WalkOptions& options = {});

}  // namespace digest
