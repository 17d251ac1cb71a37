// SPDX-License-Identifier: MIT
// --resume.
#include "resume.hpp"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include <agentflow/core/checksum.hpp>
#ifdef DIGEST_WITH_SQLITE
#include <agentflow/sqlite/checkpointer.hpp>
#endif

namespace digest {

namespace af = agentflow;

std::shared_ptr<af::Checkpointer> open_kept(const std::string& file) {
#ifdef DIGEST_WITH_SQLITE
  // A killed process loses nothing; a power failure may cost the last files.
  return af::sqlite(file, af::SqliteOptions().synchronous(af::sqlite_sync::normal));
#else
  throw std::runtime_error(fmt::format("cannot keep anything in {}: this program was built without SQLite", file));
#endif
}

std::string thread_of(const Corpus& input) {
  std::uint64_t sum = input.max_bytes;
  for (const auto& root : input.roots) sum = af::checksum64(root, sum);
  return fmt::format("digest {:016x}", sum);
}

asio::awaitable<std::optional<Corpus>> left_off(const af::CompiledGraph<Corpus>& graph,
                                                std::shared_ptr<af::Checkpointer> kept, std::string thread) {
  std::optional<Corpus> found;
  auto look = graph.aget_state(thread);
  auto known = co_await std::move(look);
  if (!known) co_return found;
  if (!known->finished && !known->state.walk_stopped) {
    found = std::move(known->state);
    co_return found;
  }
  auto forget = kept->remove(std::move(thread));
  co_await std::move(forget);
  co_return found;
}

}  // namespace digest
