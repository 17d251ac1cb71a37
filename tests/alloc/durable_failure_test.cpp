// SPDX-License-Identifier: MIT
// Durable runs with the k-th allocation failing, for every k: in nodes, in the engine, inside a commit, on the thread
// of a database. A run ends with its result or an error, its thread can be gone on with, and what was acknowledged does
// not happen again.
#include <agentflow/typed/state_graph.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "alloc/check_error.hpp"
#include "alloc/failing_memory.hpp"
#include "support/catch.hpp"
#include "support/corpus.hpp"
#include "support/durable.hpp"
#include "support/forwarding_checkpointer.hpp"

#ifdef AGENTFLOW_TEST_SQLITE
#include <sqlite3.h>
#endif

namespace af = agentflow;
using af::durability;
using af::testing::VirtualClock;
using af::testing::VirtualLoop;
using support::Notes;
using namespace std::chrono_literals;

namespace {

/// So many allocations fail in a row: memory that is short for good would leave nothing to wake a coroutine with.
constexpr std::uint64_t a_while = 50;

#ifdef AGENTFLOW_TEST_SQLITE
/// Has SQLite's own allocations fail too.
class SqliteMemory {
 public:
  SqliteMemory() {
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real());
    sqlite3_mem_methods failing = real();
    failing.xMalloc = [](int size) { return FailingMemory::next_fails() ? nullptr : real().xMalloc(size); };
    failing.xRealloc = [](void* block, int size) {
      return FailingMemory::next_fails() ? nullptr : real().xRealloc(block, size);
    };
    sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
  }

 private:
  static sqlite3_mem_methods& real() {
    static sqlite3_mem_methods methods;
    return methods;
  }
};
const SqliteMemory sqlite_memory;
#endif

using StoreMaker = std::function<std::shared_ptr<af::Checkpointer>(const Folder&)>;
const std::map<std::string, StoreMaker>& stores() {
  static const std::map<std::string, StoreMaker> all{
      {"memory", [](const Folder&) { return af::memory_checkpointer(); }},
#ifdef AGENTFLOW_TEST_SQLITE
      {"sqlite",
       [](const Folder& folder) {
         return af::sqlite(folder.file("test.db"), af::SqliteOptions().synchronous(af::sqlite_sync::normal));
       }},
#endif
  };
  return all;
}

/// Knows whose results and once()s were acknowledged.
class Witness final : public support::ForwardingCheckpointer {
 public:
  using ForwardingCheckpointer::ForwardingCheckpointer;
  std::set<std::string> done;

 private:
  asio::awaitable<af::CommitReceipt> do_commit(const af::Lease& lease, af::CheckpointBatch batch) override {
    std::set<std::string> now, undone;
    {
      const Unfailing pause;
      for (const auto& w : batch.writes()) {
        const bool once = w.kind == af::pending_kind::once;
        if (!once && w.kind != af::pending_kind::result) continue;
        (w.bytes == "null" && !once ? undone : now).insert(once ? "once" : w.key.substr(0, w.key.find('#')));
      }
      for (const auto& r : batch.records()) {
        const af::JsonValue body = af::JsonValue::parse(r.body);
        if (const auto tasks = af::JsonReader(body).find("t"))
          for (std::size_t i = 0, n = tasks->elements(); i < n; ++i)
            now.emplace(tasks->at(i).at(std::size_t{0}).as_string());
      }
    }
    auto work = inner().commit(lease, std::move(batch));
    const af::CommitReceipt receipt = co_await std::move(work);
    for (const auto& name : undone) done.erase(name);
    done.merge(now);
    co_return receipt;
  }
};

/// a -> {b, c with once(), d that waits} -> e -> a part of two nodes -> z, every node by its own name.
class Flow {
 public:
  Flow(std::shared_ptr<af::Checkpointer> store, durability mode)
      : witness_(std::make_shared<Witness>(std::move(store))), app_(compile(mode)) {}

  /// Runs a thread with the failure, then goes on with it until it is done.
  void trial(const std::string& thread, std::uint64_t k, std::uint64_t more, std::uint64_t* allocations = nullptr) {
    witness_->done.clear();
    try {
      VirtualLoop loop(clock_);
      loop.wait_for_threads(20s);
      auto work = app_.ainvoke(support::input("hi"), support::on(thread));
      FailingMemory memory(k, more);
      const auto result = loop.run(std::move(work));
      const auto n = memory.stop();
      if (allocations != nullptr) *allocations = n;
      CHECK(text(result.state) == expected);
    } catch (...) {
      check_error(std::current_exception());
    }
    CHECK(clock_->pending() == 0);
    VirtualLoop loop(clock_);
    loop.wait_for_threads(20s);
    const bool begun = loop.run(app_.aget_state(thread)).has_value();
    const auto result = begun ? loop.run(app_.ainvoke(af::Resume(), support::on(thread)))
                              : loop.run(app_.ainvoke(support::input("hi"), support::on(thread)));
    CHECK(text(result.state) == expected);
    af::RunQuery query;
    query.thread = thread;
    query.limit = 1;
    const auto runs = loop.run(witness_->runs(query));
    CHECK((runs.size() == 1 && runs[0].status == af::stored_status::completed && !runs[0].owned));
  }

 private:
  af::CompiledGraph<Notes> compile(durability mode) {
    af::StateGraph<Notes> part, g;
    part.add_node("x", plain("x")).add_node("y", plain("y"));
    part.set_entry_point("x").add_edge("x", "y").add_edge("y", "END");
    g.add_node("a", plain("a")).add_node("b", plain("b"));
    g.add_node("c", [this](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
      began("c");
      auto call = [this] { began("once"); };
      auto op = ctx.once("call", call);
      co_await std::move(op);
      s.log.push_back("c");
      co_return s;
    });
    g.add_node("d", [this](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
      began("d");
      co_await ctx.sleep(1s);
      s.log.push_back("d");
      co_return s;
    });
    g.add_node("e", plain("e")).add_node("part with a long name", part.compile()).add_node("z", plain("z"));
    g.set_entry_point("a");
    for (const char* n : {"b", "c", "d"}) g.add_edge("a", n);
    g.add_edge({"b", "c", "d"}, "e").add_edge("e", "part with a long name");
    g.add_edge("part with a long name", "z").add_edge("z", "END");
    return g.compile(af::CompileOptions().checkpointer(witness_).clock(clock_).durability(mode));
  }
  std::function<Notes(Notes)> plain(std::string name) {
    return [this, name](Notes s) {
      began(name);
      s.log.push_back(name);
      ++s.n;
      return s;
    };
  }
  void began(const std::string& name) {
    const Unfailing pause;
    INFO(name);
    CHECK(witness_->done.count(name) == 0);
  }

  static constexpr const char* expected = "hi a b c d e x y z =6";
  std::shared_ptr<VirtualClock> clock_ = std::make_shared<VirtualClock>();
  std::shared_ptr<Witness> witness_;
  af::CompiledGraph<Notes> app_;
};

/// Runs a graph with the k-th allocation failing, or none for k = 0, and goes on with it. Gives how many there were.
std::uint64_t fail_and_finish(const corpus::Case& c, std::uint64_t k) {
  const auto clock = std::make_shared<VirtualClock>();
  const auto program = c.make(clock, af::memory_checkpointer());
  const auto make_loop = [&] {
    auto loop = std::make_unique<VirtualLoop>(clock);
    if (c.threads) loop->wait_for_threads(20s);
    return loop;
  };
  std::uint64_t allocations = 0;
  try {
    const auto loop = make_loop();
    auto work = program->ainvoke();
    FailingMemory memory(k == 0 ? std::uint64_t{1} << 40 : k, k % 2 == 0 ? 0 : a_while);
    const auto o = loop->run(std::move(work));
    allocations = memory.stop();
    CHECK(o.state == c.expected);
  } catch (...) {
    check_error(std::current_exception());
  }
  const auto loop = make_loop();
  corpus::Outcome o;
  try {
    o = loop->run(program->resume());
  } catch (const af::storage_error& e) {
    REQUIRE(e.code() == af::errc::checkpoint_missing);
    o = loop->run(program->ainvoke());
  }
  CHECK(o.state == c.expected);
  return allocations;
}

}  // namespace

TEST_CASE("any allocation of a stored run may fail, and nothing acknowledged is done again", "[alloc][slow]") {
  std::uint64_t trials = 0;
  for (const auto& [name, make] : stores())
    for (const auto mode : {durability::sync, durability::async, durability::exit}) {
      INFO(name << ", durability " << static_cast<int>(mode));
      const Folder folder;
      Flow flow(make(folder), mode);
      std::uint64_t last = 0;
      flow.trial("first", std::uint64_t{1} << 40, 0);  // also makes what is made once
      flow.trial("all", std::uint64_t{1} << 40, 0, &last);
      for (std::uint64_t k = 1; k <= last; ++k)
        for (const std::uint64_t more : {std::uint64_t{0}, std::uint64_t{2}, a_while}) {
          INFO("allocation " << k << " of " << last << " and " << more << " more");
          flow.trial(std::to_string(k) + "+" + std::to_string(more), k, more);
          ++trials;
        }
    }
  CHECK(trials > 3000);
  WARN(trials << " trials");
}

TEST_CASE("every graph can be gone on with when an allocation fails", "[alloc][slow]") {
  std::uint64_t trials = 0;
  for (const corpus::Case& c : corpus::cases()) {
    if (c.foreign) continue;
    INFO("graph: " << c.name);
    const long alive = Alive::count();
    for (std::uint64_t k = 0, last = 0; k <= last; k += k < 60 ? 1 : 19, ++trials) {
      INFO("allocation " << k << " of " << last);
      const auto n = fail_and_finish(c, k);
      if (k == 0) last = n;
      CHECK(Alive::settled(alive) == alive);
    }
  }
  CHECK(trials > 3000);
  WARN(trials << " trials");
}

TEST_CASE("a commit that finds no memory changes nothing", "[alloc]") {
  const std::string ns = "a part with a long name#0/another part with one#0";
  for (const auto& [name, make] : stores()) {
    INFO(name);
    const Folder folder;
    const auto store = make(folder);
    std::uint64_t last = 1;
    for (std::uint64_t k = 1; k <= last + 1; ++k) {
      INFO("allocation " << k << " of " << last);
      VirtualLoop loop;
      loop.wait_for_threads(20s);
      const auto thread = "thread " + std::to_string(k);
      const auto run = af::RunId::make();
      const auto now = std::chrono::system_clock::now();
      af::Lease lease = loop.run(store->claim(thread));
      const auto record = [&](std::string space, af::CheckpointRef parent) {
        af::CheckpointRecord r;
        r.ns = std::move(space);
        r.seq = parent.seq + 1;
        r.parent = parent;
        r.run = run;
        r.body = r.snapshot.emplace(std::string(100, 'x'));
        return r;
      };
      af::CheckpointBatch first(lease), second(lease);
      const auto top = first.add(record("", {})), inner = first.add(record(ns, {}));
      first.put(af::PendingWrite(ns, 1, "a task#0", af::pending_kind::result, "{}"));
      first.run(af::RunChange(run, af::stored_status::running, now));
      loop.run(store->commit(lease, std::move(first)));
      second.add(record("", top));
      second.add(record(ns, inner));
      second.put(af::PendingWrite(ns, 2, "a task#0", af::pending_kind::result, "{}"));
      second.consume(ns, 1).run(af::RunChange(run, af::stored_status::failed, now, std::string(200, 'd')));
      bool stored = false;
      {
        auto work = store->commit(lease, std::move(second));
        FailingMemory memory(k, 0);
        try {
          loop.run(std::move(work));
          stored = true;
        } catch (...) {
          memory.stop();
          check_error(std::current_exception());
        }
        last = std::max(last, memory.stop());
        CHECK((stored || memory.failed() == 1));
      }
      const auto chain = loop.run(store->load(thread, ns));
      REQUIRE(chain);
      CHECK(chain->head.seq == (stored ? 2 : 1));
      CHECK(chain->writes.size() == 1);
      CHECK(loop.run(store->load(thread))->head.seq == (stored ? 2 : 1));
      af::RunQuery query;
      query.thread = thread;
      const auto runs = loop.run(store->runs(query));
      REQUIRE(runs.size() == 1);
      CHECK(runs[0].status == (stored ? af::stored_status::failed : af::stored_status::running));
    }
    CHECK(last > 10);
  }
}
