// SPDX-License-Identifier: MIT
// A user of the component sqlite: sees none of SQLite's own headers.
#include <cstdio>

#include <agentflow/agentflow.hpp>
#include <agentflow/sqlite/checkpointer.hpp>
#include <agentflow/sqlite/store.hpp>

#ifdef SQLITE_VERSION
#error "sqlite3.h comes with agentflow's headers"
#endif

namespace af = agentflow;

int main() {
  const char* path = "package_test.db";
  std::remove(path);
  const af::SyncCheckpointer checkpoints(af::sqlite(path));
  const af::SyncStore store(af::sqlite_store(path));
  const af::Lease lease = checkpoints.claim("thread");
  store.put({"a"}, "k", af::JsonValue::parse("1"));
  try {
    checkpoints.claim("thread");
  } catch (const af::storage_error& e) {
    return e.code() == af::errc::thread_busy && store.get({"a"}, "k") ? 0 : 1;
  }
  return 1;
}
