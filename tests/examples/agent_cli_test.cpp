// SPDX-License-Identifier: MIT
// The command-line agent: no path leaves the root, the offline planner calls the right tools, approval is asked for.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/agentflow.hpp>

#include "agentflow/calculator.hpp"
#include "agentflow/offline_model.hpp"
#include "agentflow/options.hpp"
#include "agentflow/sandbox.hpp"
#include "agentflow/search.hpp"
#include "agentflow/terminal.hpp"
#include "agentflow/tools.hpp"
#include "support/catch.hpp"
#include "support/tool_run.hpp"

namespace af = agentflow;
namespace fs = std::filesystem;
using agent_cli::Options;

namespace {

/// A folder with files inside, and a secret beside it.
class Sandbox {
 public:
  Sandbox() {
    char name[] = "/tmp/agent_cli_XXXXXX";
    base_ = ::mkdtemp(name);
    fs::create_directories(base_ / "root/docs/deep");
    fs::create_directories(base_ / "root/build");
    write("secret.txt", "the secret word");
    write("root/readme.md", "# Bees\n\nBees make honey.\nThe hive merges reports field by field.\n");
    write("root/docs/notes.txt", "one\ntwo\nthree\nhoney again\n");
    write("root/docs/deep/code.cpp", "int main() {}  // honey\n");
    write("root/build/out.txt", "honey in a build\n");
    write("root/binary.dat", std::string("a\0b", 3));
    fs::create_symlink(base_ / "secret.txt", base_ / "root/link.txt");
    fs::create_symlink(base_, base_ / "root/up");
    fs::create_symlink("docs", base_ / "root/inside");
    REQUIRE(::mkfifo((base_ / "root/pipe").c_str(), 0600) == 0);
  }
  ~Sandbox() {
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(base_ / name, std::ios::binary) << content;
  }
  fs::path base() const { return base_; }
  std::string root_path() const { return base_ / "root"; }
  std::shared_ptr<const agent_cli::Root> root() const { return std::make_shared<agent_cli::Root>(root_path()); }

 private:
  fs::path base_;
};

template <class F>
std::string refusal(F&& fn) {
  try {
    fn();
  } catch (const af::tool_error& e) {
    return e.message();
  }
  return "(not refused)";
}

/// One question to the agent, with the tools it called.
std::pair<std::string, std::vector<std::string>> ask(const Sandbox& box, const std::string& question,
                                                     bool may_write = false) {
  const auto app =
      af::react_agent(std::make_shared<agent_cli::OfflineModel>(), agent_cli::make_tools(box.root(), may_write))
          .compile();
  const auto result = app.invoke(question);
  std::vector<std::string> called;
  for (const auto& message : result->messages)
    for (const auto& call : message.tool_calls()) called.push_back(call.name + call.arguments.dump());
  return {result->messages.back().text(), called};
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("Files beneath the root are read, however the path is written") {
  const Sandbox box;
  for (const char* path : {"docs/deep/code.cpp", "./docs//deep/./code.cpp", "docs/deep/code.cpp/"})
    CHECK(box.root()->read(path) == "int main() {}  // honey\n");
}

TEST_CASE("Paths that try to leave the root are refused") {
  const Sandbox box;
  const auto root = box.root();
  const std::string secret = box.base() / "secret.txt";
  for (const std::string& path : Words{"../secret.txt",
                                       "docs/../../secret.txt",
                                       "..",
                                       "docs/..",
                                       secret,
                                       "/etc/passwd",
                                       "link.txt",
                                       "up/secret.txt",
                                       "inside/notes.txt",
                                       "up/root/../secret.txt",
                                       "docs/deep/../../../secret.txt",
                                       std::string("readme.md\0x", 11),
                                       "./../secret.txt",
                                       "pipe",
                                       ".",
                                       "",
                                       "docs",
                                       "nowhere",
                                       "readme.md/x",
                                       std::string(5'000, 'a'),
                                       "a/" + std::string(300, 'b'),
                                       "link.txt/",
                                       "docs/deep/../../readme.md"}) {
    const std::string message = refusal([&] { root->read(path); });
    CHECK(message != "(not refused)");
    CHECK(message.find("the secret word") == std::string::npos);
    CHECK(message.size() < 400);
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "a/";
  CHECK(refusal([&] { root->read(deep); }).ends_with("is too deep"));
  CHECK(refusal([&] { root->read("../x"); }) == "../x: leads out with '..'; paths stay beneath the root");
  CHECK(refusal([&] { root->read("link.txt"); }) ==
        "link.txt: is, or leads through, a symbolic link, and links are not followed");
  for (const std::string& folder : Words{"..", "up", "/", "inside", "readme.md"}) {
    CHECK(refusal([&] { root->list(folder); }) != "(not refused)");
    CHECK(refusal([&] { root->for_each_text(folder, [](const auto&, const auto&) { return true; }); }) !=
          "(not refused)");
  }
}

TEST_CASE("New files stay beneath the root, and nothing is replaced") {
  const Sandbox box;
  const auto root = box.root();
  root->create("docs/new.txt", "fresh");
  CHECK(root->read("docs/new.txt") == "fresh");
  for (const std::string& path : Words{"../new.txt", "up/new.txt", "inside/new.txt", "link.txt", "docs/new.txt", "pipe",
                                       "", "/tmp/agent_cli_new.txt", "nowhere/new.txt"})
    CHECK(refusal([&] { root->create(path, "evil"); }) != "(not refused)");
  CHECK(root->read("docs/new.txt") == "fresh");
  CHECK_FALSE(fs::exists(box.base() / "new.txt"));
  CHECK(fs::file_size(box.base() / "secret.txt") == 15);
}

TEST_CASE("A walk passes over links, builds, pipes and binaries, and stops at a file that is too large") {
  const Sandbox box;
  box.write("root/large.txt", std::string(agent_cli::Root::max_file_bytes + 1, 'x'));
  Words seen;
  CHECK_FALSE(box.root()->for_each_text(".", [&](const std::string& path, const std::string&) {
    seen.push_back(path);
    return true;
  }));
  CHECK(seen == Words{"docs/deep/code.cpp", "docs/notes.txt", "readme.md"});
  CHECK(refusal([&] { box.root()->read("large.txt"); }).find("has more than") != std::string::npos);
  CHECK_THROWS_AS(agent_cli::Root("/nowhere/at/all"), std::system_error);
}

TEST_CASE("The calculator calculates, and says what it cannot") {
  using agent_cli::calculate;
  CHECK(calculate("12 * (3 + 4)") == 84);
  CHECK(calculate("2 ^ 3 ^ 2") == 512);
  CHECK(calculate("-2 ^ 2") == -4);
  CHECK(calculate("7 % 4 - -1") == 4);
  CHECK(calculate("max(1, sqrt(16), 3) + floor(pi) + ln(e)") == 8);
  for (const char* bad : {"", "1 +", "1 / 0", "(1", "1 2", "foo(1)", "foo", "sqrt()", "1e999", "max()", "sqrt(1, 2)",
                          "system(1)", "\xff", "0x10"})
    CHECK(refusal([&] { calculate(bad); }) != "(not refused)");
  CHECK(refusal([] { calculate(std::string(1'001, '1')); }) != "(not refused)");
  CHECK(refusal([] { calculate(std::string(900, '-') + "1"); }) != "(not refused)");
  CHECK(refusal([] { calculate(std::string(900, '(')); }) != "(not refused)");
  CHECK(agent_cli::number_text(84) == "84");
  CHECK(agent_cli::number_text(0.1 + 0.2) == "0.3");
}

TEST_CASE("Search puts the best line first") {
  const Sandbox box;
  const auto hits = agent_cli::search(*box.root(), ".", "merging of reports", 5);
  REQUIRE_FALSE(hits.empty());
  CHECK(hits[0].path == "readme.md");
  CHECK(hits[0].line == 4);
  CHECK(agent_cli::search(*box.root(), "docs", "honey again", 5).at(0).text == "honey again");
  CHECK(agent_cli::search(*box.root(), ".", "zebra", 5).empty());
  CHECK(agent_cli::key_words("How are the results of the nodes merged?") == Words{"results", "nodes", "merged"});
}

TEST_CASE("The offline planner calls the tools that a request needs") {
  const Sandbox box;
  using Called = std::pair<std::string, Words>;
  CHECK(ask(box, "What is 12 * (3 + 4)?") ==
        Called("12 * (3 + 4) = 84", {R"x(calculator{"expression":"12 * (3 + 4)"})x"}));
  CHECK(ask(box, "what time is it?").second == Words{"clock{}"});
  CHECK(ask(box, "List files in docs") == Called("deep/\nnotes.txt  (26 bytes)", {R"(list_files{"folder":"docs"})"}));
  CHECK(ask(box, "read docs/notes.txt").first == "one\ntwo\nthree\nhoney again");
  CHECK(ask(box, "search for honey again in docs") ==
        Called("docs/notes.txt:4: honey again\ndocs/deep/code.cpp:1: int main() {}  // honey",
               {R"(search_files{"folder":"docs","query":"honey again"})"}));
  CHECK(ask(box, "summarise docs").second == Words{R"(digest{"folder":"docs"})"});
  CHECK(ask(box, "summarise docs").first.find("C++") != std::string::npos);
  CHECK(ask(box, "1 + 1; 2 * 3").first == "1 + 1 = 2\n2 * 3 = 6");
  CHECK(ask(box, "help").first == agent_cli::OfflineModel::help());
  CHECK(ask(box, "").first == agent_cli::OfflineModel::help());
}

TEST_CASE("A question is answered with the passage that fits, from a file that was read") {
  const Sandbox box;
  const auto answered = ask(box, "How does the hive merge its reports?");
  CHECK(answered.second == Words{R"(search_files{"max_results":5,"query":"hive, merge, reports"})",
                                 R"(read_file{"first_line":1,"lines":20,"path":"readme.md"})"});
  CHECK(answered.first.find("not a language model") != std::string::npos);
  CHECK(answered.first.find("  | The hive merges reports field by field.\n") != std::string::npos);
  CHECK(ask(box, "Where are the zebras?").first == "Nothing was found.");
}

TEST_CASE("The planner is told when a tool fails, and says so") {
  const Sandbox box;
  CHECK(ask(box, "read ../secret.txt").first ==
        "That did not work. The tool failed: ../secret.txt: leads out with '..'; paths stay beneath the root");
  CHECK(ask(box, "read binary.dat").first == "That did not work. The tool failed: the file is binary");
  CHECK(ask(box, "what is 1/0").first.starts_with("That did not work."));
  CHECK(ask(box, "write hello to x.txt").first ==
        "I may not write files: start me with --approve, and I ask you first.");
  CHECK_FALSE(fs::exists(box.base() / "root/x.txt"));
  CHECK(ask(box, "write hello to x.txt", true).first == "Wrote 6 bytes to x.txt.");
  CHECK(box.root()->read("x.txt") == "hello\n");
}

TEST_CASE("Approval is asked for until the answer is clear") {
  const auto call = call_of("write_file", R"({"path": "a\u001b[31m"})");
  std::FILE* quiet = std::fopen("/dev/null", "w");
  const auto answer = [&](const std::string& typed) {
    std::istringstream in(typed);
    return agent_cli::ask_approval(call, in, quiet);
  };
  CHECK_FALSE(answer("y\n").denied());
  CHECK_FALSE(answer("maybe\n\nyes\n").denied());
  CHECK(answer("n\n").denied());
  CHECK(answer("").denied());
  CHECK(answer("e\n").denied());
  CHECK(answer("e\nnot json\ne\n{\"path\": \"b\"}\n").arguments()->dump() == R"({"path":"b"})");
  std::fclose(quiet);
}

TEST_CASE("Nothing that is printed can drive the terminal") {
  using agent_cli::safe_text;
  CHECK(safe_text("a\x1b[31mb\r\x07\tc\n") == "a[31mb\tc\n");
  CHECK(safe_text("x\u009by") == "xy");
  CHECK(safe_text("a\u202eb\u2066c\u00e9\u2014") == "abc\u00e9\u2014");
}

TEST_CASE("The command line is understood, or refused") {
  const auto parse = [](const Words& words) { return agent_cli::parse_command_line(words); };
  Options o = parse({"ask", "--root", "docs", "what", "is", "--", "--this"}).options;
  CHECK(o.command == Options::Command::ask);
  CHECK(o.question == "what is --this");
  CHECK(o.root == "docs");
  o = parse({"chat", "--root=x", "--approve", "--trace"}).options;
  CHECK(o.command == Options::Command::chat);
  CHECK((o.approve && o.trace && o.root == "x"));
  CHECK(parse({}).options.command == Options::Command::help);
  CHECK(parse({"ask", "-h"}).options.command == Options::Command::help);
  CHECK(parse({"--graph"}).options.graph);
  CHECK(parse({"ask", "--graph"}).error.empty());
  for (const Words& bad :
       std::vector<Words>{{"ask"}, {"chat", "x"}, {"sing"}, {"ask", "--loud", "x"}, {"ask", "x", "--root"}})
    CHECK_FALSE(parse(bad).error.empty());
}
