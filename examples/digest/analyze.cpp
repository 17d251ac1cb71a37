// SPDX-License-Identifier: MIT
// Reads one file and measures it.
#include "analyze.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "language.hpp"
#include "markdown.hpp"
#include "terms.hpp"
#include "text.hpp"

namespace digest {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) noexcept
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

FileReport failed(FileReport report, Status status, std::string detail) {
  report.status = status;
  report.detail = std::move(detail);
  return report;
}

FileReport unreadable(FileReport report, int error) {
  return failed(std::move(report), Status::unreadable, std::generic_category().message(error));
}

FileReport too_large(FileReport report, std::uint64_t limit) {
  return failed(std::move(report), Status::too_large, fmt::format("larger than {}", human_bytes(limit)));
}

std::string_view kind_of(mode_t mode) noexcept {
  if (S_ISDIR(mode)) return "folder";
  if (S_ISFIFO(mode)) return "pipe";
  if (S_ISSOCK(mode)) return "socket";
  return S_ISCHR(mode) || S_ISBLK(mode) ? "device" : "special file";
}

// Reads to the end or to one byte past the limit. Gives an errno value, 0 for success.
int read_all(int fd, std::uint64_t limit, std::uint64_t expected, std::string& out) {
  // Room for one byte more than expected, so that the end shows without growing.
  out.resize(static_cast<std::size_t>(std::min(expected, limit) + 1));
  std::size_t size = 0;
  for (;;) {
    if (size == out.size()) {
      if (size > limit) return 0;
      out.resize(std::min<std::size_t>(size * 2 + 4096, static_cast<std::size_t>(limit) + 1));
    }
    const ssize_t got = ::read(fd, out.data() + size, out.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  out.resize(size);
  return 0;
}

std::string binary_reason(std::string_view content, const Oddities& odd) {
  if (content.starts_with("\xFF\xFE") || content.starts_with("\xFE\xFF")) return "UTF-16 byte order mark";
  if (const std::size_t nul = content.find('\0'); nul != std::string_view::npos) {
    return fmt::format("NUL byte at offset {}", nul);
  }
  if ((odd.invalid + odd.control) * 3 <= content.size()) return {};
  return fmt::format("{} of {} not text", with_commas(odd.invalid + odd.control), counted(content.size(), "byte"));
}

void count_lines(std::string_view text, const Language& language, FileReport& report) {
  bool in_block = false;
  std::size_t longest_bytes = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    ++report.lines;
    // No line has more characters than bytes, so few lines need counting.
    if (line.size() > report.longest_line && line.size() > longest_bytes) {
      longest_bytes = line.size();
      report.longest_line = std::max<std::uint64_t>(report.longest_line, count_characters(line));
    }
    const std::size_t start = line.find_first_not_of(" \t\r\f\v");
    if (start == std::string_view::npos) {
      ++report.blank_lines;
      continue;
    }
    std::string_view body = line.substr(start);
    const bool opens = !in_block && !language.block_open.empty() && body.starts_with(language.block_open);
    if (opens) {
      in_block = true;
      body.remove_prefix(language.block_open.size());
    }
    if (in_block) {
      ++report.comment_lines;
      in_block = body.find(language.block_close) == std::string_view::npos;
    } else if (!language.line_comment.empty() && body.starts_with(language.line_comment)) {
      ++report.comment_lines;
    }
  }
}

}  // namespace

FileReport analyze_content(const FileJob& job, std::string_view content) {
  FileReport report;
  report.job = job;
  report.bytes = content.size();
  if (content.starts_with(byte_order_mark)) content.remove_prefix(byte_order_mark.size());
  const Language& language = detect_language(job.path, content);
  report.language = language.name;
  if (report.bytes == 0) return failed(std::move(report), Status::empty, {});
  const Oddities odd = count_oddities(content);
  if (std::string reason = binary_reason(content, odd); !reason.empty()) {
    return failed(std::move(report), Status::binary, std::move(reason));
  }
  report.invalid_bytes = odd.invalid;
  if (odd.invalid != 0) report.detail = counted(odd.invalid, "byte") + " not UTF-8";
  count_lines(content, language, report);
  WordScan scan = scan_words(content);
  report.words = scan.words;
  report.term_total = scan.term_total;
  report.terms = std::move(scan.terms);
  report.shingles = scan.shingles;
  report.signature = scan.signature;
  if (language.name == "Markdown") report.headings = find_headings(content);
  return report;
}

FileReport analyze(const FileJob& job, std::uint64_t max_bytes) {
  const std::uint64_t limit = std::min(max_bytes, hard_max_bytes);
  FileReport report;
  report.job = job;
  report.language = detect_language(job.path, {}).name;
  if (job.path.find('\0') != std::string::npos) return unreadable(std::move(report), EINVAL);
  // Look before opening: opening a device may do things.
  struct ::stat info{};
  if (::stat(job.path.c_str(), &info) != 0) return unreadable(std::move(report), errno);
  if (!S_ISREG(info.st_mode)) return failed(std::move(report), Status::not_regular, std::string(kind_of(info.st_mode)));
  const Descriptor file(job.path);
  // The path may name something else by now, so the open file is asked again.
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) return unreadable(std::move(report), errno);
  if (!S_ISREG(info.st_mode)) return failed(std::move(report), Status::not_regular, std::string(kind_of(info.st_mode)));
  report.bytes = static_cast<std::uint64_t>(info.st_size);
  if (report.bytes > limit) return too_large(std::move(report), limit);
  std::string content;
  if (const int error = read_all(file.get(), limit, report.bytes, content); error != 0) {
    return unreadable(std::move(report), error);
  }
  if (content.size() > limit) {
    report.bytes = content.size();
    return too_large(std::move(report), limit);
  }
  return analyze_content(job, content);
}

}  // namespace digest
