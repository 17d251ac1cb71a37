// SPDX-License-Identifier: MIT
// Reads one file and measures it. Functions of their arguments and the file only; safe to call from any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "types.hpp"

namespace digest {

/// Reads and measures one file. What is wrong with it is in the report's `status` and `detail`, never an exception.
///
/// A file is binary if it has a NUL byte, or if more than a third of its bytes are control characters or not UTF-8
/// (the rule of Perl's -B). Such a file, an empty one and one larger than `max_bytes` get no measures beyond their
/// size. Folders, pipes, sockets and devices are not opened.
///
/// **Errors** `std::bad_alloc` only. **Thread safety** safe, also for the same file. **Units/limits** `max_bytes` is
/// cut to `hard_max_bytes`; a file that grows past the limit while it is read is too large. Memory: the file's size,
/// and for a text of few repetitions a few times that for its words. **Complexity/blocking** blocks on the disk;
/// linear.
FileReport analyze(const FileJob& job, std::uint64_t max_bytes = default_max_bytes);

/// Measures content that has been read already; the pure half of `analyze`. Reads no file. Lines end at "\n" or "\r\n".
FileReport analyze_content(const FileJob& job, std::string_view content);

}  // namespace digest
