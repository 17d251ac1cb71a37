// SPDX-License-Identifier: MIT
// Finds the files to look at.
#include "walk.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

namespace digest {
namespace {

namespace fs = std::filesystem;

bool is_build_folder(const fs::path& folder, std::string_view name) {
  constexpr std::array<std::string_view, 4> names{"build", "_build", "node_modules", "__pycache__"};
  constexpr std::array<std::string_view, 3> beginnings{"build-", "build_", "cmake-build-"};
  constexpr std::array<std::string_view, 2> marks{"CMakeCache.txt", "CACHEDIR.TAG"};
  const auto begins = [&](std::string_view beginning) { return name.starts_with(beginning); };
  const auto holds = [&](std::string_view mark) {
    std::error_code ignored;
    return fs::exists(folder / mark, ignored);
  };
  return std::find(names.begin(), names.end(), name) != names.end() ||
         std::any_of(beginnings.begin(), beginnings.end(), begins) || std::any_of(marks.begin(), marks.end(), holds);
}

std::string joined(const std::string& folder, const std::string& name) {
  if (folder.empty()) return name;
  return folder.ends_with('/') ? folder + name : folder + '/' + name;
}

std::string tidy(const fs::path& path) {
  std::string text = path.lexically_normal().native();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text == "." ? std::string{} : text;
}

class Walker {
 public:
  explicit Walker(const WalkOptions& options) : options_(options) {}

  void root(const std::string& given) {
    const fs::path path(given);
    const std::string display = display_of(path);
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (error) {
      const ProblemKind kind = error == std::errc::no_such_file_or_directory       ? ProblemKind::missing
                               : error == std::errc::too_many_symbolic_link_levels ? ProblemKind::broken_link
                                                                                   : ProblemKind::unreadable;
      return problem(display.empty() ? given : display, kind, error);
    }
    if (fs::is_directory(real, error)) {
      pending_.push_back({path, display, real});
      while (!pending_.empty() && !result_.stopped) {
        const Folder next = std::move(pending_.back());
        pending_.pop_back();
        read(next);
      }
    } else {
      // A file that is itself the display base still needs a name.
      add(path, display.empty() ? path.filename().native() : display, real, fs::is_symlink(path, error));
    }
  }

  WalkResult finish() {
    // One entry for each real file: its own name goes before links to it, then the first name.
    const auto by_file = [](const Found& a, const Found& b) {
      return std::tie(a.real, a.is_link, a.job.display) < std::tie(b.real, b.is_link, b.job.display);
    };
    const auto same_file = [](const Found& a, const Found& b) { return a.real == b.real; };
    std::sort(found_.begin(), found_.end(), by_file);
    found_.erase(std::unique(found_.begin(), found_.end(), same_file), found_.end());
    for (Found& found : found_) result_.jobs.push_back(std::move(found.job));
    const auto by_display = [](const FileJob& a, const FileJob& b) {
      return std::tie(a.display, a.path) < std::tie(b.display, b.path);
    };
    std::sort(result_.jobs.begin(), result_.jobs.end(), by_display);
    for (std::uint64_t index = 0; FileJob & job : result_.jobs) job.index = index++;
    const auto by_path = [](const Problem& a, const Problem& b) {
      return std::tie(a.path, a.kind, a.detail) < std::tie(b.path, b.kind, b.detail);
    };
    std::sort(result_.problems.begin(), result_.problems.end(), by_path);
    result_.problems.erase(std::unique(result_.problems.begin(), result_.problems.end()), result_.problems.end());
    std::sort(result_.skipped.begin(), result_.skipped.end());
    result_.skipped.erase(std::unique(result_.skipped.begin(), result_.skipped.end()), result_.skipped.end());
    return std::move(result_);
  }

 private:
  struct Folder {
    fs::path path;
    std::string display;
    fs::path real;
  };
  struct Found {
    FileJob job;
    std::string real;
    bool is_link = false;
  };

  std::string display_of(const fs::path& path) const {
    if (!options_.display_base.empty()) {
      const fs::path base = fs::path(options_.display_base).lexically_normal();
      const fs::path inside = path.lexically_normal().lexically_relative(base);
      if (!inside.empty() && *inside.begin() != "..") return tidy(inside);
    }
    return tidy(path);
  }

  void problem(std::string path, ProblemKind kind, const std::error_code& error) {
    result_.problems.push_back({std::move(path), kind, error.message()});
  }

  void add(const fs::path& path, const std::string& display, const fs::path& real, bool is_link) {
    std::error_code ignored;
    const std::uintmax_t size = fs::is_regular_file(real, ignored) ? fs::file_size(real, ignored) : 0;
    const std::uint64_t hint = size == static_cast<std::uintmax_t>(-1) ? 0 : size;
    found_.push_back({{path.native(), display, 0, hint}, real.native(), is_link});
  }

  void read(const Folder& folder) {
    std::error_code error;
    fs::directory_iterator entries(folder.path, error);
    for (; !error && entries != fs::directory_iterator{}; entries.increment(error)) {
      if ((result_.stopped = options_.stop.stop_requested())) return;
      entry(folder, *entries);
    }
    if (error) problem(folder.display.empty() ? "." : folder.display, ProblemKind::unreadable, error);
  }

  void entry(const Folder& folder, const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().native();
    const std::string display = joined(folder.display, name);
    std::error_code error;
    const fs::file_type type = entry.symlink_status(error).type();
    if (error && type == fs::file_type::none) return problem(display, ProblemKind::unreadable, error);
    if (type == fs::file_type::directory) {
      if (name.starts_with('.') || is_build_folder(entry.path(), name)) {
        result_.skipped.push_back(display);
      } else {
        pending_.push_back({entry.path(), display, folder.real / name});
      }
    } else if (type == fs::file_type::symlink) {
      const fs::path real = fs::canonical(entry.path(), error);  // Fails for links to nothing and to themselves.
      if (error) return problem(display, ProblemKind::broken_link, error);
      if (fs::is_directory(real, error)) {
        result_.skipped.push_back(display);
      } else {
        add(entry.path(), display, real, true);
      }
    } else {
      add(entry.path(), display, folder.real / name, false);
    }
  }

  const WalkOptions& options_;
  std::vector<Folder> pending_;
  std::vector<Found> found_;
  WalkResult result_;
};

}  // namespace

WalkResult walk(const std::vector<std::string>& roots, const WalkOptions& options) {
  Walker walker(options);
  for (const std::string& root : roots) walker.root(root);
  return walker.finish();
}

}  // namespace digest
