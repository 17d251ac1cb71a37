// SPDX-License-Identifier: MIT
// The checkpointer on SQLite does what every checkpointer does.
#include <agentflow/sqlite/checkpointer.hpp>

#include <unistd.h>

#include <filesystem>
#include <string>

#include "support/catch.hpp"

#include "conformance/checkpointer_suite.hpp"

namespace af = agentflow;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "agentflow-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

}  // namespace

TEST_CASE("SqliteCheckpointer conforms", "[checkpointer]") {
  const Folder folder;
  int files = 0;
  const auto path = [&] { return (folder.path / ("agent" + std::to_string(files) + ".db")).string(); };
  af::conformance::CheckpointerFactory factory;
  factory.fresh = [&] {
    ++files;
    return af::sqlite(path(), af::SqliteOptions().synchronous(af::sqlite_sync::normal));
  };
  factory.reopen = [&] { return af::sqlite(path()); };
  af::conformance::checkpointer_suite(factory);
}
