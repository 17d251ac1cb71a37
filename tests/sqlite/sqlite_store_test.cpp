// SPDX-License-Identifier: MIT
// The store on SQLite does what every store does.
#include <agentflow/sqlite/store.hpp>

#include <string>

#include "support/catch.hpp"

#include <agentflow/sqlite/checkpointer.hpp>

#include "conformance/store_suite.hpp"
#include "support/folder.hpp"

namespace af = agentflow;

TEST_CASE("SqliteStore conforms", "[store]") {
  const Folder folder;
  int files = 0;
  const auto path = [&] { return folder.file("store" + std::to_string(files) + ".db"); };
  const auto quick = af::SqliteOptions().synchronous(af::sqlite_sync::normal);
  af::conformance::StoreFactory factory;
  factory.fresh = [&](std::shared_ptr<af::Clock> clock) {
    ++files;
    return af::sqlite_store(path(), quick, std::move(clock));
  };
  factory.reopen = [&](std::shared_ptr<af::Clock> clock) { return af::sqlite_store(path(), quick, std::move(clock)); };
  af::conformance::store_suite(factory);
}

TEST_CASE("A store and a checkpointer share a file", "[store]") {
  const Folder folder;
  const af::SyncStore store(af::sqlite_store(folder.file("agent.db")));
  const auto checkpointer = af::sqlite(folder.file("agent.db"));
  store.put({"a"}, "k", af::JsonValue::parse("1"));
  const af::SyncCheckpointer cp(checkpointer);
  const af::Lease lease = cp.claim("t");
  CHECK(store.get({"a"}, "k"));
}
