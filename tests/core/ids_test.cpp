// SPDX-License-Identifier: MIT
// Random ids: unique across threads and forks, and their text forms.
#include <agentflow/core/ids.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "support/catch.hpp"

using agentflow::make_message_id;
using agentflow::RunId;

static_assert(sizeof(RunId) == 16 && std::is_trivially_copyable_v<RunId>);

TEST_CASE("a run id is a value with a text form that reads back") {
  const RunId a = RunId::make(), b = RunId::make();
  CHECK(a != b);
  CHECK(a == RunId(a));
  CHECK((a < b) != (b < a));
  CHECK_FALSE(a.is_nil());
  const std::string text = a.to_string();
  CHECK(text.size() == RunId::text_size);
  CHECK(text.find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz") == std::string::npos);
  CHECK(RunId::parse(text) == a);
  CHECK((a < b) == (a.to_string() < b.to_string()));
  std::ostringstream out;
  out << a;
  CHECK(out.str() == text);
  CHECK(std::unordered_set<RunId>{a, b, a}.size() == 2);
}

TEST_CASE("the nil run id is zeros") {
  CHECK(RunId().is_nil());
  CHECK(RunId().to_string() == std::string(26, '0'));
  CHECK(RunId::parse(std::string(26, '0')) == RunId());
  const auto largest = RunId::parse("7" + std::string(25, 'z'));
  REQUIRE(largest);
  CHECK(largest->to_string() == "7" + std::string(25, 'z'));
}

TEST_CASE("texts that are not run ids are refused") {
  const std::string good = RunId::make().to_string();
  for (const std::string& text :
       {std::string(), good.substr(1), good + "0", "8" + good.substr(1), "u" + good.substr(1), good.substr(0, 25) + "U",
        good.substr(0, 25) + "l", good.substr(0, 25) + std::string(1, '\0')})
    CHECK_FALSE(RunId::parse(text));
}

TEST_CASE("message ids are short and well spread") {
  std::array<std::set<char>, 15> seen;
  for (int i = 0; i < 2'000; ++i) {
    const std::string id = make_message_id();
    REQUIRE(id.size() == 15);
    for (std::size_t k = 0; k < id.size(); ++k) seen[k].insert(id[k]);
  }
  CHECK(seen[0] == std::set<char>{'m'});
  CHECK(std::all_of(seen.begin() + 1, seen.end(), [](const auto& chars) { return chars.size() == 64; }));
}

TEST_CASE("threads do not repeat each other's ids") {
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (auto& ids : made)
    threads.emplace_back([&ids] {
      for (int i = 0; i < 5'000; ++i) ids.push_back(i % 2 == 0 ? make_message_id() : RunId::make().to_string());
    });
  for (auto& t : threads) t.join();
  std::unordered_set<std::string> all;
  for (const auto& ids : made) all.insert(ids.begin(), ids.end());
  CHECK(all.size() == 20'000);
}

TEST_CASE("a forked child does not repeat its parent's ids") {
  const auto ids = [] {
    std::string out;
    for (int i = 0; i < 3; ++i) out += RunId::make().to_string() + make_message_id();
    return out;
  };
  ids();  // the generator of this thread is seeded now
  std::set<std::string> seen;
  for (int child = 0; child < 3; ++child) {
    int pipe_ends[2];
    REQUIRE(::pipe(pipe_ends) == 0);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      const std::string mine = ids();
      ::_exit(::write(pipe_ends[1], mine.data(), mine.size()) == static_cast<ssize_t>(mine.size()) ? 0 : 1);
    }
    ::close(pipe_ends[1]);
    std::string theirs(3 * (26 + 15), ' ');
    std::size_t got = 0;
    for (ssize_t n = 1; n > 0 && got < theirs.size(); got += static_cast<std::size_t>(n > 0 ? n : 0))
      n = ::read(pipe_ends[0], theirs.data() + got, theirs.size() - got);
    ::close(pipe_ends[0]);
    int status = 1;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    CHECK(status == 0);
    CHECK(got == theirs.size());
    seen.insert(theirs);
  }
  seen.insert(ids());
  CHECK(seen.size() == 4);
}
