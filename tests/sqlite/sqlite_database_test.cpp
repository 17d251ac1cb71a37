// SPDX-License-Identifier: MIT
// The file: how it is opened, what is refused, and what happens while somebody else has it.
#include <agentflow/sqlite/checkpointer.hpp>

#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "support/catch.hpp"

#include <agentflow/core/error.hpp>
#include <agentflow/core/json.hpp>
#include <agentflow/ports/sync_checkpointer.hpp>

#include "conformance/checkpointer_suite.hpp"
#include "support/folder.hpp"

namespace af = agentflow;
using namespace af::conformance;
using af::errc;

namespace {

/// Another program with the file open.
class Other {
 public:
  explicit Other(const std::string& path) { REQUIRE(sqlite3_open(path.c_str(), &db_) == SQLITE_OK); }
  ~Other() { sqlite3_close(db_); }
  void exec(const char* sql) {
    INFO(sql);
    REQUIRE(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }

 private:
  sqlite3* db_ = nullptr;
};

asio::awaitable<af::JsonValue> diagnose(std::shared_ptr<af::SqliteCheckpointer> cp) {
  co_return co_await cp->diagnostics();
}

asio::awaitable<void> commit_and_tell(std::shared_ptr<af::Checkpointer> cp, const af::Lease& lease,
                                      af::CheckpointBatch batch, std::optional<errc>& code) {
  try {
    co_await cp->commit(lease, std::move(batch));
  } catch (const af::error& e) {
    code = e.code();
  }
}

}  // namespace

TEST_CASE("A database and its lock file are for their owner alone", "[sqlite]") {
  const Folder folder;
  const auto cp = af::sqlite(folder.file("agent.db"));
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    INFO(entry.path());
    struct stat info{};
    REQUIRE(::stat(entry.path().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    ++files;
  }
  CHECK(files >= 3);  // the database, its WAL, the locks
}

TEST_CASE("Diagnostics say what the file is", "[sqlite]") {
  const Folder folder;
  const auto cp = af::sqlite(folder.file("agent.db"));
  const af::SyncCheckpointer sync(cp);
  const af::Lease lease = sync.claim("t");
  start_run(sync, lease, {});
  asio::io_context io;
  af::JsonValue found;
  asio::co_spawn(io, diagnose(cp), [&](std::exception_ptr e, af::JsonValue v) {
    REQUIRE_FALSE(e);
    found = std::move(v);
  });
  io.run();
  const auto& d = found.get();
  CHECK(d.at("journal_mode") == "wal");
  CHECK(d.at("synchronous") == "full");
  CHECK(d.at("schema_version") == 1);
  CHECK(d.at("sqlite_version") == sqlite3_libversion());
  CHECK(d.at("checkpoints") == 1);
  CHECK(d.at("runs") == 1);
  CHECK(d.at("pages").get<int>() > 5);
}

TEST_CASE("Files that are not ours, or too new, are refused and left alone", "[sqlite]") {
  const Folder folder;
  const auto code_for = [&](const std::string& path) { return code_of([&] { af::sqlite(path); }); };
  CHECK(code_for("") == errc::bad_config);
  CHECK(code_for(":memory:") == errc::bad_config);
  CHECK(code_for(folder.file("no/such/folder/agent.db")) == errc::storage_unavailable);
  CHECK(code_for(folder.path().string()) == errc::storage_unavailable);

  std::ofstream(folder.file("text.db")) << std::string(5000, 'x');
  CHECK(code_for(folder.file("text.db")) == errc::storage_version);

  Other(folder.file("foreign.db")).exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
  CHECK(code_for(folder.file("foreign.db")) == errc::storage_version);
  Other(folder.file("foreign.db")).exec("INSERT INTO t VALUES (2)");

  {
    const auto cp = af::sqlite(folder.file("newer.db"));
  }
  Other(folder.file("newer.db")).exec("PRAGMA user_version = 99");
  CHECK(code_for(folder.file("newer.db")) == errc::storage_version);
  Other(folder.file("newer.db")).exec("PRAGMA user_version = 1");
  CHECK_FALSE(code_for(folder.file("newer.db")));
}

TEST_CASE("A database that somebody else is writing gives an error after the wait, and works afterwards", "[sqlite]") {
  const Folder folder;
  const af::SyncCheckpointer cp(
      af::sqlite(folder.file("agent.db"), af::SqliteOptions().busy_timeout(std::chrono::milliseconds(20))));
  const af::Lease lease = cp.claim("t");
  const auto head = add_step(cp, lease, {}, "a");
  {
    Other other(folder.file("agent.db"));
    other.exec("BEGIN IMMEDIATE");
    CHECK(code_of([&] { add_step(cp, lease, head, "b"); }) == errc::storage_unavailable);
    CHECK(cp.load("t")->head == head);  // reading goes on
    CHECK(code_of([&] { cp.claim("u"); }) == errc::storage_unavailable);
    other.exec("COMMIT");
  }
  add_step(cp, lease, head, "b");
  CHECK(bodies(*cp.load("t")) == "a b ");
  CHECK_FALSE(code_of([&] { cp.claim("u"); }));
}

TEST_CASE("Commits that share a transaction fail one by one", "[sqlite]") {
  const Folder folder;
  const auto checkpointer = af::sqlite(folder.file("agent.db"));
  const af::SyncCheckpointer cp(checkpointer);
  constexpr std::size_t count = 40;
  std::vector<af::Lease> leases;
  for (std::size_t i = 0; i < count; ++i) leases.push_back(cp.claim("t" + std::to_string(i)));
  const af::Lease thief = cp.claim("t7", af::claim_mode::take_over);
  asio::io_context io;
  std::vector<std::optional<errc>> codes(count);
  for (std::size_t i = 0; i < count; ++i) {
    af::CheckpointBatch batch(leases[i]);
    // Every fifth does not follow, the seventh is fenced.
    batch.add(step_after(i % 5 == 0 ? af::CheckpointRef(3, 3) : af::CheckpointRef(), "a"));
    batch.put(af::PendingWrite("", i % 5 == 0 ? 4 : 1, "k", af::pending_kind::result, "v"));
    asio::co_spawn(io, commit_and_tell(checkpointer, leases[i], std::move(batch), codes[i]), [](std::exception_ptr) {});
  }
  io.run();
  for (std::size_t i = 0; i < count; ++i) {
    INFO("commit " << i);
    if (i == 7)
      CHECK(codes[i] == errc::thread_fenced);
    else if (i % 5 == 0)
      CHECK(codes[i] == errc::checkpoint_conflict);
    else
      CHECK_FALSE(codes[i]);
    const auto chain = cp.load("t" + std::to_string(i));
    CHECK(chain.has_value() == !codes[i]);
    if (chain) CHECK(chain->writes.size() == 1);
  }
}

TEST_CASE("Commits that wait together for another program fail together, and can be repeated", "[sqlite]") {
  const Folder folder;
  const auto checkpointer =
      af::sqlite(folder.file("agent.db"), af::SqliteOptions().busy_timeout(std::chrono::milliseconds(50)));
  const af::SyncCheckpointer cp(checkpointer);
  constexpr std::size_t count = 20;
  std::vector<af::Lease> leases;
  for (std::size_t i = 0; i < count; ++i) leases.push_back(cp.claim("t" + std::to_string(i)));
  const auto commit_all = [&] {
    asio::io_context io;
    std::vector<std::optional<errc>> codes(count);
    for (std::size_t i = 0; i < count; ++i) {
      af::CheckpointBatch batch(leases[i]);
      batch.add(step_after({}, "a"));
      asio::co_spawn(io, commit_and_tell(checkpointer, leases[i], std::move(batch), codes[i]),
                     [](std::exception_ptr) {});
    }
    io.run();
    return codes;
  };
  {
    Other other(folder.file("agent.db"));
    other.exec("BEGIN IMMEDIATE");
    for (const auto& code : commit_all()) CHECK(code == errc::storage_unavailable);
    other.exec("COMMIT");
  }
  for (const auto& code : commit_all()) CHECK_FALSE(code);
  CHECK(cp.threads().size() == count);
}

TEST_CASE("A lock file that cannot be opened is a typed error", "[sqlite]") {
  const Folder folder;
  std::filesystem::create_directory(folder.file("agent.db-owners"));
  CHECK(code_of([&] { af::sqlite(folder.file("agent.db")); }) == errc::storage_unavailable);
}
