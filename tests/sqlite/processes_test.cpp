// SPDX-License-Identifier: MIT
// Several processes and one file: ownership, fencing, kills, and forks.
#include <agentflow/sqlite/checkpointer.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"

#include <agentflow/core/error.hpp>
#include <agentflow/ports/sync_checkpointer.hpp>
#include <agentflow/sqlite/store.hpp>

#include "conformance/checkpointer_suite.hpp"
#include "support/folder.hpp"

namespace af = agentflow;
using namespace af::conformance;
using af::errc;

namespace {

/// A child process with a line to it and one from it. Only to be made while this process has no other threads.
class Child {
 public:
  explicit Child(const std::function<void(Child&)>& body) {
    int down[2], up[2];
    REQUIRE(::pipe(down) == 0);
    REQUIRE(::pipe(up) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    in_ = pid_ == 0 ? down[0] : up[0];
    out_ = pid_ == 0 ? up[1] : down[1];
    ::close(pid_ == 0 ? down[1] : down[0]);
    ::close(pid_ == 0 ? up[0] : up[1]);
    if (pid_ != 0) return;
    try {
      body(*this);
    } catch (const std::exception& e) {
      say('!');
      static_cast<void>(!::write(2, e.what(), std::string(e.what()).size()));
    }
    ::_exit(0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    signal(SIGKILL);
    wait();
    ::close(in_);
    ::close(out_);
  }

  void say(char c) const { static_cast<void>(!::write(out_, &c, 1)); }
  /// The next thing the other side says; 0 when it is gone.
  char hear() const {
    char c = 0;
    return ::read(in_, &c, 1) == 1 ? c : '\0';
  }
  void signal(int number) const {
    if (!done_) ::kill(pid_, number);
  }
  void wait() {
    if (done_) return;
    ::waitpid(pid_, nullptr, 0);
    done_ = true;
  }
  /// Until it has really stopped.
  void stop() const {
    signal(SIGSTOP);
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
  }

 private:
  pid_t pid_ = 0;
  int in_ = -1, out_ = -1;
  bool done_ = false;
};

}  // namespace

TEST_CASE("Of the processes that want a thread, one gets it at once and the others are told so", "[slow]") {
  const Folder folder;
  const std::string path = folder.file("agent.db");
  {
    const auto prepared = af::sqlite(path);
  }
  int rounds = 0, winners = 0, losers = 0, slow = 0;
  for (; rounds < 150; ++rounds) {
    std::vector<std::unique_ptr<Child>> children;
    for (int i = 0; i < 2 + rounds % 5; ++i)
      children.push_back(std::make_unique<Child>([&](Child& parent) {
        const af::SyncCheckpointer cp(af::sqlite(path));
        parent.say('r');
        parent.hear();
        const auto start = std::chrono::steady_clock::now();
        std::optional<af::Lease> lease;
        const auto code = code_of([&] { lease.emplace(cp.claim("t")); });
        if (std::chrono::steady_clock::now() - start > std::chrono::seconds(1)) parent.say('s');
        parent.say(lease ? 'w' : code == errc::thread_busy ? 'b' : '?');
        parent.hear();  // keeps it until all have tried
      }));
    for (auto& c : children) CHECK(c->hear() == 'r');
    for (auto& c : children) c->say('g');
    for (auto& c : children) {
      char said = c->hear();
      if (said == 's') {
        ++slow;
        said = c->hear();
      }
      winners += said == 'w' ? 1 : 0;
      losers += said == 'b' ? 1 : 0;
      CHECK((said == 'w' || said == 'b'));
    }
  }
  std::cout << "contenders: " << rounds << " rounds, " << winners << " winners, " << losers << " told busy, " << slow
            << " after more than a second\n";
  CHECK(winners == rounds);
  CHECK(losers > rounds);
}

TEST_CASE("A killed owner's thread is free at once; a stopped owner keeps it, or is fenced when it wakes", "[slow]") {
  const Folder folder;
  const std::string path = folder.file("agent.db");
  int stale = 0, fenced = 0;
  for (int round = 0; round < 60; ++round) {
    Child owner([&](Child& parent) {
      const af::SyncCheckpointer cp(af::sqlite(path));
      const af::Lease lease = cp.claim("t");
      auto chain = cp.load("t");
      add_step(cp, lease, chain ? chain->head : af::CheckpointRef(), "owner");
      parent.say('o');
      while (parent.hear() == 'c') {
        chain = cp.load("t");
        const auto code = code_of([&] { add_step(cp, lease, chain->head, "stale"); });
        parent.say(!code ? 'y' : code == errc::thread_fenced ? 'f' : '?');
      }
    });
    REQUIRE(owner.hear() == 'o');
    owner.stop();
    {
      const af::SyncCheckpointer cp(af::sqlite(path));
      CHECK(code_of([&] { cp.claim("t"); }) == errc::thread_busy);
      CHECK(cp.thread("t")->owned);
      if (round % 2 == 0) {
        const af::Lease lease = cp.claim("t", af::claim_mode::take_over);
        const auto head = add_step(cp, lease, cp.load("t")->head, "new owner");
        owner.signal(SIGCONT);
        owner.say('c');
        const char said = owner.hear();
        fenced += said == 'f' ? 1 : 0;
        stale += said == 'y' ? 1 : 0;
        CHECK(cp.load("t")->head == head);
        add_step(cp, lease, head, "new owner");
        CHECK(code_of([&] { cp.claim("t"); }) == errc::thread_busy);
      } else {
        owner.signal(SIGKILL);
        owner.wait();
        CHECK_FALSE(cp.thread("t")->owned);
        const af::Lease lease = cp.claim("t");
        add_step(cp, lease, cp.load("t")->head, "heir");
      }
    }
  }
  std::cout << "paused owners: " << fenced << " fenced, " << stale << " stale writes\n";
  CHECK(fenced == 30);
  CHECK(stale == 0);
}

TEST_CASE("A process killed at any moment loses nothing it was told is stored", "[slow]") {
  const Folder folder;
  std::mt19937 random(3);
  int kills = 0, extra = 0;
  std::uint64_t commits = 0;
  for (int round = 0; round < 50; ++round) {
    const std::string path = folder.file("agent" + std::to_string(round) + ".db");
    std::uint64_t told = 0;
    for (int life = 0; life < 10; ++life) {
      Child child([&](Child& parent) {
        const auto quick = af::SqliteOptions().synchronous(af::sqlite_sync::normal);
        const af::SyncCheckpointer cp(af::sqlite(path, quick));
        const af::Lease lease = cp.claim("t");
        const auto chain = cp.load("t");
        af::CheckpointRef head = chain ? chain->head : af::CheckpointRef();
        for (;;) {
          af::CheckpointBatch batch(lease);
          af::CheckpointRecord r = step_after(head, std::string(head.seq % 50 * 40, 'x'));
          if (r.seq % 20 == 0) r.snapshot = "s";
          head = batch.add(std::move(r));
          batch.put(af::PendingWrite("", head.seq, "k", af::pending_kind::result, std::to_string(head.seq)));
          batch.consume("", head.seq - 1);
          cp.commit(lease, std::move(batch));
          parent.say('k');
        }
      });
      // From the first microseconds of its life on; counted in commits, so that a slow machine sees the same.
      const int until = static_cast<int>(random() % 40);
      std::uint64_t heard = 0;
      for (int i = 0; i < until && child.hear() == 'k'; ++i) ++heard;
      ::usleep(static_cast<useconds_t>(random() % 300));  // no wait for something: a moment like any other
      child.signal(SIGKILL);
      while (child.hear() == 'k') ++heard;
      child.wait();
      ++kills;
      told += heard;
      commits += heard;
      const af::SyncCheckpointer cp(af::sqlite(path));
      const auto chain = cp.load("t");
      const std::uint64_t stored = chain ? chain->head.seq : 0;
      CHECK(stored >= told);
      CHECK(stored <= told + 1);
      if (chain) CHECK(chain->writes[0].bytes == std::to_string(stored));
      extra += stored > told ? 1 : 0;
      told = stored;
      CHECK_FALSE(code_of([&] { cp.claim("t"); }));
    }
  }
  std::cout << "kills: " << kills << " with " << commits << " commits acknowledged, none lost, " << extra
            << " stored but not yet acknowledged\n";
  CHECK(kills == 500);
}

TEST_CASE("A reader sees a commit as a whole or not at all", "[slow]") {
  const Folder folder;
  const std::string path = folder.file("agent.db");
  Child writer([&](Child& parent) {
    const auto quick = af::SqliteOptions().synchronous(af::sqlite_sync::normal);
    const af::SyncCheckpointer cp(af::sqlite(path, quick));
    const af::Lease lease = cp.claim("t");
    af::CheckpointRef head;
    for (;;) {
      af::CheckpointBatch batch(lease);
      af::CheckpointRecord r = step_after(head, "body");
      if (r.seq % 10 == 0) r.snapshot = "s";
      head = batch.add(std::move(r));
      batch.put(af::PendingWrite("", head.seq, "k", af::pending_kind::result, std::to_string(head.seq)));
      batch.consume("", head.seq - 1);
      cp.commit(lease, std::move(batch));
      if (head.seq == 1) parent.say('r');
    }
  });
  REQUIRE(writer.hear() == 'r');
  const af::SyncCheckpointer cp(af::sqlite(path));
  int reads = 0, views = 0, mixed = 0;
  std::uint64_t last = 0;
  for (; reads < 20'000 && views < 1'000; ++reads) {
    const auto code = code_of([&] {
      const auto chain = cp.load("t");
      mixed += chain->writes.size() == 1 && chain->writes[0].bytes == std::to_string(chain->head.seq) ? 0 : 1;
      views += chain->head.seq != last ? 1 : 0;
      last = chain->head.seq;
    });
    if (code) ++mixed;
  }
  std::cout << "concurrent reads: " << reads << " of " << views << " different checkpoints, " << mixed << " mixed\n";
  CHECK(mixed == 0);
  CHECK(views > 100);
}

TEST_CASE("A forked child is refused, and the parent unharmed") {
  const Folder folder;
  const std::string path = folder.file("agent.db");
  auto checkpointer = af::sqlite(path);
  auto store = af::sqlite_store(path);
  const af::SyncCheckpointer cp(checkpointer);
  std::optional<af::Lease> lease(cp.claim("t"));
  const auto head = add_step(cp, *lease, {}, "a");
  for (int i = 0; i < 20; ++i) {
    Child child([&](Child& parent) {
      parent.say(code_of([&] { cp.load("t"); }) == errc::storage_forked ? 'f' : '?');
      parent.say(code_of([&] { af::SyncStore(store).get({"a"}, "k"); }) == errc::storage_forked ? 'f' : '?');
      lease.reset();
      checkpointer.reset();
      store.reset();
      parent.say('d');
    });
    CHECK(child.hear() == 'f');
    CHECK(child.hear() == 'f');
    CHECK(child.hear() == 'd');
    child.wait();
    // The child's end has not freed the thread.
    const af::SyncCheckpointer other(af::sqlite(path));
    CHECK(code_of([&] { other.claim("t"); }) == errc::thread_busy);
  }
  add_step(cp, *lease, head, "b");
  CHECK(cp.load("t")->head.seq == 2);
}
