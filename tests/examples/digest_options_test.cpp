// SPDX-License-Identifier: MIT
// The example program digest: the command line.
#include "digest/options.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace digest;

namespace {

CommandLine parse(const std::vector<std::string>& arguments) { return parse_command_line(arguments, 3); }

}  // namespace

TEST_CASE("digest options: what is understood", "[digest]") {
  Options expected;
  expected.jobs = 3;
  CHECK(parse({}).options == expected);
  CHECK(parse({}).ok());
  const CommandLine all = parse({"docs", "--json", "--trace=t.json", "--resume=k.db", "-j", "7", "--top", "0",
                                 "--max-bytes", "2M", "--no-progress", "--", "--json", "-"});
  REQUIRE(all.ok());
  expected.paths = {"docs", "--json", "-"};
  expected.json = true;
  expected.trace_file = "t.json";
  expected.resume_file = "k.db";
  expected.jobs = 7;
  expected.top = 0;
  expected.max_bytes = 2U << 20U;
  expected.progress = false;
  CHECK(all.options == expected);
  CHECK(parse({"--graph"}).options.graph);
  CHECK(parse({"-h", "--nonsense"}).options.help);
  CHECK(parse({"--version"}).options.version);
  CHECK(parse({"--max-bytes=1KiB"}).options.max_bytes == 1024);
  CHECK(parse({"--jobs=1", "--jobs=2"}).options.jobs == 2);
  CHECK(parse_command_line({}, 0).options.jobs == 1);
  CHECK(hardware_jobs() >= 1);
  CHECK(std::filesystem::is_directory(default_root()));
}

TEST_CASE("digest options: what is not, and what was meant", "[digest]") {
  const auto error = [](const std::vector<std::string>& arguments) { return parse(arguments).error; };
  CHECK(error({"--jsn"}) == "unknown option \"--jsn\"; did you mean \"--json\"?");
  CHECK(error({"--max"}) == "unknown option \"--max\"; did you mean \"--max-bytes\"?");
  CHECK(error({"--porgress"}) == "unknown option \"--porgress\"; did you mean \"--no-progress\"?");
  CHECK(error({"--tpo"}) == "unknown option \"--tpo\"; did you mean \"--top\"?");
  CHECK(error({"-trace=x"}) == "unknown option \"-trace\"; did you mean \"--trace\"?");
  CHECK(error({"--xyzzy"}) == "unknown option \"--xyzzy\"; --help lists the options");
  CHECK(error({"--\x1b[31m\n"}) == "unknown option \"--\\x1b[31m\\n\"; --help lists the options");
  CHECK(error({"--" + std::string(100000, 'x')}).size() < 200);
  CHECK(error({"--jobs"}) == "option \"--jobs\" needs a value: --jobs N");
  CHECK(error({"--jobs", "0"}) == "option \"--jobs\" needs a whole number from 1 to 1024, not \"0\"");
  for (const std::string bad : {"", "x", "-1", "1.5", "2000", "7 ", "99999999999999999999", "1K"}) {
    CHECK_FALSE(parse({"--jobs", bad}).ok());
  }
  for (const std::string bad : {"0", "K", "1X", "1KX", "2G", "17179869184G"})
    CHECK_FALSE(parse({"--max-bytes", bad}).ok());
  CHECK(error({"--json=yes"}) == "option \"--json\" takes no value");
  CHECK(error({"--trace="}) == "option \"--trace\" needs the name of a file");
  CHECK(error({"--resume="}) == "option \"--resume\" needs the name of a file");
  CHECK_FALSE(parse({"--json", "--graph"}).ok());
  CHECK_FALSE(parse({"-"}).ok());
  CHECK_FALSE(parse({""}).ok());
  CHECK(usage_exit_code == 2);
  CHECK(parse({"--jsn", "docs"}).options == Options{});
}

TEST_CASE("digest options: the help names every option and fits a terminal", "[digest]") {
  const std::string help = help_text();
  for (const std::string option : {"--json", "--graph", "--trace FILE", "--resume FILE", "--jobs N", "--top N",
                                   "--max-bytes N", "--no-progress", "--help", "--version"}) {
    CHECK(help.find(option) != std::string::npos);
  }
  for (std::size_t at = 0; at < help.size();) {
    const std::size_t end = help.find('\n', at);
    CHECK(end - at <= 80);
    at = end + 1;
  }
}
