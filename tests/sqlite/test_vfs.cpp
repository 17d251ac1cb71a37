// SPDX-License-Identifier: MIT
// The disk in memory, as a VFS of SQLite.
#include "sqlite/test_vfs.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <set>

namespace {

std::shared_ptr<TestDisk> current_disk;

/// What the connections to one file share.
struct Shared {
  int readers = 0;
  bool reserved = false, exclusive = false;
  std::vector<std::unique_ptr<char[]>> regions;
  std::array<int, SQLITE_SHM_NLOCK> slots{};  // -1: exclusive, else the number of readers
};
std::map<std::string, std::weak_ptr<Shared>> shared_files;

struct File {
  sqlite3_file base;
  std::shared_ptr<TestDisk> disk;
  std::shared_ptr<Shared> shared;
  std::string name;
  int lock;
  bool remove_on_close;
};

File& file_of(sqlite3_file* f) { return *reinterpret_cast<File*>(f); }

int code_of(Fault fault, int io_code) {
  switch (fault) {
    case Fault::none: return SQLITE_OK;
    case Fault::full:
    case Fault::short_write: return SQLITE_FULL;
    case Fault::io: return io_code;
    case Fault::read_only: return SQLITE_READONLY;
  }
  return SQLITE_OK;
}

int x_close(sqlite3_file* f) {
  File& file = file_of(f);
  if (file.remove_on_close) file.disk->files.erase(file.name);
  file.~File();
  return SQLITE_OK;
}

int x_read(sqlite3_file* f, void* to, int size, sqlite3_int64 at) {
  File& file = file_of(f);
  std::lock_guard lock(file.disk->mutex);
  if (const Fault fault = file.disk->next(false); fault == Fault::io) return SQLITE_IOERR_READ;
  const std::string& data = file.disk->files[file.name];
  const auto start = std::min<std::size_t>(static_cast<std::size_t>(at), data.size());
  const auto count = std::min<std::size_t>(static_cast<std::size_t>(size), data.size() - start);
  std::memcpy(to, data.data() + start, count);
  std::memset(static_cast<char*>(to) + count, 0, static_cast<std::size_t>(size) - count);
  return count == static_cast<std::size_t>(size) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

void write_to(std::string& data, std::string_view bytes, std::size_t at) {
  if (data.size() < at + bytes.size()) data.resize(at + bytes.size());
  std::memcpy(data.data() + at, bytes.data(), bytes.size());
}

int x_write(sqlite3_file* f, const void* from, int size, sqlite3_int64 at) {
  File& file = file_of(f);
  std::lock_guard lock(file.disk->mutex);
  const Fault fault = file.disk->next(true);
  if (fault != Fault::none && fault != Fault::short_write) return code_of(fault, SQLITE_IOERR_WRITE);
  if (fault == Fault::short_write) size /= 2;
  const std::string_view bytes(static_cast<const char*>(from), static_cast<std::size_t>(size));
  write_to(file.disk->files[file.name], bytes, static_cast<std::size_t>(at));
  if (file.disk->record)
    file.disk->log.push_back(DiskOperation{DiskOperation::write, file.name, at, std::string(bytes)});
  return fault == Fault::short_write ? SQLITE_FULL : SQLITE_OK;
}

int x_truncate(sqlite3_file* f, sqlite3_int64 size) {
  File& file = file_of(f);
  std::lock_guard lock(file.disk->mutex);
  if (const Fault fault = file.disk->next(true); fault != Fault::none) return code_of(fault, SQLITE_IOERR_TRUNCATE);
  file.disk->files[file.name].resize(static_cast<std::size_t>(size));
  if (file.disk->record) file.disk->log.push_back(DiskOperation{DiskOperation::truncate, file.name, size, ""});
  return SQLITE_OK;
}

int x_sync(sqlite3_file* f, int) {
  File& file = file_of(f);
  std::lock_guard lock(file.disk->mutex);
  if (const Fault fault = file.disk->next(true); fault != Fault::none) return code_of(fault, SQLITE_IOERR_FSYNC);
  if (file.disk->record) file.disk->log.push_back(DiskOperation{DiskOperation::sync, file.name, 0, ""});
  return SQLITE_OK;
}

int x_file_size(sqlite3_file* f, sqlite3_int64* size) {
  File& file = file_of(f);
  std::lock_guard lock(file.disk->mutex);
  if (file.disk->next(false) == Fault::io) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(file.disk->files[file.name].size());
  return SQLITE_OK;
}

int x_lock(sqlite3_file* f, int level) {
  File& file = file_of(f);
  std::lock_guard lock(file.disk->mutex);
  Shared& s = *file.shared;
  if (level <= file.lock) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    if (s.exclusive) return SQLITE_BUSY;
    ++s.readers;
  } else if (level == SQLITE_LOCK_RESERVED) {
    if (s.reserved) return SQLITE_BUSY;
    s.reserved = true;
  } else {
    if (s.readers > 1) return SQLITE_BUSY;
    s.reserved = s.exclusive = true;
  }
  file.lock = level;
  return SQLITE_OK;
}

int x_unlock(sqlite3_file* f, int level) {
  File& file = file_of(f);
  std::lock_guard lock(file.disk->mutex);
  Shared& s = *file.shared;
  if (file.lock > SQLITE_LOCK_SHARED && level <= SQLITE_LOCK_SHARED) s.reserved = s.exclusive = false;
  if (file.lock >= SQLITE_LOCK_SHARED && level == SQLITE_LOCK_NONE) --s.readers;
  file.lock = std::min(file.lock, level);
  return SQLITE_OK;
}

int x_check_reserved(sqlite3_file* f, int* out) {
  *out = file_of(f).shared->reserved ? 1 : 0;
  return SQLITE_OK;
}
int x_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int x_sector_size(sqlite3_file*) { return 4096; }
// As the disks that SQLite's own VFS assumes: a write leaves alone what is beside it.
int x_characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int x_shm_map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
  Shared& s = *file_of(f).shared;
  const auto index = static_cast<std::size_t>(region);
  if (index >= s.regions.size()) {
    *out = nullptr;
    if (!extend) return SQLITE_OK;
    while (s.regions.size() <= index) s.regions.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));
  }
  *out = s.regions[index].get();
  return SQLITE_OK;
}

int x_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  File& file = file_of(f);
  std::lock_guard lock(file.disk->mutex);
  auto& slots = file.shared->slots;
  const auto first = slots.begin() + offset, last = first + n;
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    for (auto slot = first; slot != last; ++slot) *slot = (flags & SQLITE_SHM_EXCLUSIVE) != 0 ? 0 : *slot - 1;
    return SQLITE_OK;
  }
  if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
    if (std::any_of(first, last, [](int slot) { return slot != 0; })) return SQLITE_BUSY;
    std::fill(first, last, -1);
    return SQLITE_OK;
  }
  if (*first < 0) return SQLITE_BUSY;
  ++*first;
  return SQLITE_OK;
}

void x_shm_barrier(sqlite3_file*) {}
int x_shm_unmap(sqlite3_file* f, int) {
  // The last connection takes it along; it is never read after a crash.
  if (file_of(f).shared.use_count() == 1) file_of(f).shared->regions.clear();
  return SQLITE_OK;
}

const sqlite3_io_methods methods = {
    2,           x_close,          x_read,    x_write,       x_truncate,        x_sync,    x_file_size, x_lock,
    x_unlock,    x_check_reserved, x_control, x_sector_size, x_characteristics, x_shm_map, x_shm_lock,  x_shm_barrier,
    x_shm_unmap, nullptr,          nullptr};

int x_open(sqlite3_vfs*, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  f->pMethods = nullptr;
  const std::shared_ptr<TestDisk> disk = current_disk;
  if (!disk) return SQLITE_CANTOPEN;
  std::lock_guard lock(disk->mutex);
  static int temporaries = 0;
  const std::string path = name != nullptr ? name : "temporary " + std::to_string(++temporaries);
  const Fault fault = disk->next(!disk->files.contains(path));
  if (fault == Fault::io || fault == Fault::full) return SQLITE_CANTOPEN;
  if (!disk->files.contains(path)) {
    if ((flags & SQLITE_OPEN_CREATE) == 0 || fault != Fault::none) return SQLITE_CANTOPEN;
    disk->files[path];
  }
  auto* file = new (f) File{};
  file->disk = disk;
  file->name = path;
  auto& known = shared_files[path];
  file->shared = known.lock();
  if (!file->shared) known = file->shared = std::make_shared<Shared>();
  file->remove_on_close = name == nullptr || (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  file->base.pMethods = &methods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int x_delete(sqlite3_vfs*, const char* name, int) {
  std::lock_guard lock(current_disk->mutex);
  if (const Fault fault = current_disk->next(true); fault != Fault::none) return code_of(fault, SQLITE_IOERR_DELETE);
  if (current_disk->files.erase(name) == 0) return SQLITE_IOERR_DELETE_NOENT;
  if (current_disk->record) current_disk->log.push_back(DiskOperation{DiskOperation::remove, name, 0, ""});
  return SQLITE_OK;
}

int x_access(sqlite3_vfs*, const char* name, int, int* out) {
  std::lock_guard lock(current_disk->mutex);
  *out = current_disk->files.contains(name) ? 1 : 0;
  return SQLITE_OK;
}

int x_full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}
int x_sleep(sqlite3_vfs*, int micros) { return micros; }  // nobody else is there to wait for

}  // namespace

void use_disk(std::shared_ptr<TestDisk> disk) {
  static const bool registered = [] {
    static sqlite3_vfs vfs;
    vfs = *sqlite3_vfs_find(nullptr);
    vfs.zName = test_vfs_name;
    vfs.iVersion = 1;
    vfs.szOsFile = sizeof(File);
    vfs.mxPathname = 1024;
    vfs.xOpen = x_open;
    vfs.xDelete = x_delete;
    vfs.xAccess = x_access;
    vfs.xFullPathname = x_full_path;
    vfs.xSleep = x_sleep;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
  }();
  static_cast<void>(registered);
  current_disk = std::move(disk);
}

void TestDisk::fail(Fault fault, std::uint64_t at, bool persistent) {
  std::lock_guard lock(mutex);
  fault_ = fault;
  fail_at_ = operations_ + at;
  persistent_ = persistent;
  failed_ = false;
}

Fault TestDisk::next(bool writes) {
  ++operations_;
  if (fault_ == Fault::none || operations_ < fail_at_) return Fault::none;
  if (!writes && fault_ != Fault::io) {
    if (!persistent_) ++fail_at_;  // a read does not notice: the next one may
    return Fault::none;
  }
  if (operations_ > fail_at_ && !persistent_) return Fault::none;
  failed_ = true;
  return fault_;
}

void CrashImages::apply(TestDisk::Files& files, const DiskOperation& op) {
  std::string& data = files[op.file];
  if (op.kind == DiskOperation::write) write_to(data, op.data, static_cast<std::size_t>(op.offset));
  if (op.kind == DiskOperation::truncate) data.resize(static_cast<std::size_t>(op.offset));
  if (op.kind == DiskOperation::remove) files.erase(op.file);
}

void CrashImages::advance(std::size_t operations) {
  for (; at_ < operations; ++at_) {
    const DiskOperation& op = log_[at_];
    if (op.kind == DiskOperation::write || op.kind == DiskOperation::truncate) {
      pending_[op.file].push_back(&op);
      continue;
    }
    // A removal is taken for durable at once, with whatever was written before; a sync makes that durable.
    for (const DiskOperation* old : pending_[op.file]) apply(synced_, *old);
    pending_.erase(op.file);
    if (op.kind == DiskOperation::remove) apply(synced_, op);
  }
}

TestDisk::Files CrashImages::image(Loss loss, std::mt19937& random) const {
  TestDisk::Files files = synced_;
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  for (const auto& [name, operations] : pending_) {
    std::vector<const DiskOperation*> kept = operations;
    if (loss == all) kept.clear();
    if (loss == prefix) kept.resize(below(kept.size() + 1));
    if (loss == reordered || loss == torn) {
      std::shuffle(kept.begin(), kept.end(), random);
      kept.resize(below(kept.size() + 1));
    }
    for (const DiskOperation* op : kept) {
      if (loss != torn || op->kind != DiskOperation::write) {
        apply(files, *op);
        continue;
      }
      const std::size_t sector = below(2) == 0 ? 512 : 4096;
      for (std::size_t at = 0; at < op->data.size(); at += sector)
        if (below(3) != 0)
          write_to(files[name], std::string_view(op->data).substr(at, sector),
                   static_cast<std::size_t>(op->offset) + at);
    }
  }
  return files;
}
