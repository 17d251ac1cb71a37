// SPDX-License-Identifier: MIT
// Walking paths by hand, so that nothing leaves the root.
#include "sandbox.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <agentflow/ports/tool.hpp>

#include "digest/text.hpp"

namespace agent_cli {
namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

[[noreturn]] void refuse(const std::string& path, std::string_view why) {
  throw agentflow::tool_error(fmt::format("{}: {}", digest::escape_terminal(digest::valid_utf8(path, 200)), why));
}

[[noreturn]] void refuse_errno(const std::string& path, int error) {
  if (error == ELOOP) refuse(path, "is, or leads through, a symbolic link, and links are not followed");
  if (error == ENOTDIR) refuse(path, "leads through something that is not a folder (or is a link)");
  if (error == ENOENT) refuse(path, "does not exist");
  refuse(path, std::strerror(error));
}

std::vector<std::string> components_of(const std::string& path) {
  if (path.find('\0') != std::string::npos) refuse(path, "has a NUL in it");
  if (path.starts_with('/')) refuse(path, "is absolute; paths are relative to the root");
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    std::string part = path.substr(at, end - at);
    at = end + 1;
    if (part == "..") refuse(path, "leads out with '..'; paths stay beneath the root");
    if (part.size() > 1 && part.front() == '.') refuse(path, "is hidden, or in a hidden folder, which is out of reach");
    if (!part.empty() && part != ".") out.push_back(std::move(part));
  }
  if (out.size() > static_cast<std::size_t>(Root::max_depth)) refuse(path, "is too deep");
  return out;
}

bool read_all(int fd, std::string& out) {
  char buffer[65536];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got == 0) return true;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    out.append(buffer, static_cast<std::size_t>(got));
    if (out.size() > Root::max_file_bytes) return false;
  }
}

/// Opens a regular file in a folder. A FIFO or a device is not opened for reading: the open does not wait, and what is
/// no regular file is closed again.
Descriptor open_file(int folder, const std::string& name, struct ::stat& info) {
  Descriptor file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (file.get() >= 0 && ::fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode)) return file;
  if (file.get() >= 0) errno = EINVAL;
  return Descriptor();
}

bool is_passed_over(const std::string& folder) {
  // Not what a search is for.
  for (const std::string_view name : {"build", "_build", "node_modules", "__pycache__"})
    if (folder == name) return true;
  return folder.starts_with("build-") || folder.starts_with("cmake-build-");
}

std::vector<Root::Entry> entries_of(Descriptor folder) {
  std::vector<Root::Entry> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(folder.get()), &::closedir);
  if (!stream) return out;
  const int fd = folder.release();  // the stream has it now
  while (const dirent* entry = ::readdir(stream.get())) {
    Root::Entry e;
    e.name = entry->d_name;
    if (e.name.starts_with('.')) continue;
    struct ::stat info{};
    if (::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    e.kind = S_ISREG(info.st_mode)   ? Root::Entry::Kind::file
             : S_ISDIR(info.st_mode) ? Root::Entry::Kind::folder
             : S_ISLNK(info.st_mode) ? Root::Entry::Kind::link
                                     : Root::Entry::Kind::other;
    e.size = static_cast<std::uint64_t>(info.st_size);
    out.push_back(std::move(e));
    if (out.size() == Root::max_entries) break;
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

/// The walk of `for_each_text`.
struct Walk {
  const std::function<bool(const std::string&, const std::string&)>& fn;
  std::size_t left = Root::max_entries;
  bool ended = false;  // by the function
  bool limited = false;

  void folder(Descriptor dir, const std::string& prefix, int depth) {
    const int duplicate = ::fcntl(dir.get(), F_DUPFD_CLOEXEC, 0);
    for (const Root::Entry& entry : entries_of(Descriptor(duplicate))) {
      if (ended || limited) return;
      if (left-- == 0 || depth > Root::max_depth) {
        limited = true;
        return;
      }
      const std::string path = prefix + entry.name;
      if (entry.kind == Root::Entry::Kind::folder && !is_passed_over(entry.name)) {
        Descriptor inner(::openat(dir.get(), entry.name.c_str(), folder_flags));
        if (inner.get() >= 0) folder(std::move(inner), path + "/", depth + 1);
      } else if (entry.kind == Root::Entry::Kind::file && entry.size <= Root::max_file_bytes) {
        file(dir.get(), entry.name, path);
      }
    }
  }

  void file(int dir, const std::string& name, const std::string& path) {
    struct ::stat info{};
    const Descriptor opened = open_file(dir, name, info);
    std::string content;
    if (opened.get() < 0 || !read_all(opened.get(), content) || content.find('\0') != std::string::npos) return;
    ended = !fn(path, content);
  }
};

}  // namespace

Descriptor::Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = other.release();
  return *this;
}
Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}
int Descriptor::release() noexcept { return std::exchange(fd_, -1); }

// The root itself may be reached through links: it is the user's word.
Root::Root(const std::string& folder) : root_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (root_.get() < 0) throw std::system_error(errno, std::generic_category(), folder);
}

Descriptor Root::open_folder(const std::vector<std::string>& components) const {
  Descriptor at(::openat(root_.get(), ".", folder_flags));
  for (const std::string& component : components) {
    if (at.get() < 0) break;
    at = Descriptor(::openat(at.get(), component.c_str(), folder_flags));
  }
  return at;
}

std::string Root::read(const std::string& path) const {
  std::vector<std::string> components = components_of(path);
  if (components.empty()) refuse(path, "is the root itself, not a file");
  const std::string name = components.back();
  components.pop_back();
  const Descriptor folder = open_folder(components);
  if (folder.get() < 0) refuse_errno(path, errno);
  struct ::stat info{};
  const Descriptor file = open_file(folder.get(), name, info);
  if (file.get() < 0 && errno == EINVAL) refuse(path, "is not a regular file");
  if (file.get() < 0) refuse_errno(path, errno);
  std::string content;
  if (static_cast<std::uint64_t>(info.st_size) > max_file_bytes || !read_all(file.get(), content))
    refuse(path, fmt::format("has more than {} bytes, or cannot be read", max_file_bytes));
  return content;
}

std::vector<Root::Entry> Root::list(const std::string& folder) const {
  Descriptor opened = open_folder(components_of(folder));
  if (opened.get() < 0) refuse_errno(folder, errno);
  return entries_of(std::move(opened));
}

bool Root::for_each_text(const std::string& folder,
                         const std::function<bool(const std::string&, const std::string&)>& fn) const {
  const auto components = components_of(folder);
  Descriptor opened = open_folder(components);
  if (opened.get() < 0) refuse_errno(folder, errno);
  std::string prefix;
  for (const auto& component : components) prefix += component + "/";
  Walk walk{fn};
  walk.folder(std::move(opened), prefix, static_cast<int>(components.size()));
  return walk.limited;
}

void Root::create(const std::string& path, std::string_view content) const {
  std::vector<std::string> components = components_of(path);
  if (components.empty()) refuse(path, "is the root itself, not a file");
  const std::string name = components.back();
  components.pop_back();
  const Descriptor folder = open_folder(components);
  if (folder.get() < 0) refuse_errno(path, errno);
  const Descriptor file(
      ::openat(folder.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (file.get() < 0 && errno == EEXIST) refuse(path, "exists already, and files are never replaced");
  if (file.get() < 0) refuse_errno(path, errno);
  while (!content.empty()) {
    const ssize_t put = ::write(file.get(), content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) refuse_errno(path, errno);
    content.remove_prefix(static_cast<std::size_t>(put));
  }
}

}  // namespace agent_cli
