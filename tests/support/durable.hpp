// SPDX-License-Identifier: MIT
// A durable graph's store that can be watched and made to fail, and runs on a virtual loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <agentflow/core/error.hpp>
#include <agentflow/memory/memory_checkpointer.hpp>
#include <agentflow/ports/checkpointer.hpp>
#include <agentflow/testing/virtual_time.hpp>
#include <agentflow/typed/state_graph.hpp>
#ifdef AGENTFLOW_TEST_SQLITE
#include <agentflow/sqlite/checkpointer.hpp>
#endif

#include "support/folder.hpp"
#include "support/forwarding_checkpointer.hpp"

namespace support {

namespace af = agentflow;

/// Lets a test come between a graph and its checkpointer.
class HookedCheckpointer final : public ForwardingCheckpointer {
 public:
  using ForwardingCheckpointer::ForwardingCheckpointer;

  /// Awaited before (`stored` false) and after each claim and commit, with its number, from 1. What it throws stands
  /// for a storage that fails there; if it never returns, the process may be killed there.
  std::function<asio::awaitable<void>(std::uint64_t call, bool stored)> gate;
  /// Changes what is loaded, as somebody might who can write to the storage.
  std::function<void(af::CheckpointChain&)> tamper;
  /// Awaited in place of a flush.
  std::function<asio::awaitable<void>()> on_flush;
  std::uint64_t calls = 0, commits = 0, bytes = 0, records = 0, writes = 0;

 private:
  asio::awaitable<af::Lease> do_claim(std::string thread, af::claim_mode mode) override {
    const auto k = ++calls;
    if (gate) co_await gate(k, false);
    auto work = inner().claim(std::move(thread), mode);
    af::Lease lease = co_await std::move(work);
    if (gate) co_await gate(k, true);
    co_return lease;
  }
  asio::awaitable<af::CommitReceipt> do_commit(const af::Lease& lease, af::CheckpointBatch batch) override {
    const auto k = ++calls;
    ++commits;
    records += batch.records().size();
    writes += batch.writes().size();
    for (const auto& r : batch.records()) bytes += r.body.size() + (r.snapshot ? r.snapshot->size() : 0);
    for (const auto& w : batch.writes()) bytes += w.bytes.size();
    if (gate) co_await gate(k, false);
    auto work = inner().commit(lease, std::move(batch));
    const af::CommitReceipt receipt = co_await std::move(work);
    if (gate) co_await gate(k, true);
    co_return receipt;
  }
  asio::awaitable<std::optional<af::CheckpointChain>> do_load(std::string thread, std::string ns,
                                                              std::optional<std::uint64_t> seq) override {
    auto work = inner().load(std::move(thread), std::move(ns), seq);
    auto chain = co_await std::move(work);
    if (tamper && chain) tamper(*chain);
    co_return chain;
  }
  asio::awaitable<void> do_flush() override { return on_flush ? on_flush() : inner().flush(); }
};

struct Notes {
  af::List<std::string> log;
  int n = 0;
  std::string title;
};
AGENTFLOW_STATE(Notes, (log, af::append), (n, af::sum), title)

inline std::string text(const Notes& s) {
  std::string out;
  for (const auto& l : s.log) out += (out.empty() ? "" : " ") + l;
  return out + " =" + std::to_string(s.n);
}

inline Notes input(std::string line) {
  Notes s;
  s.log.push_back(std::move(line));
  return s;
}

/// The store of a test: in memory, or, with AGENTFLOW_TEST_STORE=sqlite in the environment, a file that goes with it.
class Store {
 public:
  Store() {
#ifdef AGENTFLOW_TEST_SQLITE
    if (const char* kind = std::getenv("AGENTFLOW_TEST_STORE"); kind != nullptr && std::string(kind) == "sqlite") {
      folder_.emplace();
      hooked = std::make_shared<HookedCheckpointer>(af::sqlite(folder_->file("test.db")));
    }
#endif
    if (!hooked) hooked = std::make_shared<HookedCheckpointer>(af::memory_checkpointer());
  }
  bool on_disk() const { return folder_.has_value(); }

 private:
  std::optional<Folder> folder_;  // goes last

 public:
  std::shared_ptr<HookedCheckpointer> hooked;
};

/// A store, a clock and a ledger of what ran.
struct World {
  World() {
    if (files.on_disk()) loop.wait_for_threads(std::chrono::seconds(20));
  }

  Store files;
  std::shared_ptr<HookedCheckpointer> store = files.hooked;
  af::testing::VirtualLoop loop;
  std::map<std::string, int> ran;       // how often each node began
  std::map<std::string, int> failures;  // how often a node fails yet

  af::CompileOptions options() { return af::CompileOptions().checkpointer(store).clock(loop.clock()); }
  auto plain(std::string name) {
    return [this, name](Notes s) {
      ++ran[name];
      if (failures[name] > 0 && failures[name]--) throw std::runtime_error(name + " fails");
      s.log.push_back(name);
      ++s.n;
      return s;
    };
  }
  auto slow(std::string name, std::chrono::seconds time) {
    return [this, name, time](Notes s, af::NodeContext& ctx) -> asio::awaitable<Notes> {
      ++ran[name];
      co_await ctx.sleep(time);
      if (failures[name] > 0 && failures[name]--) throw std::runtime_error(name + " fails");
      s.log.push_back(name);
      ++s.n;
      co_return s;
    };
  }
  af::RunResult<Notes> run(const af::CompiledGraph<Notes>& app, af::Input<Notes> in, af::RunConfig config) {
    return loop.run(app.ainvoke(std::move(in), std::move(config)));
  }
};

inline af::RunConfig on(std::string thread) { return af::RunConfig().thread_id(std::move(thread)); }

template <class F>
std::string code_of(F&& f) {
  try {
    f();
  } catch (const af::error& e) {
    return std::string(af::code_name(e.code()));
  }
  return "none";
}

}  // namespace support
