// SPDX-License-Identifier: MIT
// Files beneath one folder, and none outside of it, whatever a path says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace agent_cli {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const noexcept { return fd_; }
  int release() noexcept;

 private:
  int fd_;
};

/// A folder that paths are relative to.
///
/// A path is walked component by component, each opened in the one before: `..` and absolute paths are refused, and so
/// are symbolic links, wherever they point. So no path, however it is written and whatever is renamed meanwhile, opens
/// something outside of the folder. Only regular files are read; devices and pipes are not opened for reading. Hidden
/// files and folders are out of reach: they hold keys and what programs run, and a model reads what it is told to.
///
/// **Errors** `agentflow::tool_error` with a sentence for the model.
/// **Thread safety** Shared objects: safe. **Complexity/blocking** blocks on the disk.
class Root {
 public:
  static constexpr std::size_t max_file_bytes = std::size_t{8} << 20;
  static constexpr std::size_t max_entries = 20'000;
  static constexpr int max_depth = 32;

  struct Entry {
    std::string name;
    enum class Kind : std::uint8_t { file, folder, link, other } kind = Kind::file;
    std::uint64_t size = 0;
  };

  /// **Errors** `std::system_error` when the folder cannot be opened.
  explicit Root(const std::string& folder);

  /// The whole file.
  std::string read(const std::string& path) const;
  /// What is in a folder, sorted by name.
  std::vector<Entry> list(const std::string& folder) const;
  /// Calls `fn(path, content)` for each file beneath a folder, sorted by path; files that cannot be read, are too large
  /// or hold a NUL are left out, as are folders that hold what a build made. `fn` says whether to go
  /// on. Gives whether a limit ended the walk.
  bool for_each_text(const std::string& folder,
                     const std::function<bool(const std::string& path, const std::string& content)>& fn) const;
  /// Makes a new file. Never replaces one.
  void create(const std::string& path, std::string_view content) const;

 private:
  Descriptor open_folder(const std::vector<std::string>& components) const;

  Descriptor root_;
};

}  // namespace agent_cli
