// SPDX-License-Identifier: MIT
// What all checkpointers share: limits, ids, and the detection of damage, tested on a checkpointer that damages things.
#include <agentflow/ports/checkpointer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include "support/catch.hpp"

#include <agentflow/core/error.hpp>
#include <agentflow/memory/memory_checkpointer.hpp>
#include <agentflow/ports/sync_checkpointer.hpp>

#include "conformance/checkpointer_suite.hpp"

namespace af = agentflow;
using namespace af::conformance;
using af::errc;

namespace {

/// Stores well, and hands out what `spoil` makes of it.
class Unreliable final : public af::Checkpointer {
 public:
  std::function<void(af::CheckpointChain&)> spoil = [](auto&) {};
  std::function<void(std::vector<af::CheckpointRecord>&)> spoil_history = [](auto&) {};

 private:
  asio::awaitable<af::Lease> do_claim(std::string thread, af::claim_mode mode) override {
    return memory_->claim(std::move(thread), mode);
  }
  asio::awaitable<af::CommitReceipt> do_commit(const af::Lease& lease, af::CheckpointBatch batch) override {
    return memory_->commit(lease, std::move(batch));
  }
  asio::awaitable<std::optional<af::CheckpointChain>> do_load(std::string thread, std::string ns,
                                                              std::optional<std::uint64_t> seq) override {
    auto chain = co_await memory_->load(std::move(thread), std::move(ns), seq);
    if (chain) spoil(*chain);
    co_return chain;
  }
  asio::awaitable<std::vector<af::CheckpointRecord>> do_history(af::HistoryQuery query) override {
    auto records = co_await memory_->history(std::move(query));
    spoil_history(records);
    co_return records;
  }
  asio::awaitable<std::vector<af::StoredThread>> do_threads(af::ThreadQuery query) override {
    return memory_->threads(std::move(query));
  }
  asio::awaitable<std::vector<af::StoredRun>> do_runs(af::RunQuery query) override {
    return memory_->runs(std::move(query));
  }
  asio::awaitable<bool> do_request_stop(std::string thread) override {
    return memory_->request_stop(std::move(thread));
  }
  asio::awaitable<bool> do_remove(std::string thread) override { return memory_->remove(std::move(thread)); }
  asio::awaitable<std::size_t> do_prune(std::string thread, af::PrunePolicy policy) override {
    return memory_->prune(std::move(thread), std::move(policy));
  }

  std::shared_ptr<af::Checkpointer> memory_ = af::memory_checkpointer();
};

/// Ten steps, with snapshots at 4 and 8 and a pending write at the end.
std::vector<std::string> fill(const af::SyncCheckpointer& cp, const std::string& thread) {
  const af::Lease lease = cp.claim(thread);
  std::vector<std::string> ids(1);
  af::CheckpointRef last;
  for (int i = 1; i <= 10; ++i) {
    af::CheckpointRecord r = step_after(last, "body " + std::to_string(i));
    if (i % 4 == 0) r.snapshot = "snapshot " + std::to_string(i);
    r.metadata = R"({"i":1})";
    af::CheckpointBatch batch(lease);
    last = batch.add(std::move(r));
    if (i == 10) batch.put(af::PendingWrite("", 10, "task", af::pending_kind::result, "bytes"));
    ids.push_back(batch.records().back().id());
    cp.commit(lease, std::move(batch));
  }
  return ids;
}

std::string last_good_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const af::checkpoint_damaged_error& e) {
    CHECK(e.code() == errc::checkpoint_damaged);
    CHECK(e.context().thread_id() == "t");
    CHECK((e.last_good().empty() || e.message().find(e.last_good()) != std::string::npos));
    return e.last_good();
  }
  return "not damaged";
}

using Change = std::function<void(af::CheckpointRecord&)>;

}  // namespace

TEST_CASE("A change of any field of a record is noticed, and the last good record named", "[checkpointer]") {
  const auto unreliable = std::make_shared<Unreliable>();
  const af::SyncCheckpointer cp(unreliable);
  const auto ids = fill(cp, "t");
  const Change changes[] = {
      [](auto& r) { r.body[0] ^= 1; },
      [](auto& r) { r.body.pop_back(); },
      [](auto& r) { r.body.push_back('\0'); },
      [](auto& r) { r.metadata[5] = '2'; },
      [](auto& r) { r.seq += 1; },
      [](auto& r) { r.parent.seq -= 1; },
      [](auto& r) { r.parent.sum ^= 1; },
      [](auto& r) { r.kind = af::checkpoint_kind::fork; },
      [](auto& r) { r.status = af::stored_status::failed; },
      [](auto& r) { r.step += 1; },
      [](auto& r) { r.run = af::RunId::make(); },
      [](auto& r) { r.created_at += std::chrono::microseconds(1); },
      [](auto& r) { r.fingerprint ^= 1; },
      [](auto& r) { r.format += 1; },
      [](auto& r) { r.epoch += 1; },
      [](auto& r) { r.thread = "u"; },
      [](auto& r) { r.ns = "sub"; },
      [](auto& r) { r.sum ^= 1; },
      [](auto& r) { r.body_sum ^= 1; },
      [](auto& r) { r.snapshot_sum ^= 1; },
      [](auto& r) { r.snapshot = r.snapshot ? std::optional<std::string>() : std::string(); },
  };
  for (const auto& change : changes) {
    // In the chain 8 9 10: each of them in turn.
    for (std::size_t at = 0; at < 3; ++at) {
      unreliable->spoil = [&](af::CheckpointChain& c) {
        if (c.tip().seq == 10) change(c.records[at]);
      };
      const std::string good = last_good_of([&] { cp.load("t"); });
      unreliable->spoil = [](auto&) {};
      if (at > 0)
        CHECK(good == ids[7 + at]);
      else
        CHECK(cp.load_id("t", good).tip().seq <= 8);  // what a damaged base says of itself may be wrong too
    }
    unreliable->spoil_history = [&](auto& records) { change(records[2]); };
    CHECK(last_good_of([&] { cp.history(af::HistoryQuery("t")); }) != "not damaged");
    unreliable->spoil_history = [](auto&) {};
  }
}

TEST_CASE("Records that are missing, swapped or replaced are noticed", "[checkpointer]") {
  const auto unreliable = std::make_shared<Unreliable>();
  const af::SyncCheckpointer cp(unreliable);
  const auto ids = fill(cp, "t");
  const auto spoiled = [&](std::function<void(af::CheckpointChain&)> how) {
    unreliable->spoil = [how](af::CheckpointChain& c) {
      if (c.tip().seq == 10) how(c);
    };
    const auto good = last_good_of([&] { cp.load("t"); });
    unreliable->spoil = [](auto&) {};
    return good;
  };
  CHECK(spoiled([](auto& c) { c.records.erase(c.records.begin()); }) == ids[8]);
  CHECK(spoiled([](auto& c) { c.records.erase(c.records.begin() + 1); }) == ids[8]);
  CHECK(spoiled([](auto& c) { c.records.pop_back(); }) == ids[8]);  // the head says there is a tenth
  CHECK(spoiled([](auto& c) { std::swap(c.records[0].body, c.records[1].body); }) == ids[7]);
  CHECK(spoiled([](auto& c) { std::swap(c.records[1], c.records[2]); }) == ids[8]);
  CHECK(spoiled([](auto& c) { c.records[2] = c.records[1]; }) == ids[9]);
  CHECK(spoiled([](auto& c) { c.writes[0].bytes[0] ^= 1; }) == ids[9]);
  CHECK(spoiled([](auto& c) { c.writes[0].key = "other"; }) == ids[9]);
  CHECK(spoiled([](auto& c) { c.writes[0].kind = af::pending_kind::error; }) == ids[9]);
  // Where everything is damaged there is none to offer.
  unreliable->spoil = [](auto& c) { c.records[0].body += "x"; };
  CHECK(last_good_of([&] { cp.load("t"); }).empty());
}

TEST_CASE("A stored name, number or size out of its limits is refused before anything is done", "[checkpointer]") {
  const af::SyncCheckpointer cp(af::memory_checkpointer());
  const std::string names[] = {"", std::string(256, 'x'), "a\nb", std::string("a\0b", 3), "\xff", "\x7f"};
  for (const auto& name : names) {
    CHECK(code_of([&] { cp.claim(name); }) == errc::bad_config);
    CHECK(code_of([&] { cp.load(name); }) == errc::bad_config);
    CHECK(code_of([&] { cp.remove(name); }) == errc::bad_config);
    CHECK(code_of([&] { cp.request_stop(name); }) == errc::bad_config);
    CHECK(code_of([&] { cp.prune(name, af::PrunePolicy().keep_last(1)); }) == errc::bad_config);
  }
  const af::Lease lease = cp.claim(std::string(255, 'x'));
  af::CheckpointBatch batch(lease);
  const auto refused = [&](const Change& change) {
    af::CheckpointRecord r = step_after({}, "a");
    change(r);
    return code_of([&] { batch.add(std::move(r)); });
  };
  CHECK(refused([](auto& r) { r.seq = 0; }) == errc::bad_config);
  CHECK(refused([](auto& r) { r.parent = af::CheckpointRef(1, 1); }) == errc::bad_config);
  CHECK(refused([](auto& r) { r.ns = std::string(1025, 'n'); }) == errc::bad_config);
  CHECK(refused([](auto& r) { r.metadata = "[]"; }) == errc::bad_config);
  CHECK(refused([](auto& r) { r.metadata = "{"; }) == errc::json_syntax);
  CHECK(refused([](auto& r) { r.metadata = R"({"a b":1})"; }) == errc::bad_config);
  CHECK(refused([](auto& r) { r.metadata = R"({"":1})"; }) == errc::bad_config);
  CHECK(refused([](auto& r) { r.body.resize((std::size_t{256} << 20) + 1); }) == errc::bad_config);
  CHECK_FALSE(refused([](auto& r) { r.metadata = R"({"a.B-c_9":[1]})"; }));
  CHECK(code_of([&] { batch.put(af::PendingWrite("", 0, "k", af::pending_kind::once, "")); }) == errc::bad_config);
  CHECK(code_of([&] { batch.put(af::PendingWrite("", 1, "", af::pending_kind::once, "")); }) == errc::bad_config);
  CHECK(code_of([&] { batch.run(af::RunChange(af::RunId(), af::stored_status::running, time_at(0))); }) ==
        errc::bad_config);
  const af::Lease other = cp.claim("other");
  CHECK(code_of([&] { cp.commit(other, std::move(batch)); }) == errc::bad_config);
  CHECK(code_of([&] { cp.prune("other", af::PrunePolicy()); }) == errc::bad_config);
  af::HistoryQuery none("other");
  none.limit = 0;
  CHECK(code_of([&] { cp.history(none); }) == errc::bad_config);
}

TEST_CASE("A long detail of a run is cut between characters", "[checkpointer]") {
  const af::SyncCheckpointer cp(af::memory_checkpointer());
  const af::Lease lease = cp.claim("t");
  std::string text = "x";
  for (int i = 0; i < 3000; ++i) text += "\xc3\xa4";
  af::CheckpointBatch batch(lease);
  batch.add(step_after({}, "a"));
  batch.run(af::RunChange(af::RunId::make(), af::stored_status::failed, time_at(0), text));
  cp.commit(lease, std::move(batch));
  CHECK(cp.runs()[0].detail.size() == 4095);
}

TEST_CASE("The id of a checkpoint reads back", "[checkpointer]") {
  af::CheckpointRecord r = step_after(af::CheckpointRef(41, 7), "body", "outer:1/inner#2");
  r.thread = "t";
  r.seal();
  const auto id = af::parse_checkpoint_id(r.id());
  REQUIRE(id);
  CHECK(id->ns == r.ns);
  CHECK(id->ref == r.ref());
  for (const char* text : {"042-0000000000000007", "42-000000000000000G", "42-00000000000000AB", ":42-0000000000000007",
                           "42-00000000000007", "-42-0000000000000007", "99999999999999999999-0000000000000007"}) {
    CAPTURE(text);
    CHECK_FALSE(af::parse_checkpoint_id(text));
  }
}

TEST_CASE("SyncCheckpointer refuses to block an event loop", "[checkpointer]") {
  const af::SyncCheckpointer cp(af::memory_checkpointer());
  CHECK(code_of([] { af::SyncCheckpointer(nullptr); }) == errc::bad_config);
  asio::io_context io;
  const std::function<void()> calls[] = {
      [&] { cp.claim("t"); },
      [&] { cp.load("t"); },
      [&] { cp.load_id("t", "1-0000000000000001"); },
      [&] { cp.history(af::HistoryQuery("t")); },
      [&] { cp.threads(); },
      [&] { cp.thread("t"); },
      [&] { cp.runs(); },
      [&] { cp.request_stop("t"); },
      [&] { cp.copy(af::CheckpointChain(), "t"); },
      [&] { cp.remove("t"); },
      [&] { cp.prune("t", af::PrunePolicy().keep_last(1)); },
  };
  int refused = 0;
  for (const auto& call : calls) asio::post(io, [&] { refused += code_of(call) == errc::nested_loop ? 1 : 0; });
  io.run();
  CHECK(refused == 11);
  CHECK_FALSE(cp.thread("t"));
}
