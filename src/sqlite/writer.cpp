// SPDX-License-Identifier: MIT
// The writer thread and its transactions.
#include "sqlite/writer.hpp"

#include <unistd.h>

#include <system_error>

#include <agentflow/core/error.hpp>

#include "sqlite/schema.hpp"

namespace agentflow::detail {
namespace {

/// How many jobs share a transaction at most, so that none waits long for the others.
constexpr std::size_t max_together = 64;

void roll_back(SqliteConnection& db) noexcept {
  try {
    if (db.in_transaction()) db.exec("ROLLBACK");
  } catch (...) {
    // An error of the disk: the connection is replaced, and the transaction goes with it.
  }
}

/// Whether the disk or the file is to blame, and not the caller.
bool of_the_disk(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const error& e) {
    return e.code() == errc::storage_unavailable || e.code() == errc::checkpoint_damaged ||
           e.code() == errc::storage_version || e.code() == errc::internal;
  } catch (...) {
    return false;
  }
}

}  // namespace

SqliteWriter::SqliteWriter(std::string path, SqliteOptions options)
    : path_(std::move(path)), options_(std::move(options)), pid_(::getpid()) {
  connection();
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& e) {
    throw error(errc::resource_exhausted, std::string("cannot start the thread of a database: ") + e.what());
  }
}

SqliteWriter::~SqliteWriter() {
  {
    std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool SqliteWriter::forked() const noexcept { return ::getpid() != pid_; }

asio::awaitable<void> SqliteWriter::flush() {
  // Writing the log back into the database makes the disk keep both. Where others read it, that may be a part.
  auto write_back = [](SqliteConnection& db) { return db.query("PRAGMA wal_checkpoint(PASSIVE)").step(); };
  auto work = call(std::move(write_back), Kind::outside);
  co_await std::move(work);
}

void SqliteWriter::check_process() const {
  if (forked())
    throw storage_error(errc::storage_forked,
                        "this database was opened before fork(), by the parent process: open it again in the child");
}

void SqliteWriter::submit(std::shared_ptr<Job> job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void SqliteWriter::work() {
  std::vector<std::shared_ptr<Job>> batch;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
    if (jobs_.empty()) break;
    do {
      batch.push_back(std::move(jobs_.front()));
      jobs_.pop_front();
    } while (batch.back()->kind == Kind::write && !jobs_.empty() && jobs_.front()->kind == Kind::write &&
             batch.size() < max_together);
    lock.unlock();
    execute(batch);
    for (auto& job : batch) job->done.unpark();
    batch.clear();
    lock.lock();
  }
  db_.reset();
}

SqliteConnection& SqliteWriter::connection() {
  if (!db_) {
    db_.emplace(path_, options_);
    try {
      migrate(*db_);
    } catch (...) {
      db_.reset();
      throw;
    }
  }
  return *db_;
}

void SqliteWriter::execute(std::vector<std::shared_ptr<Job>>& batch) {
  if (batch.size() > 1) {
    try {
      return execute_together(connection(), batch);
    } catch (...) {
      // Nobody's result counts. Each tries for itself and gets its own error.
      if (db_) roll_back(*db_);
      for (auto& job : batch) {
        job->forget();
        job->failure = nullptr;
      }
    }
  }
  for (auto& job : batch) execute_alone(*job);
}

void SqliteWriter::execute_together(SqliteConnection& db, std::vector<std::shared_ptr<Job>>& batch) {
  db.query("BEGIN IMMEDIATE").run();
  for (auto& job : batch) {
    db.query("SAVEPOINT job").run();
    try {
      job->run(db);
    } catch (...) {
      job->failure = std::current_exception();
    }
    if (job->failure) {
      if (of_the_disk(job->failure) || !db.in_transaction()) std::rethrow_exception(job->failure);
      db.query("ROLLBACK TO job").run();
    }
    db.query("RELEASE job").run();
  }
  db.query("COMMIT").run();
}

void SqliteWriter::execute_alone(Job& job) noexcept {
  try {
    SqliteConnection& db = connection();
    // A read has one as well: all its statements see the same commit.
    if (job.kind != Kind::outside) db.query(job.kind == Kind::write ? "BEGIN IMMEDIATE" : "BEGIN").run();
    job.run(db);
    if (job.kind != Kind::outside) db.query("COMMIT").run();
  } catch (...) {
    job.failure = std::current_exception();
    job.forget();
    if (db_) roll_back(*db_);
    // What the connection remembers of a file that failed may be wrong. The next job opens a new one.
    if (of_the_disk(job.failure)) db_.reset();
  }
}

}  // namespace agentflow::detail
