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
#include "agentflow/models.hpp"
#include "agentflow/offline_model.hpp"
#include "agentflow/options.hpp"
#include "agentflow/sandbox.hpp"
#include "agentflow/search.hpp"
#include "agentflow/session.hpp"
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
    write("root/.env", "honey=secret\n");
    fs::create_directories(base_ / "root/.git/hooks");
    write("root/.git/config", "honey\n");
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
  Words paths = {"../secret.txt", "docs/../../secret.txt", "..", "docs/..", "/etc/passwd", "link.txt", "up/secret.txt"};
  for (const char* path : {"inside/notes.txt", "up/root/../secret.txt", "docs/deep/../../../secret.txt", "link.txt/",
                           "./../secret.txt", "pipe", ".", "", "docs", "nowhere", "readme.md/x",
                           "docs/deep/../../readme.md", ".env", ".git/config", "docs/../.env", "./.env"})
    paths.emplace_back(path);
  paths.push_back(secret);
  paths.push_back(std::string("readme.md\0x", 11));
  paths.push_back(std::string(5'000, 'a'));
  paths.push_back("a/" + std::string(300, 'b'));
  for (const std::string& path : paths) {
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
  for (const std::string& folder : Words{"..", "up", "/", "inside", "readme.md", ".git"}) {
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
  for (const std::string& path :
       Words{"../new.txt", "up/new.txt", "inside/new.txt", "link.txt", "docs/new.txt", "pipe", "",
             "/tmp/agent_cli_new.txt", "nowhere/new.txt", ".bashrc", ".git/hooks/pre-commit"})
    CHECK(refusal([&] { root->create(path, "evil"); }) != "(not refused)");
  CHECK(root->read("docs/new.txt") == "fresh");
  CHECK_FALSE(fs::exists(box.base() / "new.txt"));
  CHECK(fs::file_size(box.base() / "secret.txt") == 15);
}

TEST_CASE(
    "A walk passes over links, builds, pipes, binaries and what is hidden, and stops at a file that is too large") {
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
  const auto go_on = [] { return false; };
  const auto hits = agent_cli::search(*box.root(), ".", "merging of reports", 5, go_on);
  REQUIRE_FALSE(hits.empty());
  CHECK(hits[0].path == "readme.md");
  CHECK(hits[0].line == 4);
  CHECK(agent_cli::search(*box.root(), "docs", "honey again", 5, go_on).at(0).text == "honey again");
  CHECK(agent_cli::search(*box.root(), ".", "zebra", 5, go_on).empty());
  // Who gives up reads no further file.
  int files = 0;
  agent_cli::search(*box.root(), ".", "honey", 5, [&] { return ++files == 1; });
  CHECK(files == 1);
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
  for (const char* question : {"Show me how bees make honey", "List what bees make", "How is the time of bees spent?"})
    CHECK(ask(box, question).second.at(0).starts_with("search_files"));
  CHECK(ask(box, "help").first == agent_cli::OfflineModel::help());
  CHECK(ask(box, "").first == agent_cli::OfflineModel::help());
}

TEST_CASE("A question is answered with the passage that fits, from a file that was read") {
  const Sandbox box;
  const auto answered = ask(box, "How does the hive merge its reports?");
  CHECK(answered.second == Words{R"(search_files{"max_results":8,"query":"hive, merge, reports"})",
                                 R"(read_file{"first_line":1,"lines":20,"path":"readme.md"})"});
  CHECK(answered.first.find("not a language model") != std::string::npos);
  CHECK(answered.first.find("  | The hive merges reports field by field.\n") != std::string::npos);
  // Neither code that has the words nor whoever quotes the question comes before what explains.
  box.write("root/a.cpp", "// hive merge reports, merge reports of the hive\n");
  box.write("root/b.md", "Ask \"How does the hive merge its reports?\", for example.\n");
  CHECK(ask(box, "How does the hive merge its reports?").second.back().find("readme.md") != std::string::npos);
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
  const auto question = af::JsonValue::parse(R"({"tool": "write_file", "arguments": {"path": "a\u001b[31m"}})");
  std::FILE* quiet = std::fopen("/dev/null", "w");
  const auto answer = [&](const std::string& typed) {
    std::istringstream in(typed);
    return agent_cli::ask_approval(question, in, quiet);
  };
  CHECK_FALSE(answer("y\n")->denied());
  CHECK_FALSE(answer("maybe\n\nyes\n")->denied());
  CHECK(answer("n\n")->denied());
  CHECK(answer("e\nnot json\ne\n{\"path\": \"b\"}\n")->arguments()->dump() == R"({"path":"b"})");
  for (const char* later : {"", "l\n", "later\n", "e\n", "what\n"}) CHECK_FALSE(answer(later));
  std::fclose(quiet);
}

namespace {

/// What a session prints, and whether it was done.
struct Turn {
  std::string out, err;
  bool done = false;
};

Turn talk(const Options& options, const std::string& question, const std::string& typed) {
  std::istringstream in(typed);
  std::FILE* out = std::tmpfile();
  std::FILE* err = std::tmpfile();
  Turn turn;
  {
    agent_cli::Session session(options, std::make_shared<agent_cli::OfflineModel>(), in, out, err);
    turn.done = question.empty() ? session.resume() : session.ask(question);
  }
  const auto text = [](std::FILE* file) {
    std::string all(static_cast<std::size_t>(std::ftell(file)), '\0');
    std::rewind(file);
    all.resize(std::fread(all.data(), 1, all.size(), file));
    std::fclose(file);
    return all;
  };
  turn.out = text(out);
  turn.err = text(err);
  return turn;
}

}  // namespace

TEST_CASE("A session streams the answer, and shows the calls beside it") {
  const Sandbox box;
  Options o;
  o.root = box.root_path();
  Turn turn = talk(o, "what is 2 + 3", "");
  CHECK(turn.done);
  CHECK(turn.out == "2 + 3 = 5\n");
  CHECK(turn.err == "  -> calculator {\"expression\":\"2 + 3\"}\n");
  o.trace = true;
  turn = talk(o, "what is 2 + 3", "");
  CHECK(turn.out == "2 + 3 = 5\n");
  CHECK(turn.err.find(R"("node":"calculator")") != std::string::npos);
  o.trace = false;
  o.json = true;
  turn = talk(o, "what is 2 + 3", "");
  CHECK(turn.out.starts_with(R"({"status":"completed")"));
  CHECK(turn.out.find("2 + 3 = 5") != std::string::npos);
}

TEST_CASE("A new file is written when the user allows it") {
  const Sandbox box;
  Options o;
  o.root = box.root_path();
  o.approve = true;
  CHECK(talk(o, "write hello to a.txt", "y\n").out == "Wrote 6 bytes to a.txt.\n");
  CHECK(talk(o, "write hello to b.txt", "n\n").out == "That did not work. The user did not allow this call.\n");
  // Nobody can come back to a conversation without a name: no answer means no.
  CHECK(talk(o, "write hello to c.txt", "").done);
  CHECK(talk(o, "write hello to d.txt", "e\n{\"path\": \"e.txt\", \"content\": \"x\"}\n").done);
  CHECK(box.root()->read("a.txt") == "hello\n");
  CHECK(box.root()->read("e.txt") == "x");
  for (const char* name : {"b.txt", "c.txt", "d.txt"}) CHECK_FALSE(fs::exists(fs::path(box.root_path()) / name));
}

#ifdef AGENT_CLI_WITH_SQLITE
TEST_CASE("A question that was left open is answered by another process") {
  const Sandbox box;
  Options o;
  o.root = box.root_path();
  o.approve = true;
  o.thread = "ann";
  o.memory = box.base() / "memory.db";
  Turn turn = talk(o, "write hello to a.txt", "later\n");
  CHECK_FALSE(turn.done);
  CHECK(turn.err.find("--thread ann --approve --resume") != std::string::npos);
  CHECK_FALSE(fs::exists(fs::path(box.root_path()) / "a.txt"));
  try {
    talk(o, "what is 2 + 3", "");
    FAIL("must throw");
  } catch (const af::error& e) {
    CHECK(e.code() == af::errc::interrupts_open);
  }
  turn = talk(o, "", "y\n");
  CHECK(turn.done);
  CHECK(turn.out == "Wrote 6 bytes to a.txt.\n");
  CHECK(box.root()->read("a.txt") == "hello\n");
  CHECK(talk(o, "", "").err == "(nothing was left to do)\n");
  o.json = true;
  turn = talk(o, "what is 2 + 3", "");
  CHECK(turn.out.find("write hello to a.txt") != std::string::npos);  // the thread remembers
}
#endif

TEST_CASE("A provider is chosen by name, and told what it lacks") {
  Options o;
  o.provider = "offline";
  CHECK(agent_cli::choose_model(o)->name() == "offline");
  o.provider = "nobody";
  CHECK_THROWS_AS(agent_cli::choose_model(o), af::config_error);
#ifdef AGENT_CLI_WITH_LLM
  for (const char* name : {"openai", "openai-responses", "anthropic", "gemini"}) {
    o.provider = name;
    o.model = "some-model";
    CHECK(agent_cli::choose_model(o)->name().find("some-model") != std::string::npos);
  }
#endif
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
  o = parse({"ask", "--thread", "ann", "--resume", "--memory=x.db", "--approve"}).options;
  CHECK((o.resume && o.thread == "ann" && o.memory == "x.db" && o.question.empty()));
  CHECK(parse({"ask", "--provider", "gemini", "--model=m", "--json", "x"}).options.model == "m");
  CHECK(parse({"--graph"}).options.graph);
  CHECK(parse({"ask", "--graph"}).error.empty());
  for (const Words& bad : std::vector<Words>{{"ask"},
                                             {"chat", "x"},
                                             {"sing"},
                                             {"ask", "--loud", "x"},
                                             {"ask", "x", "--root"},
                                             {"ask", "x", "--root="},
                                             {"ask", "--resume"},
                                             {"ask", "x", "--thread", "t", "--resume"},
                                             {"ask", "x", "--memory", "m"},
                                             {"chat", "--json"},
                                             {"ask", "x", "--approve=1"}})
    CHECK_FALSE(parse(bad).error.empty());
}
