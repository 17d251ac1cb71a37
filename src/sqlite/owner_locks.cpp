// SPDX-License-Identifier: MIT
// Ownership by open-file-description locks.
#include "sqlite/owner_locks.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>

namespace agentflow::detail {
namespace {

[[noreturn]] void fail(const std::string& path, const char* doing) {
  const std::error_code code(errno, std::generic_category());
  throw storage_error(errc::storage_unavailable, fmt::format("{} {}: {}; the file must be on a local disk and writable",
                                                             doing, path, code.message()));
}

}  // namespace

struct OwnerLocks::Hold {
  Hold(std::shared_ptr<OwnerLocks> l, std::int64_t b) : locks(std::move(l)), byte(b) {}
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    if (::getpid() != locks->pid_) return;  // a forked child shares the lock: it is the parent's to give back
    std::lock_guard lock(locks->mutex_);
    locks->held_.erase(byte);
    locks->set(byte, F_UNLCK);
  }
  std::shared_ptr<OwnerLocks> locks;
  std::int64_t byte;
};

OwnerLocks::OwnerLocks(const std::string& path)
    : pid_(::getpid()), fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)), path_(path) {
  if (fd_ < 0) fail(path_, "opening");
}
OwnerLocks::~OwnerLocks() { ::close(fd_); }

bool OwnerLocks::set(std::int64_t byte, short type) const {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return ::fcntl(fd_, F_OFD_SETLK, &lock) == 0;
}

std::shared_ptr<void> OwnerLocks::try_lock(std::int64_t byte) {
  std::lock_guard lock(mutex_);
  if (held_.contains(byte)) return nullptr;
  held_.insert(byte);
  if (!set(byte, F_WRLCK)) {
    const int code = errno;
    held_.erase(byte);
    if (code == EAGAIN || code == EACCES) return nullptr;
    errno = code;
    fail(path_, "locking");
  }
  try {
    return std::make_shared<Hold>(shared_from_this(), byte);
  } catch (...) {
    held_.erase(byte);
    set(byte, F_UNLCK);
    throw;
  }
}

bool OwnerLocks::locked(std::int64_t byte) {
  {
    std::lock_guard lock(mutex_);
    if (held_.contains(byte)) return true;
  }
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  if (::fcntl(fd_, F_OFD_GETLK, &lock) != 0) fail(path_, "asking for the lock of");
  return lock.l_type != F_UNLCK;
}

}  // namespace agentflow::detail
