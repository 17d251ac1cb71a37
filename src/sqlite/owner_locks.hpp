// SPDX-License-Identifier: MIT
// Private: who owns a thread, by a lock that the kernel frees when its process ends.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

namespace agentflow::detail {

/// Locks single bytes of a file of its own. Open-file-description locks: two objects exclude each other, also within a
/// process, and no close of another descriptor drops them.
class OwnerLocks : public std::enable_shared_from_this<OwnerLocks> {
 public:
  explicit OwnerLocks(const std::string& path);
  OwnerLocks(const OwnerLocks&) = delete;
  OwnerLocks& operator=(const OwnerLocks&) = delete;
  ~OwnerLocks();

  /// Takes the byte, and gives it back when the result is destroyed; null when somebody has it.
  std::shared_ptr<void> try_lock(std::int64_t byte);
  /// Whether somebody has it, here or elsewhere.
  bool locked(std::int64_t byte);

 private:
  struct Hold;
  bool set(std::int64_t byte, short type) const;

  std::mutex mutex_;
  std::unordered_set<std::int64_t> held_;
  pid_t pid_;
  int fd_;
  std::string path_;
};

}  // namespace agentflow::detail
