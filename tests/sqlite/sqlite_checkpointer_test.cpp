// SPDX-License-Identifier: MIT
// The checkpointer on SQLite does what every checkpointer does.
#include <agentflow/sqlite/checkpointer.hpp>

#include <string>

#include "support/catch.hpp"

#include "conformance/checkpointer_suite.hpp"
#include "support/folder.hpp"

namespace af = agentflow;

TEST_CASE("SqliteCheckpointer conforms", "[checkpointer]") {
  const Folder folder;
  int files = 0;
  const auto path = [&] { return folder.file("agent" + std::to_string(files) + ".db"); };
  af::conformance::CheckpointerFactory factory;
  factory.fresh = [&] {
    ++files;
    return af::sqlite(path(), af::SqliteOptions().synchronous(af::sqlite_sync::normal));
  };
  factory.reopen = [&] { return af::sqlite(path()); };
  af::conformance::checkpointer_suite(factory);
}
