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

bool SqliteWriter::submit(std::shared_ptr<Job> job) noexcept {
  try {
    std::lock_guard lock(mutex_);
    jobs_.push_back(job);
  } catch (...) {
    job->failure = std::current_exception();
    return false;
  }
  wake_.notify_one();
  return true;
}

void SqliteWriter::work() {
  std::vector<std::shared_ptr<Job>> batch;
  batch.reserve(max_together);  // nobody could be told that there is no memory
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
      recover();
      for (auto& job : batch) {
        job->forget();
        job->failure = nullptr;
      }
    }
  }
  for (auto& job : batch) execute_alone(*job);
}

void SqliteWriter::execute_together(SqliteConnection& db, std::vector<std::shared_ptr<Job>>& batch) {
  try {
    db.query("BEGIN IMMEDIATE").run();
  } catch (...) {
    // As when another process is writing: it would be the same for each, after as long a wait.
    for (auto& job : batch) job->failure = std::current_exception();
    return recover();
  }
  for (auto& job : batch) {
    db.query("SAVEPOINT job").run();
    try {
      job->run(db);
    } catch (...) {
      job->failure = std::current_exception();
    }
    if (job->failure) {
      if (db.suspect() || !db.in_transaction()) std::rethrow_exception(job->failure);
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
    recover();
  }
}

/// After an error: no transaction is open, and a connection that may be wrong is gone. The next job opens another.
void SqliteWriter::recover() noexcept {
  if (!db_) return;
  try {
    if (db_->in_transaction()) db_->exec("ROLLBACK");
  } catch (...) {
    // It goes with the connection.
  }
  if (db_->suspect() || db_->in_transaction()) db_.reset();
}

}  // namespace agentflow::detail
