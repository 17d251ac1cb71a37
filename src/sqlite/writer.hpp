// SPDX-License-Identifier: MIT
// Private: the thread that a database belongs to.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

#include "async/parking.hpp"
#include "sqlite/connection.hpp"

namespace agentflow::detail {

/// Runs jobs on its own thread, in the order in which they come. Jobs that write and wait together share a transaction:
/// each is atomic by itself (a savepoint), all are acknowledged when the one commit is through.
class SqliteWriter {
 public:
  /// Opens the database on the calling thread, so that errors come at once.
  SqliteWriter(std::string path, SqliteOptions options);
  SqliteWriter(const SqliteWriter&) = delete;
  SqliteWriter& operator=(const SqliteWriter&) = delete;
  /// Finishes what was submitted, then closes the database. Must not run in a forked child: see `forked`.
  ~SqliteWriter();

  /// Whether this is a child process that inherited the object.
  bool forked() const noexcept;

  /// Runs `job(connection)`, inside a transaction of its own.
  template <class F>
  auto write(F job) {
    return call(std::move(job), Kind::write);
  }
  /// Runs it in one that only reads: what it sees was committed, all of it at the same time.
  template <class F>
  auto read(F job) {
    return call(std::move(job), Kind::read);
  }
  /// Comes after all that was submitted, and has the disk keep it, also where commits do not wait for that.
  asio::awaitable<void> flush();

 private:
  enum class Kind : unsigned char { read, write, outside };  // the last: outside of any transaction

  class Job {
   public:
    explicit Job(Kind k) noexcept : kind(k) {}
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    virtual ~Job() = default;
    virtual void run(SqliteConnection& db) = 0;
    /// Forgets a result that was not committed.
    virtual void forget() = 0;

    const Kind kind;
    std::exception_ptr failure;
    ParkingSpot done;
  };

  template <class F, class R>
  class JobOf final : public Job {
   public:
    JobOf(F&& fn, Kind k) : Job(k), fn_(std::move(fn)) {}
    void run(SqliteConnection& db) override { result.emplace(fn_(db)); }
    void forget() override { result.reset(); }
    std::optional<R> result;

   private:
    F fn_;
  };

  template <class F, class R = std::invoke_result_t<F&, SqliteConnection&>>
  asio::awaitable<R> call(F fn, Kind kind) {
    auto job = std::make_shared<JobOf<F, R>>(std::move(fn), kind);
    check_process();
    auto done = job->done.park_surely(co_await asio::this_coro::executor, [](void*) {});
    // Once it is submitted it is carried out, whatever happens to the caller; so the caller waits for it.
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    if (submit(job)) co_await std::move(done);
    co_await asio::this_coro::throw_if_cancelled(throws);
    if (job->failure) std::rethrow_exception(job->failure);
    co_return std::move(*job->result);
  }

  void check_process() const;
  /// False, with the job failed, when there is no memory for it.
  bool submit(std::shared_ptr<Job> job) noexcept;
  void work();
  void execute(std::vector<std::shared_ptr<Job>>& batch);
  void execute_together(SqliteConnection& db, std::vector<std::shared_ptr<Job>>& batch);
  void execute_alone(Job& job) noexcept;
  void recover() noexcept;
  SqliteConnection& connection();

  const std::string path_;
  const SqliteOptions options_;
  const pid_t pid_;
  std::optional<SqliteConnection> db_;  // the writer thread's, once that runs
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> jobs_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace agentflow::detail
