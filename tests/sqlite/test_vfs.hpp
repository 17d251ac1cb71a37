// SPDX-License-Identifier: MIT
// A disk in memory for SQLite: it can fail at the k-th operation, and show what a power failure would leave of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

/// What the k-th operation does instead of working.
enum class Fault {
  none,
  full,         // ENOSPC
  io,           // EIO
  short_write,  // half of the data, then ENOSPC
  read_only,    // EROFS: writes, truncations and new files
};

/// Something that was done to a file, in order.
struct DiskOperation {
  enum Kind { write, truncate, sync, remove } kind = write;
  std::string file;
  std::int64_t offset = 0;  // truncate: the new size
  std::string data;
};

/// Files in memory, and everything that happened to them.
class TestDisk {
 public:
  using Files = std::map<std::string, std::string>;

  /// Fails operation number `at` from now (1: the next), or that and all after it until `repair`.
  void fail(Fault fault, std::uint64_t at, bool persistent);
  void repair() { fail(Fault::none, 0, false); }
  std::uint64_t operations() const { return operations_; }
  bool failed() const { return failed_; }

  Files files;
  std::vector<DiskOperation> log;
  bool record = false;

  /// For the VFS: whether the operation that begins now must fail. Call with the mutex held.
  Fault next(bool writes);
  std::mutex mutex;

 private:
  Fault fault_ = Fault::none;
  std::uint64_t operations_ = 0, fail_at_ = 0;
  bool persistent_ = false, failed_ = false;
};

/// Makes SQLite's VFS "agentflow-test" work on this disk; null: on none. One disk at a time.
void use_disk(std::shared_ptr<TestDisk> disk);
inline constexpr const char* test_vfs_name = "agentflow-test";

/// Follows a log and gives what the disk may hold if the power fails after so many operations.
class CrashImages {
 public:
  enum Loss { none, all, prefix, reordered, torn };
  static constexpr int losses = 5;

  explicit CrashImages(const std::vector<DiskOperation>& log) : log_(log) {}
  /// Never goes back: `operations` grows from call to call.
  void advance(std::size_t operations);
  /// What was synced is there; of what was not, this is lost.
  TestDisk::Files image(Loss loss, std::mt19937& random) const;

 private:
  static void apply(TestDisk::Files& files, const DiskOperation& op);

  const std::vector<DiskOperation>& log_;
  std::size_t at_ = 0;
  TestDisk::Files synced_;
  std::map<std::string, std::vector<const DiskOperation*>> pending_;
};
