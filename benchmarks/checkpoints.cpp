// SPDX-License-Identifier: MIT
// commit, load, stored: what a checkpointer costs by itself.
#include <stdlib.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "workloads.hpp"

#ifdef AGENTFLOW_BENCH_SQLITE
#include <agentflow/sqlite/checkpointer.hpp>
#endif

namespace bench {
namespace {

/// The delta of a step that adds a message of 100 characters.
std::string delta() {
  return R"({"messages":[{"id":"mABCDEFGHIJKLMN","role":"assistant","content":")" + std::string(100, 'x') +
         R"("}],"next":["agent"]})";
}

af::CheckpointBatch step(const af::Lease& lease, af::CheckpointRef& head, const af::RunId& run, bool snapshot) {
  af::CheckpointBatch batch(lease);
  af::CheckpointRecord r;
  r.seq = head.seq + 1;
  r.parent = head;
  r.step = r.seq;
  r.run = run;
  r.created_at = std::chrono::system_clock::now();
  r.fingerprint = 0x1234'5678'9abc'def0;
  r.body = delta();
  if (snapshot) r.snapshot = r.body;
  head = batch.add(std::move(r));
  return batch;
}

/// A thread that grows.
class Growing {
 public:
  Growing(std::shared_ptr<af::Checkpointer> checkpointer, const std::string& thread, long snapshot_every = 0)
      : checkpointer_(std::move(checkpointer)),
        lease_(af::SyncCheckpointer(checkpointer_).claim(thread)),
        snapshot_every_(snapshot_every) {}

  asio::awaitable<void> grow(long steps) {
    for (long i = 0; i < steps; ++i) {
      const auto next = static_cast<long>(head_.seq) + 1;
      auto batch = step(lease_, head_, run_, snapshot_every_ != 0 && next % snapshot_every_ == 0);
      co_await checkpointer_->commit(lease_, std::move(batch));
    }
  }

 private:
  std::shared_ptr<af::Checkpointer> checkpointer_;
  af::Lease lease_;
  af::CheckpointRef head_;
  af::RunId run_ = af::RunId::make();
  long snapshot_every_;
};

asio::awaitable<void> load(std::shared_ptr<af::Checkpointer> checkpointer, long times, std::size_t expected) {
  for (long i = 0; i < times; ++i) {
    const auto chain = co_await checkpointer->load("long");
    verify(chain && chain->records.size() == expected, "load");
  }
}

void commits(Session& session, const std::string& variant, std::shared_ptr<af::Checkpointer> checkpointer,
             Target target = {}) {
  auto thread = std::make_shared<Growing>(checkpointer, "commit " + variant);
  Case c{.workload = "commit", .variant = variant, .unit = "commit", .run = {}, .target = target};
  c.run = [thread](long n) {
    asio::io_context loop(1);
    run_on(loop, thread->grow(n));
  };
  session.measure(c);
}

/// Many threads at once: commits that wait together share a transaction.
void shared_commits(Session& session, const std::string& variant, std::shared_ptr<af::Checkpointer> checkpointer) {
  constexpr long side_by_side = 32;
  std::vector<std::shared_ptr<Growing>> threads;
  for (long i = 0; i < side_by_side; ++i)
    threads.push_back(std::make_shared<Growing>(checkpointer, variant + std::to_string(i)));
  Case c{.workload = "commit", .variant = variant + " 32 threads", .unit = "commit", .run = {}};
  c.units = side_by_side;
  c.run = [threads](long n) {
    asio::io_context loop(1);
    std::exception_ptr failure;
    for (const auto& t : threads)
      asio::co_spawn(loop, t->grow(n), [&failure](std::exception_ptr e) { failure = e ? e : failure; });
    loop.run();
    if (failure) std::rethrow_exception(failure);
  };
  session.measure(c);
}

void loads(Session& session, const std::string& variant, std::shared_ptr<af::Checkpointer> checkpointer,
           long snapshot_every, Target target = {}) {
  const std::string name = variant + (snapshot_every == 0 ? ", no snapshot" : ", snapshot every 100");
  if (!session.wants("load 10000 " + name)) return;
  constexpr long steps = 10'000 + 50;
  Growing thread(checkpointer, "long", snapshot_every);
  asio::io_context loop(1);
  run_on(loop, thread.grow(steps));
  const auto expected = static_cast<std::size_t>(snapshot_every == 0 ? steps : steps % snapshot_every + 1);
  Case c{.workload = "load 10000", .variant = name, .unit = "load", .run = {}, .target = target};
  c.run = [checkpointer, expected](long n) {
    asio::io_context io(1);
    run_on(io, load(checkpointer, n, expected));
  };
  session.measure(c);
}

#ifdef AGENTFLOW_BENCH_SQLITE
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::current_path() / "agentflow_bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder: " + name);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

void stored_bytes(Session& session, const Folder& folder) {
  if (!session.wants("stored sqlite")) return;
  constexpr long steps = 10'000;
  const std::string path = folder.file("stored.db");
  {
    Growing thread(af::sqlite(path, af::SqliteOptions().synchronous(af::sqlite_sync::normal)), "stored");
    asio::io_context loop(1);
    run_on(loop, thread.grow(steps));
  }
  Row row{.workload = "stored", .variant = "sqlite", .unit = "100-character message"};
  row.bytes = static_cast<double>(std::filesystem::file_size(path)) / static_cast<double>(steps);
  row.target.bytes = 1024;
  session.add(std::move(row));
}
#endif

}  // namespace

void checkpoints(Session& session) {
  commits(session, "memory", af::memory_checkpointer());
  loads(session, "memory", af::memory_checkpointer(), 100);
#ifdef AGENTFLOW_BENCH_SQLITE
  const Folder folder;
  const auto normal = af::SqliteOptions().synchronous(af::sqlite_sync::normal);
  commits(session, "sqlite full", af::sqlite(folder.file("full.db")));
  shared_commits(session, "sqlite full", af::sqlite(folder.file("full_shared.db")));
  commits(session, "sqlite normal", af::sqlite(folder.file("normal.db"), normal));
  shared_commits(session, "sqlite normal", af::sqlite(folder.file("normal_shared.db"), normal));
  loads(session, "sqlite", af::sqlite(folder.file("load.db"), normal), 100, {.ns = 20e6});
  loads(session, "sqlite", af::sqlite(folder.file("load_all.db"), normal), 0);
  stored_bytes(session, folder);
#endif
}

}  // namespace bench
