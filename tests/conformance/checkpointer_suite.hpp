// SPDX-License-Identifier: MIT
// The behaviour that every checkpointer has. For a checkpointer of your own, write
//
//   TEST_CASE("MyCheckpointer conforms") {
//     agentflow::conformance::CheckpointerFactory factory;
//     factory.fresh = [] { return std::make_shared<MyCheckpointer>(...); };  // on empty storage
//     factory.reopen = [](auto&) { return std::make_shared<MyCheckpointer>(...); };  // on that storage again, or leave
//     it out agentflow::conformance::checkpointer_suite(factory);
//   }
//
// and include Catch2 (2.13 or 3) before this file. Nothing of the library's own tests is needed.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json.hpp>
#include <agentflow/ports/checkpointer.hpp>
#include <agentflow/ports/sync_checkpointer.hpp>

#include "conformance/checkpointer_model.hpp"

namespace agentflow::conformance {

class CheckpointerFactory {
 public:
  CheckpointerFactory() = default;
  std::function<std::shared_ptr<Checkpointer>()> fresh;  ///< On empty storage.
  /// Another object on the storage of the one that `fresh` made last, which may still be in use; empty if there is no
  /// such thing.
  std::function<std::shared_ptr<Checkpointer>()> reopen;
  std::size_t random_operations = 10'000;
};

using Time = std::chrono::system_clock::time_point;
inline Time time_at(int seconds) { return Time(std::chrono::seconds(1'700'000'000 + seconds)); }

/// The code of what a call throws, or nothing if it works.
template <class F>
std::optional<errc> code_of(F&& call) {
  try {
    call();
  } catch (const error& e) {
    UNSCOPED_INFO(e.what());
    return e.code();
  }
  return std::nullopt;
}

inline CheckpointRecord step_after(CheckpointRef parent, std::string body, std::string ns = {}) {
  CheckpointRecord r;
  r.ns = std::move(ns);
  r.seq = parent.seq + 1;
  r.parent = parent;
  r.step = r.seq;
  r.created_at = time_at(static_cast<int>(r.seq));
  r.body = std::move(body);
  return r;
}

inline CheckpointRef add_step(const SyncCheckpointer& cp, const Lease& lease, CheckpointRef parent, std::string body,
                              std::string ns = {}) {
  CheckpointBatch batch(lease);
  const CheckpointRef ref = batch.add(step_after(parent, std::move(body), std::move(ns)));
  cp.commit(lease, std::move(batch));
  return ref;
}

inline RunId start_run(const SyncCheckpointer& cp, const Lease& lease, CheckpointRef parent, int second = 0) {
  const RunId id = RunId::make();
  CheckpointRecord input = step_after(parent, "input");
  input.kind = checkpoint_kind::input;
  input.run = id;
  CheckpointBatch batch(lease);
  batch.add(std::move(input));
  batch.run(RunChange(id, stored_status::running, time_at(second)));
  cp.commit(lease, std::move(batch));
  return id;
}

inline void set_status(const SyncCheckpointer& cp, const Lease& lease, RunId id, stored_status status, int second = 0) {
  CheckpointBatch batch(lease);
  batch.run(RunChange(id, status, time_at(second), "because"));
  cp.commit(lease, std::move(batch));
}

inline std::string bodies(const CheckpointChain& chain) {
  std::string out;
  for (const auto& r : chain.records) out += (r.snapshot ? "[" + *r.snapshot + "]" : r.body) + " ";
  return out;
}

inline void check_same(const CheckpointRecord& a, const CheckpointRecord& b, bool bytes = true) {
  CHECK(a.id() == b.id());
  CHECK(a.thread == b.thread);
  CHECK(a.parent == b.parent);
  CHECK(a.kind == b.kind);
  CHECK(a.status == b.status);
  CHECK(a.step == b.step);
  CHECK(a.run == b.run);
  CHECK(a.created_at == b.created_at);
  CHECK(a.fingerprint == b.fingerprint);
  CHECK(a.format == b.format);
  CHECK(a.metadata == b.metadata);
  CHECK(a.epoch == b.epoch);
  CHECK(a.body_sum == b.body_sum);
  CHECK(a.snapshot_sum == b.snapshot_sum);
  CHECK(a.snapshot.has_value() == b.snapshot.has_value());
  if (!bytes) return;
  CHECK(a.body == b.body);
  CHECK(a.snapshot == b.snapshot);
}

// ---- Ownership -----------------------------------------------------------------------------------------------------

inline void suite_ownership(const CheckpointerFactory& factory) {
  const SyncCheckpointer cp(factory.fresh());
  SECTION("a thread has one owner, and is free again when the lease goes") {
    std::optional<Lease> lease(cp.claim("t"));
    CHECK(lease->thread() == "t");
    CHECK(code_of([&] { cp.claim("t"); }) == errc::thread_busy);
    const Lease other = cp.claim("u");
    CHECK(other.epoch() != lease->epoch());
    const auto epoch = lease->epoch();
    lease.reset();
    const Lease again = cp.claim("t");
    CHECK(again.epoch() > epoch);
  }
  SECTION("a lease that was released writes nothing") {
    Lease lease = cp.claim("t");
    add_step(cp, lease, {}, "a");
    CheckpointBatch batch(lease);
    batch.add(step_after(CheckpointRef(1, cp.load("t")->head.sum), "b"));
    lease.release();
    CHECK(code_of([&] { cp.commit(lease, std::move(batch)); }) == errc::thread_fenced);
    CHECK(cp.load("t")->head.seq == 1);
  }
  SECTION("an owner that was displaced is fenced, and what it does changes nothing") {
    Lease old = cp.claim("t");
    const CheckpointRef a = add_step(cp, old, {}, "a");
    Lease owner = cp.claim("t", claim_mode::take_over);
    CHECK(owner.epoch() > old.epoch());
    CheckpointBatch batch(old);
    batch.add(step_after(a, "stale"));
    batch.put(PendingWrite("", 1, "task", pending_kind::result, "stale"));
    CHECK(code_of([&] { cp.commit(old, std::move(batch)); }) == errc::thread_fenced);
    CheckpointBatch status_only(old);
    status_only.run(RunChange(RunId::make(), stored_status::running, time_at(0)));
    CHECK(code_of([&] { cp.commit(old, std::move(status_only)); }) == errc::thread_fenced);
    old.release();
    CHECK(code_of([&] { cp.claim("t"); }) == errc::thread_busy);
    add_step(cp, owner, a, "b");
    CHECK(bodies(*cp.load("t")) == "a b ");
    CHECK(cp.load("t")->writes.empty());
    CHECK(cp.runs().empty());
    owner.release();
    CHECK_FALSE(code_of([&] { cp.claim("t"); }));
  }
  SECTION("a thread that was removed and made again does not know its old owners") {
    Lease old = cp.claim("t");
    add_step(cp, old, {}, "a");
    {
      Lease thief = cp.claim("t", claim_mode::take_over);
    }
    CHECK(cp.remove("t"));
    const Lease lease = cp.claim("t");
    CheckpointBatch batch(old);
    batch.add(step_after({}, "stale"));
    CHECK(code_of([&] { cp.commit(old, std::move(batch)); }) == errc::thread_fenced);
  }
  SECTION("of many who claim at once, one wins") {
    for (int round = 0; round < 20; ++round) {
      std::atomic<int> winners{0}, busy{0};
      std::vector<std::optional<Lease>> leases(6);
      std::vector<std::thread> threads;
      for (std::size_t i = 0; i < leases.size(); ++i)
        threads.emplace_back([&, i] {
          try {
            leases[i].emplace(cp.claim("contended"));
            ++winners;
          } catch (const storage_error& e) {
            if (e.code() == errc::thread_busy) ++busy;
          }
        });
      for (auto& t : threads) t.join();
      CHECK(winners == 1);
      CHECK(busy == 5);
    }
  }
  SECTION("a lease may outlive the object") {
    std::optional<Lease> lease;
    {
      const auto short_lived = factory.fresh();
      lease.emplace(SyncCheckpointer(short_lived).claim("t"));
    }
    lease.reset();
  }
}

// ---- Records -------------------------------------------------------------------------------------------------------

inline void suite_records(const CheckpointerFactory& factory) {
  const SyncCheckpointer cp(factory.fresh());
  SECTION("what is not there is nothing") {
    CHECK_FALSE(cp.load("t"));
    const Lease lease = cp.claim("t");
    CHECK_FALSE(cp.load("t"));
    add_step(cp, lease, {}, "a");
    CHECK_FALSE(cp.load("t", "sub"));
    CHECK_FALSE(cp.load("t", "", 2));
    CHECK_FALSE(cp.load("T"));
    CHECK(cp.history(HistoryQuery("nobody")).empty());
  }
  SECTION("a record comes back as it was, byte by byte") {
    const Lease lease = cp.claim("Gespräch 1'; --");
    CheckpointRecord r;
    r.ns = "outer#0/inner#2";
    r.seq = 1;
    r.kind = checkpoint_kind::update;
    r.status = stored_status::interrupted;
    r.step = ~std::uint64_t{0};
    r.run = RunId::make();
    r.created_at = Time(std::chrono::microseconds(-12'345'678));
    r.fingerprint = 0x8000'0000'0000'0001;
    r.format = 7;
    r.metadata = R"({"a":1,"b":"x\u0000y"})";
    for (int i = 0; i < 70'000; ++i) r.body.push_back(static_cast<char>(i * 31));
    r.snapshot = std::string("\0\xff", 2);
    CheckpointBatch batch(lease);
    const CheckpointRef ref = batch.add(r);
    const CheckpointRecord sealed = batch.records().front();
    cp.commit(lease, std::move(batch));
    const auto chain = cp.load("Gespräch 1'; --", "outer#0/inner#2");
    REQUIRE(chain);
    CHECK(chain->head == ref);
    check_same(chain->tip(), sealed);
    check_same(cp.load_id("Gespräch 1'; --", sealed.id()).tip(), sealed);
  }
  SECTION("an empty snapshot is a snapshot, and an empty body a body") {
    const Lease lease = cp.claim("t");
    CheckpointRecord r = step_after(add_step(cp, lease, {}, "a"), "");
    r.snapshot = "";
    CheckpointBatch batch(lease);
    batch.add(std::move(r));
    cp.commit(lease, std::move(batch));
    const auto chain = cp.load("t");
    REQUIRE(chain->records.size() == 1);
    CHECK(chain->tip().snapshot == "");
    CHECK(chain->tip().body.empty());
  }
  SECTION("a load goes back to the newest snapshot along the parents, past other branches") {
    const Lease lease = cp.claim("t");
    std::vector<CheckpointRef> refs(1);
    const auto add = [&](std::size_t parent, std::string body, bool snapshot) {
      CheckpointRecord r = step_after(refs[parent], body);
      r.seq = refs.size();
      if (snapshot) r.snapshot = "S" + body;
      CheckpointBatch batch(lease);
      refs.push_back(batch.add(std::move(r)));
      cp.commit(lease, std::move(batch));
    };
    add(0, "1", false);
    add(1, "2", true);
    add(2, "3", false);
    add(3, "4", false);
    add(1, "5", false);  // a branch at 1
    add(5, "6", false);
    add(3, "7", true);  // and one at 3
    add(7, "8", false);
    add(4, "9", false);  // the main line goes on
    CHECK(bodies(*cp.load("t")) == "[S2] 3 4 9 ");
    CHECK(bodies(*cp.load("t", "", 6)) == "1 5 6 ");
    CHECK(bodies(*cp.load("t", "", 8)) == "[S7] 8 ");
    CHECK(bodies(*cp.load("t", "", 4)) == "[S2] 3 4 ");
    CHECK(bodies(*cp.load("t", "", 2)) == "[S2] ");
    CHECK(cp.load("t", "", 2)->head == refs[9]);
  }
  SECTION("ids that do not fit are missing") {
    const Lease lease = cp.claim("t");
    const CheckpointRef a = add_step(cp, lease, {}, "a");
    const std::string id = cp.load("t")->tip().id();
    CHECK(cp.load_id("t", id).tip().ref() == a);
    std::string wrong = id;
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    const std::string others[] = {wrong, "sub:" + id, "9" + id, "1", "", "-", "1-", id + "0", "nonsense"};
    for (const auto& other : others) {
      CAPTURE(other);
      CHECK(code_of([&] { cp.load_id("t", other); }) == errc::checkpoint_missing);
    }
    CHECK(code_of([&] { cp.load_id("u", id); }) == errc::checkpoint_missing);
  }
  SECTION("a record must follow the newest and name a parent that is stored") {
    const Lease lease = cp.claim("t");
    const CheckpointRef a = add_step(cp, lease, {}, "a"), b = add_step(cp, lease, a, "b");
    const auto refused = [&](CheckpointRecord r) {
      CheckpointBatch batch(lease);
      batch.add(std::move(r));
      batch.run(RunChange(RunId::make(), stored_status::running, time_at(0)));
      return code_of([&] { cp.commit(lease, std::move(batch)); }) == errc::checkpoint_conflict;
    };
    CHECK(refused(step_after(a, "other")));
    CHECK(refused(step_after(CheckpointRef(3, b.sum), "gap")));
    CHECK(refused(step_after(CheckpointRef(2, b.sum + 1), "wrong parent")));
    CHECK(refused(step_after(b, "elsewhere", "sub")));
    CheckpointRecord wrong = step_after(b, "wrong");
    wrong.parent = CheckpointRef(1, b.sum);
    CHECK(refused(wrong));
    CHECK(cp.runs().empty());
    CHECK(bodies(*cp.load("t")) == "a b ");
  }
  SECTION("a commit that is repeated word for word is no error, and happens once") {
    const Lease lease = cp.claim("t");
    const CheckpointRef a = add_step(cp, lease, {}, "a");
    CheckpointBatch batch(lease);
    const CheckpointRef b = batch.add(step_after(a, "b"));
    batch.put(PendingWrite("", 2, "k", pending_kind::result, "v"));
    cp.commit(lease, batch);
    CheckpointBatch consume(lease);
    consume.consume("", 2);
    cp.commit(lease, std::move(consume));
    cp.commit(lease, std::move(batch));
    CHECK(cp.load("t")->head == b);
    CHECK(cp.load("t")->writes.empty());
  }
  SECTION("all of a batch is stored, or nothing") {
    const Lease lease = cp.claim("t");
    const CheckpointRef a = add_step(cp, lease, {}, "a");
    CheckpointBatch put(lease);
    put.put(PendingWrite("", 1, "k", pending_kind::result, "v"));
    cp.commit(lease, std::move(put));
    CheckpointBatch batch(lease);
    batch.add(step_after(a, "b"));
    batch.add(step_after({}, "s1", "sub"));
    batch.add(step_after(a, "c"));  // seq 2 for the second time
    batch.put(PendingWrite("", 1, "l", pending_kind::result, "w"));
    batch.consume("", 1).run(RunChange(RunId::make(), stored_status::running, time_at(0)));
    CHECK(code_of([&] { cp.commit(lease, std::move(batch)); }) == errc::checkpoint_conflict);
    const auto chain = cp.load("t");
    CHECK(chain->head == a);
    REQUIRE(chain->writes.size() == 1);
    CHECK(chain->writes[0].key == "k");
    CHECK_FALSE(cp.load("t", "sub"));
    CHECK(cp.runs().empty());
  }
}

// ---- Pending writes ------------------------------------------------------------------------------------------------

inline void suite_writes(const CheckpointerFactory& factory) {
  const SyncCheckpointer cp(factory.fresh());
  const Lease lease = cp.claim("t");
  const CheckpointRef a = add_step(cp, lease, {}, "a");
  const auto put = [&](PendingWrite w) {
    CheckpointBatch batch(lease);
    batch.put(std::move(w));
    cp.commit(lease, std::move(batch));
  };
  const auto keys = [&](std::uint64_t seq, const std::string& ns = "") {
    std::string out;
    const auto chain = cp.load("t", ns, seq);
    for (const auto& w : chain->writes) out += w.key + "=" + w.bytes + " ";
    return out;
  };
  SECTION("come back in the order of their keys; the same key again replaces") {
    put(PendingWrite("", 1, "b", pending_kind::error, "1"));
    put(PendingWrite("", 1, "a/x", pending_kind::interrupt, std::string("\0", 1)));
    put(PendingWrite("", 1, "b", pending_kind::result, "2"));
    put(PendingWrite("", 1, "b", pending_kind::result, "2"));
    const auto writes = cp.load("t")->writes;
    REQUIRE(writes.size() == 2);
    CHECK(writes[0].key == "a/x");
    CHECK(writes[0].kind == pending_kind::interrupt);
    CHECK(writes[0].bytes == std::string("\0", 1));
    CHECK(writes[1].kind == pending_kind::result);
    CHECK(keys(1).substr(5) == " b=2 ");
  }
  SECTION("go when the step is committed, and only then, and only those") {
    put(PendingWrite("", 1, "k", pending_kind::result, "v"));
    const CheckpointRef s = add_step(cp, lease, {}, "s", "sub");
    put(PendingWrite("sub", 1, "k", pending_kind::result, "sub"));
    CheckpointBatch fork(lease);
    const CheckpointRef b = fork.add(step_after(a, "b"));
    fork.put(PendingWrite("", 2, "k2", pending_kind::interrupt, "v2"));
    cp.commit(lease, std::move(fork));
    CHECK(keys(1) == "k=v ");
    CHECK(keys(2) == "k2=v2 ");
    CheckpointBatch step(lease);
    step.add(step_after(b, "c"));
    step.consume("", 2);
    cp.commit(lease, std::move(step));
    CHECK(keys(1) == "k=v ");
    CHECK(keys(2).empty());
    CHECK(keys(3).empty());
    CHECK(keys(1, "sub") == "k=sub ");
    CheckpointBatch sub(lease);
    sub.add(step_after(s, "s2", "sub"));
    sub.consume("sub", 1);
    cp.commit(lease, std::move(sub));
    CHECK(keys(1, "sub").empty());
    CHECK(keys(1) == "k=v ");
  }
  SECTION("need a checkpoint that is stored") {
    CHECK(code_of([&] { put(PendingWrite("", 2, "k", pending_kind::result, "v")); }) == errc::checkpoint_conflict);
    CHECK(code_of([&] { put(PendingWrite("sub", 1, "k", pending_kind::result, "v")); }) == errc::checkpoint_conflict);
  }
}

// ---- Lists ---------------------------------------------------------------------------------------------------------

inline void suite_lists(const CheckpointerFactory& factory) {
  const SyncCheckpointer cp(factory.fresh());
  SECTION("history: pages, newest first, with filters") {
    const Lease lease = cp.claim("t");
    const RunId first = RunId::make(), second = RunId::make();
    CheckpointRef last;
    for (int i = 1; i <= 20; ++i) {
      CheckpointRecord r = step_after(last, "body" + std::to_string(i));
      r.kind = i % 10 == 1 ? checkpoint_kind::input : checkpoint_kind::step;
      r.status = i % 10 == 0 ? stored_status::completed : stored_status::running;
      r.run = i <= 10 ? first : second;
      if (i % 5 == 0) r.metadata = i % 2 == 0 ? R"({"tag":"x","n":1})" : R"({"tag":"y","n":1.0})";
      if (i == 7) r.snapshot = "S";
      CheckpointBatch batch(lease);
      last = batch.add(std::move(r));
      cp.commit(lease, std::move(batch));
    }
    const auto seqs = [&](const HistoryQuery& q) {
      std::string out;
      for (const auto& r : cp.history(q)) out += std::to_string(r.seq) + " ";
      return out;
    };
    HistoryQuery q("t");
    q.limit = 3;
    CHECK(seqs(q) == "20 19 18 ");
    q.before = 18;
    CHECK(seqs(q) == "17 16 15 ");
    q.before = 2;
    CHECK(seqs(q) == "1 ");
    q.before = 1;
    CHECK(seqs(q).empty());
    q.before = 0;
    q.kind = checkpoint_kind::input;
    CHECK(seqs(q) == "11 1 ");
    q.kind.reset();
    q.status = stored_status::completed;
    CHECK(seqs(q) == "20 10 ");
    q.run = first;
    CHECK(seqs(q) == "10 ");
    q.run.reset();
    q.status.reset();
    q.metadata.emplace_back("n", JsonValue::parse("1"));
    CHECK(seqs(q) == "20 15 10 ");
    q.metadata.emplace_back("tag", JsonValue::parse(R"("y")"));
    CHECK(seqs(q) == "15 5 ");
    q.metadata.emplace_back("none", JsonValue::parse("null"));
    CHECK(seqs(q).empty());
    HistoryQuery brief("t");
    brief.bytes = false;
    brief.before = 8;
    const auto short_records = cp.history(brief);
    brief.bytes = true;
    const auto full_records = cp.history(brief);
    REQUIRE(short_records.size() == 7);
    REQUIRE(full_records.size() == 7);
    for (std::size_t i = 0; i < 7; ++i) check_same(short_records[i], full_records[i], false);
    CHECK(short_records[0].body.empty());
    CHECK(full_records[0].snapshot == "S");
  }
  SECTION("threads: in the order of their bytes, by prefix and status") {
    const std::string names[] = {"b", "a%", "a_", "a", "ab", "B", "\xc3\xa4", "a/1"};
    for (const auto& name : names) {
      const Lease lease = cp.claim(name);
      const RunId id = start_run(cp, lease, {});
      if (name.size() == 1) set_status(cp, lease, id, stored_status::completed);
    }
    const Lease empty = cp.claim("c");  // claimed, but nothing is in it
    const auto list = [&](const ThreadQuery& q) {
      std::string out;
      for (const auto& t : cp.threads(q)) out += t.thread + " ";
      return out;
    };
    ThreadQuery q;
    CHECK(list(q) == "B a a% a/1 a_ ab b \xc3\xa4 ");
    q.prefix = "a";
    CHECK(list(q) == "a a% a/1 a_ ab ");
    q.limit = 2;
    q.after = "a%";
    CHECK(list(q) == "a/1 a_ ");
    q.prefix = "a_";
    q.after = "";
    CHECK(list(q) == "a_ ");
    ThreadQuery done;
    done.status = stored_status::completed;
    CHECK(list(done) == "B a b ");
    CHECK_FALSE(cp.thread("c"));
    CHECK_FALSE(cp.thread("nobody"));
    CHECK(cp.thread("a")->run->status == stored_status::completed);
  }
  SECTION("a thread tells its head, its run and whether it is owned") {
    std::optional<Lease> lease(cp.claim("t"));
    const RunId id = start_run(cp, *lease, {}, 5);
    auto info = cp.thread("t");
    REQUIRE(info);
    CHECK(info->head == cp.load("t")->head);
    CHECK(info->epoch == lease->epoch());
    CHECK(info->owned);
    CHECK(info->run->id == id);
    CHECK(info->run->owned);
    CHECK(info->run->started_at == time_at(5));
    lease.reset();
    info = cp.thread("t");
    CHECK_FALSE(info->owned);
    CHECK_FALSE(info->run->owned);
    CHECK(info->run->status == stored_status::running);
  }
  SECTION("runs: the latest first, by status and thread, in pages") {
    std::vector<RunId> ids;
    for (int i = 0; i < 6; ++i) {
      const Lease lease = cp.claim(i % 2 == 0 ? "even" : "odd");
      const auto chain = cp.load(lease.thread());
      ids.push_back(start_run(cp, lease, chain ? chain->head : CheckpointRef(), i));
      if (i < 3) set_status(cp, lease, ids.back(), stored_status::failed, 10 + i);
    }
    const auto list = [&](const RunQuery& q) {
      std::string out;
      for (const auto& run : cp.runs(q))
        out += std::to_string(std::find(ids.begin(), ids.end(), run.id) - ids.begin()) + " ";
      return out;
    };
    RunQuery q;
    CHECK(list(q) == "5 4 3 2 1 0 ");
    q.limit = 2;
    CHECK(list(q) == "5 4 ");
    q.before = cp.runs(q).back().order;
    CHECK(list(q) == "3 2 ");
    q = RunQuery();
    q.status = stored_status::failed;
    CHECK(list(q) == "2 1 0 ");
    q.thread = "odd";
    CHECK(list(q) == "1 ");
    const auto failed = cp.runs(q);
    CHECK(failed[0].started_at == time_at(1));
    CHECK(failed[0].updated_at == time_at(11));
    CHECK(failed[0].detail == "because");
    CHECK(failed[0].thread == "odd");
    q.thread = "nobody";
    CHECK(list(q).empty());
  }
  SECTION("a stop reaches the run that is there, and not the next one") {
    CHECK_FALSE(cp.request_stop("t"));
    const Lease lease = cp.claim("t");
    CHECK_FALSE(cp.request_stop("t"));
    const RunId id = start_run(cp, lease, {});
    const auto chain = cp.load("t");
    CHECK(cp.request_stop("t"));
    CHECK(cp.thread("t")->stop_requested);
    CheckpointBatch batch(lease);
    const CheckpointRef next = batch.add(step_after(chain->head, "b"));
    CHECK(cp.commit(lease, std::move(batch)).stop_requested);
    CheckpointBatch end(lease);
    end.run(RunChange(id, stored_status::stopped, time_at(9)));
    CHECK(cp.commit(lease, std::move(end)).stop_requested);
    CHECK_FALSE(cp.request_stop("t"));
    start_run(cp, lease, next);
    CHECK_FALSE(cp.thread("t")->stop_requested);
    CheckpointBatch empty(lease);
    CHECK_FALSE(cp.commit(lease, std::move(empty)).stop_requested);
  }
}

// ---- Copying and deleting ------------------------------------------------------------------------------------------

inline void suite_upkeep(const CheckpointerFactory& factory) {
  const SyncCheckpointer cp(factory.fresh());
  SECTION("a copy is a thread of its own") {
    CheckpointRef last;
    {
      const Lease lease = cp.claim("from");
      for (int i = 1; i <= 5; ++i) {
        CheckpointRecord r = step_after(last, std::to_string(i));
        if (i == 3) r.snapshot = "S3";
        CheckpointBatch batch(lease);
        last = batch.add(std::move(r));
        batch.put(PendingWrite("", last.seq, "question", pending_kind::interrupt, "?"));
        cp.commit(lease, std::move(batch));
      }
    }
    const CheckpointRef copied = cp.copy(*cp.load("from", "", 4), "to");
    const auto chain = cp.load("to");
    CHECK(bodies(*chain) == "[S3] 4 ");
    CHECK(chain->head == copied);
    CHECK(copied.seq == 2);
    CHECK(chain->records[0].kind == checkpoint_kind::fork);
    REQUIRE(chain->writes.size() == 1);
    CHECK(chain->writes[0].bytes == "?");
    CHECK(chain->writes[0].thread == "to");
    CHECK_FALSE(cp.thread("to")->owned);
    CHECK(code_of([&] { cp.copy(*cp.load("from"), "to"); }) == errc::checkpoint_conflict);
    CHECK(code_of([&] { cp.copy(*cp.load("from"), "from"); }) == errc::checkpoint_conflict);
    CHECK(cp.load("from")->head == last);
    CHECK(cp.remove("from"));
    CHECK(bodies(*cp.load("to")) == "[S3] 4 ");
  }
  SECTION("removing takes everything of the thread and nothing else") {
    for (const char* name : {"t", "t2"}) {
      const Lease lease = cp.claim(name);
      start_run(cp, lease, {});
      add_step(cp, lease, {}, "s", "sub");
      CheckpointBatch batch(lease);
      batch.put(PendingWrite("", 1, "k", pending_kind::result, "v"));
      cp.commit(lease, std::move(batch));
    }
    {
      const Lease lease = cp.claim("t");
      CHECK(code_of([&] { cp.remove("t"); }) == errc::thread_busy);
    }
    CHECK(cp.remove("t"));
    CHECK_FALSE(cp.remove("t"));
    CHECK_FALSE(cp.remove("nobody"));
    CHECK_FALSE(cp.load("t"));
    CHECK_FALSE(cp.load("t", "sub"));
    CHECK(cp.runs().size() == 1);
    CHECK(cp.threads().size() == 1);
    CHECK(cp.load("t2", "sub"));
    const Lease lease = cp.claim("t");
    add_step(cp, lease, {}, "new");
    CHECK(cp.load("t")->writes.empty());
  }
  SECTION("pruning keeps the newest, what has pending writes, and what those need") {
    const Lease lease = cp.claim("t");
    CheckpointRef last;
    for (int i = 1; i <= 20; ++i) {
      CheckpointRecord r = step_after(last, std::to_string(i));
      if (i % 5 == 0) r.snapshot = "S" + std::to_string(i);
      CheckpointBatch batch(lease);
      last = batch.add(std::move(r));
      if (i == 7) batch.put(PendingWrite("", 7, "question", pending_kind::interrupt, "?"));
      cp.commit(lease, std::move(batch));
    }
    add_step(cp, lease, {}, "s1", "sub");
    const auto seqs = [&] {
      std::string out;
      for (const auto& r : cp.history(HistoryQuery("t"))) out += std::to_string(r.seq) + " ";
      return out;
    };
    CHECK(cp.prune("t", PrunePolicy().keep_last(100)) == 0);
    CHECK(cp.prune("nobody", PrunePolicy().keep_last(1)) == 0);
    CHECK(cp.prune("t", PrunePolicy().keep_since(time_at(12))) == 6);
    CHECK(seqs() == "20 19 18 17 16 15 14 13 12 11 10 7 6 5 ");
    CHECK(cp.prune("t", PrunePolicy().keep_last(3)) == 5);
    CHECK(seqs() == "20 19 18 17 16 15 7 6 5 ");
    CHECK(bodies(*cp.load("t", "", 18)) == "[S15] 16 17 18 ");
    CHECK(bodies(*cp.load("t", "", 7)) == "[S5] 6 7 ");
    CHECK(cp.prune("t", PrunePolicy().keep_last(0)) == 5);
    CHECK(seqs() == "20 7 6 5 ");
    CHECK(bodies(*cp.load("t")) == "[S20] ");
    CHECK(bodies(*cp.load("t", "sub")) == "s1 ");
    add_step(cp, lease, last, "21");
    CHECK(bodies(*cp.load("t")) == "[S20] 21 ");
  }
}

// ---- Persistence ---------------------------------------------------------------------------------------------------

inline void suite_persistence(const CheckpointerFactory& factory) {
  SECTION("two objects on one storage see each other's work, and exclude each other") {
    const SyncCheckpointer a(factory.fresh()), b(factory.reopen());
    std::optional<Lease> lease(a.claim("t"));
    CHECK(code_of([&] { b.claim("t"); }) == errc::thread_busy);
    CHECK(code_of([&] { b.remove("t"); }) == std::optional<errc>(errc::thread_busy));
    const RunId id = start_run(a, *lease, {});
    CHECK(bodies(*b.load("t")) == "input ");
    CHECK(b.thread("t")->owned);
    CHECK(b.runs()[0].owned);
    CHECK(b.request_stop("t"));
    CheckpointBatch empty(*lease);
    CHECK(a.commit(*lease, std::move(empty)).stop_requested);
    {
      const Lease other = b.claim("u");
      start_run(b, other, {});
    }
    CHECK(a.threads().size() == 2);
    Lease thief = b.claim("t", claim_mode::take_over);
    CHECK(thief.epoch() > lease->epoch());
    CHECK(code_of([&] { set_status(a, *lease, id, stored_status::completed); }) == errc::thread_fenced);
    lease.reset();
    CHECK(code_of([&] { a.claim("t"); }) == errc::thread_busy);
    thief.release();
    CHECK_FALSE(code_of([&] { a.claim("t"); }));
  }
  SECTION("everything is there after closing and opening again") {
    std::string id;
    std::uint64_t epoch = 0;
    {
      const SyncCheckpointer cp(factory.fresh());
      const Lease lease = cp.claim("t");
      epoch = lease.epoch();
      start_run(cp, lease, {});
      CheckpointBatch batch(lease);
      batch.add(step_after(cp.load("t")->head, "b"));
      batch.put(PendingWrite("", 2, "k", pending_kind::answer, "v"));
      cp.commit(lease, std::move(batch));
      id = cp.load("t")->tip().id();
    }
    const SyncCheckpointer cp(factory.reopen());
    CHECK(bodies(*cp.load("t")) == "input b ");
    CHECK(cp.load_id("t", id).writes[0].bytes == "v");
    CHECK(cp.runs().size() == 1);
    CHECK_FALSE(cp.runs()[0].owned);
    CHECK(cp.claim("t").epoch() > epoch);
  }
}

// ---- Coroutines and threads ----------------------------------------------------------------------------------------

inline asio::awaitable<void> commit_once(Checkpointer& cp, const Lease& lease, CheckpointBatch batch, bool& done) {
  co_await cp.commit(lease, std::move(batch));
  done = true;
}

inline void suite_concurrency(const CheckpointerFactory& factory) {
  const SyncCheckpointer cp(factory.fresh());
  SECTION("many threads at once") {
    constexpr int workers = 4, steps = 50;
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < workers; ++i)
      threads.emplace_back([&, i] {
        try {
          const Lease lease = cp.claim("t" + std::to_string(i));
          CheckpointRef last;
          for (int s = 0; s < steps; ++s) last = add_step(cp, lease, last, std::to_string(s));
        } catch (...) {
          ++failed;
        }
      });
    for (auto& t : threads) t.join();
    CHECK(failed == 0);
    for (int i = 0; i < workers; ++i) CHECK(cp.load("t" + std::to_string(i))->records.size() == steps);
  }
  SECTION("a commit that has begun is not cancelled") {
    const Lease lease = cp.claim("t");
    CheckpointBatch batch(lease);
    batch.add(step_after({}, "a"));
    asio::io_context io(1);
    asio::cancellation_signal signal;
    bool done = false;
    std::exception_ptr failure;
    asio::co_spawn(io, commit_once(*cp.async(), lease, std::move(batch), done),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) { failure = e; }));
    io.poll_one();
    signal.emit(asio::cancellation_type::terminal);
    io.run();
    // Cancelled before it began, or not at all.
    CHECK(done == cp.load("t").has_value());
    CHECK(done == !failure);
  }
  SECTION("a commit that is abandoned with its event loop is stored as a whole or not at all") {
    const Lease lease = cp.claim("t");
    for (int handlers = 0; handlers < 4; ++handlers) {
      const auto before = cp.load("t");
      const CheckpointRef head = before ? before->head : CheckpointRef();
      CheckpointBatch batch(lease);
      batch.add(step_after(head, "a"));
      batch.put(PendingWrite("", head.seq + 1, "k", pending_kind::result, "v"));
      bool done = false;
      {
        asio::io_context io(1);
        asio::co_spawn(io, commit_once(*cp.async(), lease, std::move(batch), done), [](std::exception_ptr) {});
        for (int i = 0; i < handlers; ++i) io.poll_one();
      }
      const auto after = cp.load("t");
      CHECK(cp.load("t")->head.seq >= head.seq);
      if (done) CHECK(after->head.seq == head.seq + 1);
      if (after && after->head.seq == head.seq + 1) CHECK(after->writes.size() == 1);
    }
  }
}

// ---- Random operations against the model ---------------------------------------------------------------------------

/// Does random things to a checkpointer and to the model and compares every answer.
class RandomOperations {
 public:
  RandomOperations(SyncCheckpointer checkpointer, std::uint32_t seed) : cp_(std::move(checkpointer)), random_(seed) {}

  void step() {
    switch (below(16)) {
      case 0: return claim();
      case 1: return release();
      case 2: return remove();
      case 3: return prune();
      case 4: return list_threads();
      case 5: return list_runs();
      case 6: return history();
      case 7: return stop();
      case 8:
      case 9:
      case 10: return load();
      default: return commit();
    }
  }
  std::size_t records() const { return model_.records.size(); }

 private:
  std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
  std::string thread() { return std::string(1, static_cast<char>('a' + below(5))); }
  std::string ns() { return below(3) == 0 ? "sub#" + std::to_string(below(2)) : ""; }
  std::string bytes() { return std::string(below(10) == 0 ? 3000 : below(40), static_cast<char>(below(256))); }
  Time now() { return time_at(static_cast<int>(++ticks_)); }

  void claim() {
    const std::string name = thread();
    const auto mode = below(4) == 0 ? claim_mode::take_over : claim_mode::if_free;
    std::optional<Lease> lease;
    const auto code = code_of([&] { lease.emplace(cp_.claim(name, mode)); });
    REQUIRE(code == model_.claim(name, mode, lease ? lease->epoch() : 0));
    if (!lease) return;
    for (const auto& old : leases_) REQUIRE((old.thread() != name || old.epoch() < lease->epoch()));
    leases_.push_back(std::move(*lease));
  }
  void release() {
    if (leases_.empty()) return;
    const auto i = below(leases_.size());
    model_.release(leases_[i].thread(), leases_[i].epoch());
    leases_.erase(leases_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  void remove() {
    if (below(8) != 0) return;
    const std::string name = thread();
    bool removed = false, expected = false;
    const auto code = code_of([&] { removed = cp_.remove(name); });
    REQUIRE(code == model_.remove(name, expected));
    REQUIRE(removed == expected);
  }
  void prune() {
    if (below(4) != 0) return;
    const std::string name = thread();
    PrunePolicy policy;
    if (below(2) == 0) policy.keep_last(below(8));
    if (below(2) == 0 || !policy.keep)
      policy.keep_since(time_at(static_cast<int>(ticks_ - std::min(ticks_, below(200)))));
    const auto before = model_;
    REQUIRE(cp_.prune(name, policy) == model_.prune(name, policy));
  }
  void list_threads() {
    ThreadQuery q;
    q.limit = 10;
    if (below(2) == 0) q.after = thread();
    if (below(3) == 0) q.status = status();
    std::size_t i = 0;
    const auto found = cp_.threads(q);
    for (const char* name : {"a", "b", "c", "d", "e"}) {
      const auto head = model_.head(name, "");
      const StoredRun* run = model_.latest(name);
      if (!head || name <= q.after || (q.status && (run == nullptr || run->status != *q.status))) continue;
      REQUIRE(i < found.size());
      const StoredThread& t = found[i++];
      REQUIRE(t.thread == name);
      REQUIRE(t.head == head);
      REQUIRE(t.owned == (model_.owner(name) != nullptr));
      REQUIRE(t.stop_requested == model_.stopping(name));
      REQUIRE(t.run.has_value() == (run != nullptr));
      if (run != nullptr) REQUIRE(t.run->id == run->id);
    }
    REQUIRE(i == found.size());
  }
  void list_runs() {
    RunQuery q;
    q.limit = 1 + below(20);
    if (below(2) == 0) q.thread = thread();
    if (below(2) == 0) q.status = status();
    const auto found = cp_.runs(q);
    std::size_t i = 0;
    for (auto run = model_.runs.rbegin(); run != model_.runs.rend() && i < q.limit; ++run) {
      if ((q.thread && run->thread != *q.thread) || (q.status && run->status != *q.status)) continue;
      REQUIRE(i < found.size());
      REQUIRE(found[i].id == run->id);
      REQUIRE(found[i].status == run->status);
      REQUIRE(found[i].updated_at == run->updated_at);
      REQUIRE(found[i].owned == (model_.owner(run->thread) != nullptr && model_.latest(run->thread)->id == run->id));
      ++i;
    }
    REQUIRE(i == found.size());
  }
  void history() {
    HistoryQuery q(thread());
    q.ns = ns();
    q.limit = 1 + below(10);
    if (below(2) == 0) q.before = 1 + below(40);
    if (below(3) == 0) q.kind = kind();
    if (below(3) == 0) q.status = status();
    const auto found = cp_.history(q), expected = model_.history(q);
    REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      REQUIRE(found[i].id() == expected[i].id());
      REQUIRE(found[i].body == expected[i].body);
    }
  }
  void stop() {
    const std::string name = thread();
    REQUIRE(cp_.request_stop(name) == model_.request_stop(name));
  }
  void load() {
    const std::string name = thread(), space = ns();
    std::optional<std::uint64_t> seq;
    if (below(2) == 0) seq = 1 + below(40);
    const auto found = cp_.load(name, space, seq), expected = model_.load(name, space, seq);
    REQUIRE(found.has_value() == expected.has_value());
    if (!found) return;
    REQUIRE(found->head == expected->head);
    REQUIRE(bodies(*found) == bodies(*expected));
    REQUIRE(found->tip().id() == expected->tip().id());
    REQUIRE(found->writes.size() == expected->writes.size());
    for (std::size_t i = 0; i < found->writes.size(); ++i) REQUIRE(found->writes[i].sum == expected->writes[i].sum);
  }
  checkpoint_kind kind() { return static_cast<checkpoint_kind>(below(4)); }
  stored_status status() { return static_cast<stored_status>(below(6)); }

  void commit() {
    if (leases_.empty()) return;
    const Lease& lease = leases_[below(leases_.size())];
    CheckpointBatch batch(lease);
    for (std::size_t n = below(3); n > 0; --n) {
      const std::string space = ns();
      CheckpointRef parent = model_.head(lease.thread(), space);
      CheckpointRecord r = step_after(parent, bytes(), space);
      r.kind = kind();
      r.status = status();
      r.created_at = now();
      if (below(5) == 0) r.snapshot = bytes();
      if (below(10) == 0) r.seq += below(2) + 1;                            // does not follow
      if (below(10) == 0) r.parent.sum ^= 1;                                // an unknown parent
      if (below(4) == 0 && parent.seq > 2) fork(r, lease.thread(), space);  // a branch
      if (below(12) == 0) r.parent = CheckpointRef();                       // a new root
      if (below(6) == 0 && model_.latest(lease.thread()) != nullptr) r.run = model_.latest(lease.thread())->id;
      batch.add(std::move(r));
    }
    for (std::size_t n = below(3); n > 0; --n) {
      const std::string space = ns();
      const auto seq = model_.head(lease.thread(), space).seq + (below(8) == 0 ? 1 : 0);
      if (seq == 0) continue;
      batch.put(PendingWrite(space, seq, "task" + std::to_string(below(4)), pending_kind::result, bytes()));
    }
    if (below(3) == 0) {
      const std::string space = ns();
      batch.consume(space, model_.head(lease.thread(), space).seq);
    }
    if (below(4) == 0) {
      const StoredRun* latest = model_.latest(lease.thread());
      const RunId id = latest != nullptr && below(3) != 0 ? latest->id : RunId::make();
      batch.run(RunChange(id, below(2) == 0 ? stored_status::running : status(), now()));
    }
    for (int times = below(10) == 0 ? 2 : 1; times > 0; --times) {
      CommitReceipt receipt;
      const auto code = code_of([&] { receipt = cp_.commit(lease, batch); });
      REQUIRE(code == model_.commit(batch));
      if (!code) REQUIRE(receipt.stop_requested == model_.stopping(lease.thread()));
    }
  }
  void fork(CheckpointRecord& r, const std::string& name, const std::string& space) {
    const auto chain = model_.load(name, space, 1 + below(r.seq - 1));
    if (chain) r.parent = chain->tip().ref();
  }

  SyncCheckpointer cp_;
  CheckpointerModel model_;
  std::vector<Lease> leases_;
  std::mt19937 random_;
  std::size_t ticks_ = 0;
};

inline void suite_random(const CheckpointerFactory& factory) {
  const auto seed = static_cast<std::uint32_t>(Catch::rngSeed() != 0 ? Catch::rngSeed() : 20'240'601);
  INFO("seed " << seed);
  RandomOperations run(SyncCheckpointer(factory.fresh()), seed);
  for (std::size_t i = 0; i < factory.random_operations; ++i) {
    INFO("operation " << i);
    run.step();
  }
  CHECK(run.records() > 0);
}

/// All of it, as sections of the test case that calls it.
inline void checkpointer_suite(const CheckpointerFactory& factory) {
  SECTION("ownership") { suite_ownership(factory); }
  SECTION("records") { suite_records(factory); }
  SECTION("pending writes") { suite_writes(factory); }
  SECTION("lists") { suite_lists(factory); }
  SECTION("upkeep") { suite_upkeep(factory); }
  if (factory.reopen) SECTION("persistence") {
      suite_persistence(factory);
    }
  SECTION("coroutines and threads") { suite_concurrency(factory); }
  SECTION("random operations") { suite_random(factory); }
}

}  // namespace agentflow::conformance
