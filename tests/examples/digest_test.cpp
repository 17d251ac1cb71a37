// SPDX-License-Identifier: MIT
// The example program digest: the walk through folders, and reading files.
#include "digest/analyze.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "digest/walk.hpp"
#include "support/catch.hpp"

using namespace digest;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

// A folder of its own for each test, gone when it ends.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "digest-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    root_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  std::string path(const std::string& name = {}) const { return name.empty() ? root_ : root_ + "/" + name; }
  FileJob file(const std::string& name, const std::string& content = "text\n") const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << content;
    return {path(name), name, 0, content.size()};
  }
  WalkResult walk_all() const { return walk({root_}, {root_, {}}); }

 private:
  std::string root_;
};

FileReport measure(const std::string& name, const std::string& content) {
  return analyze_content({name, name, 0, content.size()}, content);
}

std::vector<std::string> names(const WalkResult& result) {
  std::vector<std::string> out;
  for (const FileJob& job : result.jobs) out.push_back(job.display);
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("digest analyze: lines of all kinds", "[digest]") {
  const FileReport unix_lines = measure("a.cpp", "int a;\n\n// note\n/* more\n   and\n\n*/\nint b; // no\n");
  CHECK(unix_lines.status == Status::ok);
  CHECK(unix_lines.language == "C++");
  CHECK(unix_lines.lines == 8);
  CHECK(unix_lines.blank_lines == 2);
  CHECK(unix_lines.comment_lines == 4);
  CHECK(unix_lines.longest_line == 12);
  const FileReport windows = measure("a.cpp", "int a;\r\n\r\n// note\r\n");
  CHECK(windows.lines == 3);
  CHECK(windows.blank_lines == 1);
  CHECK(windows.comment_lines == 1);
  CHECK(windows.longest_line == 7);
  CHECK(measure("a.txt", "one\ntwo").lines == 2);
  CHECK(measure("a.txt", "\n").lines == 1);
  CHECK(measure("a.txt", "\n").blank_lines == 1);
  CHECK(measure("a.py", "# note\nx = 1 # no\n").comment_lines == 1);
  CHECK(measure("a.html", "<p>\n<!-- a\nb -->\n<p>\n").comment_lines == 2);
  CHECK(measure("a.cpp", "/* a */ int b;\nint c;\n").comment_lines == 1);
  CHECK(measure("a.md", "# Title\n\nText\n").headings == std::vector<Heading>{{1, "Title", 1}});
  CHECK(measure("a.py", "# Title\n").headings.empty());
}

TEST_CASE("digest analyze: text in and out of UTF-8", "[digest]") {
  const FileReport wide = measure("a.txt", "gr\u00fc\u00dfe \u65e5\u672c\nab\n");
  CHECK(wide.longest_line == 8);
  CHECK(wide.invalid_bytes == 0);
  CHECK(wide.words == 3);
  const FileReport marked = measure("a.md", "\xEF\xBB\xBF# Title\n");
  CHECK(marked.bytes == 11);
  CHECK(marked.longest_line == 7);
  CHECK(marked.headings.size() == 1);
  const FileReport latin = measure("a.txt",
                                   "Gr\xFC\xDF"
                                   "e aus M\xFCnchen\n");
  CHECK(latin.status == Status::ok);
  CHECK(latin.invalid_bytes == 3);
  CHECK(latin.detail == "3 bytes not UTF-8");
  CHECK(measure("a", "\x8f\x90\xff\xfe\x81xyz").status == Status::binary);
  CHECK(measure("a", "text\0text"s).detail == "NUL byte at offset 4");
  CHECK(measure("a", "\xFF\xFEt\0e\0"s).detail == "UTF-16 byte order mark");
  CHECK(measure("a", "\x01\x02\x03x").status == Status::binary);
  CHECK(measure("a", "\x1b[31mred\x1b[0m\f\n").status == Status::ok);
}

TEST_CASE("digest analyze: files without anything to measure", "[digest]") {
  const FileReport empty = measure("a.cpp", "");
  CHECK(empty.status == Status::empty);
  CHECK(empty.language == "C++");
  CHECK(empty.lines == 0);
  const FileReport mark_only = measure("a.txt", "\xEF\xBB\xBF");
  CHECK(mark_only.status == Status::ok);
  CHECK(mark_only.lines == 0);
  const FileReport signs = measure("a.txt", "== !! 12\n");
  CHECK(signs.status == Status::ok);
  CHECK(signs.terms.empty());
  CHECK(signs.term_total == 0);
  CHECK(signs.shingles == 0);
}

TEST_CASE("digest analyze: reading files", "[digest]") {
  const Folder folder;
  const FileJob odd = folder.file("with space\nand newline.cpp", "int graph;\n");
  const FileReport read = analyze(odd);
  CHECK(read == analyze_content(odd, "int graph;\n"));
  CHECK(read.job == odd);
  CHECK(analyze(folder.file("empty", "")).status == Status::empty);

  const FileReport missing = analyze({folder.path("missing"), "missing", 0, 0});
  CHECK(missing.status == Status::unreadable);
  CHECK(missing.detail == "No such file or directory");
  CHECK(analyze({"a\0b"s, "x", 0, 0}).status == Status::unreadable);
  CHECK(analyze({folder.path(), "folder", 0, 0}).detail == "folder");
  CHECK(analyze({folder.path(), "folder", 0, 0}).status == Status::not_regular);
  CHECK(analyze({"/dev/null", "null", 0, 0}).detail == "device");
  // Reading a pipe that nobody writes would wait for ever.
  REQUIRE(::mkfifo(folder.path("pipe").c_str(), 0600) == 0);
  CHECK(analyze({folder.path("pipe"), "pipe", 0, 0}).detail == "pipe");
}

TEST_CASE("digest analyze: the size limit", "[digest]") {
  const Folder folder;
  const FileJob ten = folder.file("ten.txt", "123456789\n");
  CHECK(analyze(ten, 10).status == Status::ok);
  CHECK(analyze(ten, 9).status == Status::too_large);
  CHECK(analyze(ten, 9).detail == "larger than 9 B");
  CHECK(analyze(ten, 9).bytes == 10);
  const FileJob huge = folder.file("huge.log", "");
  fs::resize_file(huge.path, default_max_bytes + 1);
  CHECK(analyze(huge).status == Status::too_large);
  CHECK(analyze(huge).detail == "larger than 8.0 MiB");
  CHECK(analyze(huge, UINT64_MAX).status == Status::binary);
  // These files say that they are empty.
  if (fs::exists("/proc/self/status")) {
    CHECK(analyze({"/proc/self/status", "status", 0, 0}).words > 10);
    CHECK(analyze({"/proc/self/status", "status", 0, 0}, 100).status == Status::too_large);
  }
}

TEST_CASE("digest analyze: files and folders that may not be read", "[digest]") {
  if (::geteuid() == 0) {
    WARN("skipped: root may read everything");
    return;
  }
  const Folder folder;
  const FileJob secret = folder.file("secret.txt");
  folder.file("closed/a.txt");
  fs::permissions(secret.path, fs::perms::none);
  fs::permissions(folder.path("closed"), fs::perms::none);
  CHECK(analyze(secret).status == Status::unreadable);
  CHECK(analyze(secret).detail == "Permission denied");
  const WalkResult found = folder.walk_all();
  fs::permissions(folder.path("closed"), fs::perms::owner_all);
  CHECK(names(found) == Names{"secret.txt"});
  CHECK(found.problems == std::vector<Problem>{{"closed", ProblemKind::unreadable, "Permission denied"}});
}

TEST_CASE("digest analyze: many threads read the same file", "[digest]") {
  const Folder folder;
  const FileJob job = folder.file("a.md", "# Graph\n\nnodes edges reducers deltas checkpoints\n");
  const FileReport expected = analyze(job);
  std::vector<FileReport> reports(8);
  std::vector<std::thread> threads;
  for (FileReport& report : reports) threads.emplace_back([&report, &job] { report = analyze(job); });
  for (std::thread& thread : threads) thread.join();
  CHECK(std::count(reports.begin(), reports.end(), expected) == 8);
}

TEST_CASE("digest walk: a tree, in order, without what does not belong", "[digest]") {
  const Folder folder;
  for (const std::string name :
       {"b.txt", "a/z.txt", "a/b/c.txt", ".hidden-file", "with space\n.txt", "\xFF.txt", ".git/config", "build/x.o",
        "build-debug/x", "out/CMakeCache.txt", "out/x", "t/CACHEDIR.TAG"}) {
    folder.file(name);
  }
  fs::create_directory(folder.path("nothing"));
  fs::create_directory_symlink("..", folder.path("a/loop"));
  fs::create_symlink("itself", folder.path("itself"));
  fs::create_symlink("gone", folder.path("dangling"));
  fs::create_symlink("a/z.txt", folder.path("0-link-to-z"));
  const WalkResult found = folder.walk_all();
  CHECK(names(found) == Names{".hidden-file", "a/b/c.txt", "a/z.txt", "b.txt", "with space\n.txt", "\xFF.txt"});
  CHECK(found.skipped == Names{".git", "a/loop", "build", "build-debug", "out", "t"});
  REQUIRE(found.problems.size() == 2);
  CHECK(found.problems[0] == Problem{"dangling", ProblemKind::broken_link, "No such file or directory"});
  CHECK(found.problems[1].path == "itself");
  CHECK(found.problems[1].kind == ProblemKind::broken_link);
  CHECK_FALSE(found.stopped);
  for (std::size_t i = 0; i < found.jobs.size(); ++i) {
    CHECK(found.jobs[i].index == i);
    CHECK(found.jobs[i].size_hint == 5);
    CHECK(analyze(found.jobs[i]).status == Status::ok);
  }
}

TEST_CASE("digest walk: roots are taken as they are given, each file once", "[digest]") {
  const Folder folder;
  folder.file("build/a.txt");
  folder.file("b.txt");
  folder.file("c.txt");
  fs::create_symlink("b.txt", folder.path("link"));
  const auto under = [&](const Names& roots) {
    Names given;
    for (const std::string& root : roots) given.push_back(folder.path(root));
    return walk(given, {folder.path(), {}});
  };
  CHECK(names(under({"build"})) == Names{"build/a.txt"});
  CHECK(names(under({"c.txt", "b.txt", "./c.txt", "build/../c.txt", ""})) == Names{"b.txt", "c.txt"});
  CHECK(names(under({"link", "c.txt"})) == Names{"c.txt", "link"});
  CHECK(under({"missing"}).problems ==
        std::vector<Problem>{{"missing", ProblemKind::missing, "No such file or directory"}});
  CHECK(under({"b.txt/x"}).problems.at(0).kind == ProblemKind::unreadable);
  CHECK(names(walk({folder.path("b.txt")})) == Names{folder.path("b.txt")});
  CHECK(names(walk({folder.path() + "//build/"})) == Names{folder.path("build/a.txt")});
  CHECK(names(walk({folder.path("b.txt")}, {folder.path("b.txt"), {}})) == Names{"b.txt"});
  CHECK(names(walk({folder.path("build/")}, {folder.path("build/"), {}})) == Names{"a.txt"});
  CHECK(walk({folder.path("no")}, {folder.path("no"), {}}).problems.at(0).path == folder.path("no"));
  CHECK(walk({}) == WalkResult{});
}

TEST_CASE("digest walk: stops when asked", "[digest]") {
  const Folder folder;
  folder.file("a.txt");
  std::stop_source source;
  source.request_stop();
  const WalkResult found = walk({folder.path()}, {{}, source.get_token()});
  CHECK(found.stopped);
  CHECK(found.jobs.empty());
}
