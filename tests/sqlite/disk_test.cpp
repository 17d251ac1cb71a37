// SPDX-License-Identifier: MIT
// What is stored survives power failures, failing disks and flipped bits, or says that it did not.
#include <agentflow/sqlite/checkpointer.hpp>

#include <sqlite3.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"

#include <agentflow/core/error.hpp>
#include <agentflow/ports/sync_checkpointer.hpp>

#include "conformance/checkpointer_suite.hpp"
#include "sqlite/test_vfs.hpp"
#include "support/folder.hpp"

namespace af = agentflow;
using namespace af::conformance;
using af::errc;

namespace {

constexpr int threads = 3;

std::string thread_name(int i) { return "thread " + std::to_string(i); }

/// The body of a record, known from its place.
std::string body_of(int thread, std::uint64_t seq) {
  const std::size_t size = seq % 7 == 0 ? 9000 : 50 + 37 * (seq % 11);
  return std::string(size, static_cast<char>('a' + (seq * 5 + static_cast<std::uint64_t>(thread)) % 26));
}

af::CheckpointBatch next_batch(const af::Lease& lease, int thread, af::CheckpointRef parent, af::CheckpointRef& made) {
  af::CheckpointBatch batch(lease);
  af::CheckpointRecord r = step_after(parent, body_of(thread, parent.seq + 1));
  if (r.seq % 9 == 0) r.snapshot = "snapshot " + std::to_string(r.seq);
  made = batch.add(std::move(r));
  batch.consume("", parent.seq);
  batch.put(af::PendingWrite("", made.seq, "task", af::pending_kind::result, body_of(thread, made.seq + 1)));
  return batch;
}

/// Throws unless the thread is whole, as `next_batch` made it; gives its head.
af::CheckpointRef check_thread(const af::SyncCheckpointer& cp, int thread) {
  const auto chain = cp.load(thread_name(thread));
  if (!chain) return {};
  for (const auto& r : chain->records)
    if (r.body != body_of(thread, r.seq)) throw std::runtime_error("another body than was stored");
  if (chain->writes.size() != 1 || chain->writes[0].bytes != body_of(thread, chain->head.seq + 1))
    throw std::runtime_error("another pending write than was stored");
  return chain->head;
}

af::SqliteOptions on_test_disk(af::sqlite_sync sync = af::sqlite_sync::full) {
  return af::SqliteOptions().vfs(test_vfs_name).synchronous(sync).busy_timeout(std::chrono::milliseconds(0));
}

std::string integrity(const std::string& path) {
  sqlite3* db = nullptr;
  std::string out = "cannot be opened";
  if (sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, test_vfs_name) == SQLITE_OK) {
    const auto row = [](void* to, int, char** values, char**) {
      *static_cast<std::string*>(to) = values[0];
      return 0;
    };
    if (sqlite3_exec(db, "PRAGMA integrity_check", row, &out, nullptr) != SQLITE_OK) out = sqlite3_errmsg(db);
  }
  sqlite3_close(db);
  return out;
}

struct Acknowledged {
  std::size_t operations;  // of the disk, when the commit returned
  int thread;
  std::uint64_t seq;
};

struct CrashCounts {
  int images = 0, lost = 0, damaged = 0, invented = 0;
};

/// Commits while the disk keeps a log, then looks at what a power failure at points of that log would have left.
CrashCounts crash(af::sqlite_sync sync, int wanted) {
  const Folder folder;
  const std::string path = folder.file("agent.db");
  std::vector<Acknowledged> acknowledged;
  const auto disk = std::make_shared<TestDisk>();
  disk->record = true;
  use_disk(disk);
  {
    const af::SyncCheckpointer cp(af::sqlite(path, on_test_disk(sync)));
    std::vector<af::Lease> leases;
    std::vector<af::CheckpointRef> heads(threads);
    for (int t = 0; t < threads; ++t) leases.push_back(cp.claim(thread_name(t)));
    // Enough for the log to be written back into the database a few times.
    for (int i = 0; i < 400; ++i) {
      const int t = i % threads;
      const auto index = static_cast<std::size_t>(t);
      af::CheckpointRef made;
      auto batch = next_batch(leases[index], t, heads[index], made);
      cp.commit(leases[index], std::move(batch));
      heads[index] = made;
      acknowledged.push_back({disk->log.size(), t, made.seq});
    }
  }
  CrashCounts counts;
  std::mt19937 random(7);
  CrashImages images(disk->log);
  const std::size_t points = static_cast<std::size_t>(wanted / CrashImages::losses);
  for (std::size_t point = 0; point < points; ++point) {
    const std::size_t at = disk->log.size() * (point + 1) / points;
    images.advance(at);
    for (int loss = 0; loss < CrashImages::losses; ++loss) {
      const auto after = std::make_shared<TestDisk>();
      after->files = images.image(static_cast<CrashImages::Loss>(loss), random);
      use_disk(after);
      ++counts.images;
      try {
        {
          const af::SyncCheckpointer cp(af::sqlite(path, on_test_disk()));
          for (int t = 0; t < threads; ++t) {
            std::uint64_t promised = 0;
            for (const auto& a : acknowledged)
              if (a.thread == t && a.operations <= at) promised = a.seq;
            const auto head = check_thread(cp, t);
            if (head.seq < promised) ++counts.lost;
            if (head.seq > promised + 1) ++counts.invented;
          }
          // And it goes on.
          const af::Lease lease = cp.claim(thread_name(0));
          af::CheckpointRef made;
          cp.commit(lease, next_batch(lease, 0, check_thread(cp, 0), made));
        }
        if (integrity(path) != "ok") ++counts.damaged;
      } catch (const std::exception& e) {
        UNSCOPED_INFO("after " << at << " operations, loss " << loss << ": " << e.what());
        ++counts.damaged;
      }
    }
  }
  use_disk(nullptr);
  return counts;
}

}  // namespace

TEST_CASE("A power failure loses nothing that was acknowledged", "[slow]") {
  const CrashCounts c = crash(af::sqlite_sync::full, 2000);
  std::cout << "power failures, synchronous full: " << c.images << " images, " << c.lost << " threads lost a commit, "
            << c.damaged << " damaged\n";
  CHECK(c.images == 2000);
  CHECK(c.lost == 0);
  CHECK(c.damaged == 0);
  CHECK(c.invented == 0);
}

TEST_CASE("With synchronous normal a power failure loses commits, but nothing is damaged", "[slow]") {
  const CrashCounts c = crash(af::sqlite_sync::normal, 500);
  std::cout << "power failures, synchronous normal: " << c.images << " images, " << c.lost << " threads lost a commit, "
            << c.damaged << " damaged\n";
  CHECK(c.damaged == 0);
  CHECK(c.lost > 0);  // or the images would show nothing
}

TEST_CASE("What was flushed survives a power failure, also with synchronous normal") {
  const Folder folder;
  const std::string path = folder.file("agent.db");
  const auto disk = std::make_shared<TestDisk>();
  disk->record = true;
  use_disk(disk);
  std::mt19937 random(11);
  int trials = 0;
  {
    const af::SyncCheckpointer cp(af::sqlite(path, on_test_disk(af::sqlite_sync::normal)));
    const af::Lease lease = cp.claim(thread_name(0));
    af::CheckpointRef head;
    for (int i = 0; i < 40; ++i) {
      af::CheckpointRef made;
      cp.commit(lease, next_batch(lease, 0, head, made));
      head = made;
      if (i % 4 != 0) continue;
      cp.flush();
      CrashImages images(disk->log);
      images.advance(disk->log.size());
      for (int loss = 0; loss < CrashImages::losses; ++loss, ++trials) {
        const auto after = std::make_shared<TestDisk>();
        after->files = images.image(static_cast<CrashImages::Loss>(loss), random);
        use_disk(after);
        CHECK(check_thread(af::SyncCheckpointer(af::sqlite(path, on_test_disk())), 0).seq == head.seq);
        use_disk(disk);
      }
    }
  }
  use_disk(nullptr);
  CHECK(trials >= 30);
}

// ---- Failing operations --------------------------------------------------------------------------------------------

namespace {

/// Does some work on a disk that fails once or from some point on, repairs it, and goes on with the same object.
/// Gives whether the fault was met.
bool work_on_failing_disk(const std::string& path, Fault fault, std::uint64_t at, bool persistent, int& errors) {
  const int errors_before = errors;
  const auto disk = std::make_shared<TestDisk>();
  use_disk(disk);
  disk->fail(fault, at, persistent);
  // Repeats a call until it works; after the first failure the disk is repaired.
  const auto insist = [&](auto call) {
    for (int attempt = 0;; ++attempt) {
      try {
        return call();
      } catch (const af::error& e) {
        INFO(e.what());
        REQUIRE(attempt < 3);
        REQUIRE((e.code() == errc::storage_unavailable || e.code() == errc::checkpoint_damaged));
        ++errors;
        disk->repair();
      }
    }
  };
  const af::SyncCheckpointer cp(insist([&] { return af::sqlite(path, on_test_disk()); }));
  af::CheckpointRef head;
  const af::Lease lease = insist([&] { return cp.claim(thread_name(0)); });
  for (int i = 0; i < 8; ++i) {
    af::CheckpointRef made;
    const auto batch = next_batch(lease, 0, head, made);
    insist([&] {
      cp.commit(lease, batch);
      return true;
    });
    head = made;
    if (i % 4 == 3) REQUIRE(insist([&] { return check_thread(cp, 0); }) == head);
  }
  const bool met = disk->failed() || errors > errors_before;
  disk->repair();
  REQUIRE(check_thread(cp, 0) == head);
  REQUIRE(cp.history(af::HistoryQuery(thread_name(0))).size() == 8);
  return met;
}

}  // namespace

TEST_CASE("A disk that fails at any operation gives a typed error, and the object works after the repair", "[slow]") {
  const Folder folder;
  int trials = 0, met = 0, errors = 0;
  for (const Fault fault : {Fault::full, Fault::io, Fault::short_write, Fault::read_only})
    for (const bool persistent : {false, true})
      for (std::uint64_t at = 1;; ++at) {
        INFO("fault " << static_cast<int>(fault) << " at operation " << at << (persistent ? " and after" : ""));
        const std::string path = folder.file("agent" + std::to_string(trials) + ".db");
        ++trials;
        if (!work_on_failing_disk(path, fault, at, persistent, errors)) break;
        ++met;
      }
  use_disk(nullptr);
  std::cout << "failing operations: " << trials << " runs, " << met << " met the fault, " << errors
            << " typed errors, nothing lost\n";
  CHECK(met > 500);
  CHECK(errors > 400);
}

// ---- Damage --------------------------------------------------------------------------------------------------------

namespace {

std::string fingerprint(const std::optional<af::CheckpointChain>& chain) {
  if (!chain) return "absent";
  std::string out;
  for (const auto& r : chain->records) out += r.id() + " " + r.body + " " + r.snapshot.value_or("-") + "\n";
  for (const auto& w : chain->writes) out += w.key + "=" + w.bytes + "\n";
  return out;
}

}  // namespace

TEST_CASE("Damage to the file is noticed, or does no harm", "[slow]") {
  const Folder folder;
  const std::string path = folder.file("agent.db");
  const auto disk = std::make_shared<TestDisk>();
  use_disk(disk);
  std::vector<std::string> expected;
  {
    const af::SyncCheckpointer cp(af::sqlite(path, on_test_disk()));
    for (int t = 0; t < threads; ++t) {
      const af::Lease lease = cp.claim(thread_name(t));
      af::CheckpointRef head;
      for (int i = 0; i < 30; ++i) {
        af::CheckpointRef made;
        auto batch = next_batch(lease, t, head, made);
        if (i == 0) batch.run(af::RunChange(af::RunId::make(), af::stored_status::running, time_at(0)));
        cp.commit(lease, std::move(batch));
        head = made;
      }
      expected.push_back(fingerprint(cp.load(thread_name(t))));
    }
  }
  const std::string good = disk->files.at(path);
  REQUIRE(good.size() > 16 * 4096);
  std::mt19937 random(11);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  constexpr std::size_t page = 4096;
  int noticed = 0, harmless = 0, silent = 0, offered = 0, usable = 0;
  constexpr int trials = 2000;
  for (int trial = 0; trial < trials; ++trial) {
    std::string bad = good;
    const int kind = trial % 8;
    if (kind < 5) {
      const std::size_t bit = below(bad.size() * 8);
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    } else if (kind == 5) {
      std::fill_n(bad.begin() + static_cast<std::ptrdiff_t>(below(bad.size() / page) * page), page, '\0');
    } else if (kind == 6) {
      bad.resize(1 + below(bad.size() - 1));
    } else {
      const auto a = below(bad.size() / page) * page, b = below(bad.size() / page) * page;
      std::swap_ranges(bad.begin() + static_cast<std::ptrdiff_t>(a),
                       bad.begin() + static_cast<std::ptrdiff_t>(a + page),
                       bad.begin() + static_cast<std::ptrdiff_t>(b));
    }
    const auto copy = std::make_shared<TestDisk>();
    copy->files[path] = std::move(bad);
    use_disk(copy);
    std::optional<af::SyncCheckpointer> cp;
    bool error = false;
    try {
      cp.emplace(af::sqlite(path, on_test_disk()));
    } catch (const af::error&) {
      error = true;
    }
    for (int t = 0; cp && t < threads; ++t) {
      try {
        const auto found = fingerprint(cp->load(thread_name(t)));
        if (found != expected[static_cast<std::size_t>(t)]) {
          ++silent;
          UNSCOPED_INFO("trial " << trial << ", thread " << t << ": " << found.substr(0, 200));
        }
      } catch (const af::checkpoint_damaged_error& e) {
        error = true;
        if (e.last_good().empty()) continue;
        ++offered;
        try {
          usable += cp->load_id(thread_name(t), e.last_good()).tip().id() == e.last_good() ? 1 : 0;
        } catch (const af::error&) {
        }
      } catch (const af::error& e) {
        UNSCOPED_INFO(e.what());
        CHECK(e.code() != errc::internal);
        error = true;
      }
    }
    (error ? noticed : harmless) += 1;
  }
  use_disk(nullptr);
  std::cout << "damaged files: " << trials << " trials, " << noticed << " noticed, " << harmless << " harmless, "
            << silent << " believed; a last good checkpoint offered " << offered << " times\n";
  CHECK(silent == 0);
  CHECK(noticed > trials / 4);
  CHECK(offered > 0);
  CHECK(usable == offered);
}

TEST_CASE("Rows that were swapped, replaced or deleted behind our back are noticed") {
  const Folder folder;
  const std::string path = folder.file("agent.db");
  const auto prepared = [&] {
    use_disk(std::make_shared<TestDisk>());
    const af::SyncCheckpointer cp(af::sqlite(path, on_test_disk()));
    for (int t = 0; t < 2; ++t) {
      const af::Lease lease = cp.claim(thread_name(t));
      af::CheckpointRef head;
      for (int i = 0; i < 6; ++i) {
        af::CheckpointRef made;
        auto batch = next_batch(lease, t, head, made);
        if (i == 0) batch.run(af::RunChange(af::RunId::make(), af::stored_status::running, time_at(0)));
        cp.commit(lease, std::move(batch));
        head = made;
      }
    }
  };
  // Thread 0 has the places (1 << 32) + seq, thread 1 (2 << 32) + seq.
  const char* tampering[] = {
      "UPDATE checkpoints SET body = (SELECT body FROM checkpoints WHERE place = 4294967298) WHERE place = 4294967299",
      "CREATE TEMP TABLE a AS SELECT * FROM checkpoints WHERE place = 8589934594; UPDATE a SET place = 4294967298; "
      "REPLACE INTO checkpoints SELECT * FROM a",
      "DELETE FROM checkpoints WHERE place = 4294967302",
      "DELETE FROM checkpoints WHERE place = 4294967299",
      "UPDATE spaces SET head_seq = 5 WHERE id = 1",
      "UPDATE spaces SET head_seq = 5, head_sum = (SELECT sum FROM checkpoints WHERE place = 4294967301) WHERE id = 1",
      "DELETE FROM writes WHERE place = 4294967302",
      "UPDATE writes SET bytes = x'00' WHERE place = 4294967302",
      "UPDATE writes SET key = 'other' WHERE place = 4294967302",
      "UPDATE threads SET epoch = epoch + 1 WHERE id = 1",
      "UPDATE threads SET name = 'thread x' WHERE id = 1",
      "UPDATE spaces SET ns = 'sub' WHERE id = 1",
      "UPDATE checkpoints SET status = 5 WHERE place = 4294967300",
      "UPDATE checkpoints SET created_at = created_at + 1 WHERE place = 4294967300",
      "UPDATE checkpoints SET snapshot = x'' WHERE place = 4294967300",
      "DROP TABLE writes",
      "ALTER TABLE checkpoints RENAME COLUMN body TO bodies",
  };
  for (const char* sql : tampering) {
    INFO(sql);
    prepared();
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, test_vfs_name) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
    const af::SyncCheckpointer cp(af::sqlite(path, on_test_disk()));
    CHECK(code_of([&] { cp.load(thread_name(0)); }) == errc::checkpoint_damaged);
  }
  use_disk(nullptr);
}
