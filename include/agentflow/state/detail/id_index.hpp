// SPDX-License-Identifier: MIT
// From the id of an element to its positions in a log: a hash index that is built as it is asked.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace agentflow::detail {

/// Elements that `IdIndex` can find: `id()` gives text.
template <class T>
concept HasId = requires(const T& element) {
  { element.id() } -> std::convertible_to<std::string_view>;
};

/// Open addressing over the newest position of each id; older positions of an id hang on the newest as a list,
/// so every version of the log finds its own. Elements with an empty id are left out.
///
/// `find` may run on several threads at once. It visits elements that another thread appended, but only those
/// whose thread asked before, under the same mutex, so they are visible here.
class IdIndex {
 public:
  /// Gives the id of the element at a position of a log, as text or as a view of text put into `keep`.
  using IdOf = std::string_view (*)(const void* log, std::uint32_t position, std::string& keep);

  /// The newest position below `limit` whose element has this id, plus one; 0 if there is none.
  std::uint32_t find(std::string_view id, std::uint32_t limit, const void* log, IdOf id_of) {
    const std::lock_guard lock(mutex_);
    std::string keep;
    while (entries_.size() < limit) add(id_of(log, size(), keep), log, id_of);
    std::uint32_t at = heads_.empty() ? 0 : *head(id, hash_of(id), log, id_of);
    while (at > limit) at = entries_[at - 1].previous;
    return at;
  }

  /// Forgets the positions from `limit` on. Only for the single holder of the log.
  void truncate(std::uint32_t limit) noexcept {
    for (; entries_.size() > limit; entries_.pop_back()) {
      const Entry& last = entries_.back();
      if (last.previous == not_indexed) continue;
      // The newest entry goes first, so its slot holds it, and an emptied slot breaks no later probe sequence.
      *slot_of(last.hash, size()) = last.previous;
      if (last.previous == 0) --used_;
    }
  }

 private:
  // Positions in `previous` and `heads_` are one too high, so that 0 means none.
  struct Entry {
    std::uint32_t previous, hash;
  };
  static constexpr std::uint32_t not_indexed = 0xffffffff;

  static std::uint32_t hash_of(std::string_view id) noexcept {
    const std::uint64_t h = std::hash<std::string_view>{}(id);
    return static_cast<std::uint32_t>(h ^ (h >> 32));
  }

  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(entries_.size()); }

  void add(std::string_view id, const void* log, IdOf id_of) {
    std::uint32_t previous = not_indexed, hash = 0;
    std::uint32_t* slot = nullptr;
    if (!id.empty()) {
      if ((used_ + 1) * 2 > heads_.size()) grow();
      hash = hash_of(id);
      slot = head(id, hash, log, id_of);
      previous = *slot;
    }
    entries_.push_back({previous, hash});
    if (!slot) return;
    if (previous == 0) ++used_;
    *slot = size();
  }

  /// The slot of this id: it holds the newest position, or is free.
  std::uint32_t* head(std::string_view id, std::uint32_t hash, const void* log, IdOf id_of) {
    std::string keep;
    for (std::size_t i = hash;; ++i) {
      std::uint32_t& slot = heads_[i & (heads_.size() - 1)];
      if (slot == 0 || (entries_[slot - 1].hash == hash && id_of(log, slot - 1, keep) == id)) return &slot;
    }
  }

  /// The slot that holds `value` (0: the first free one) in the probe sequence of `hash`.
  std::uint32_t* slot_of(std::uint32_t hash, std::uint32_t value) noexcept {
    std::size_t i = hash;
    while (heads_[i & (heads_.size() - 1)] != value) ++i;
    return &heads_[i & (heads_.size() - 1)];
  }

  void grow() {
    std::vector<std::uint32_t> wider(heads_.empty() ? 16 : heads_.size() * 2);
    heads_.swap(wider);
    for (std::uint32_t i = 0; i < size(); ++i) {
      if (entries_[i].previous != not_indexed) *slot_of(entries_[i].hash, entries_[i].previous) = i + 1;
    }
  }

  std::mutex mutex_;
  std::vector<std::uint32_t> heads_;
  std::vector<Entry> entries_;  // by position
  std::size_t used_ = 0;        // slots in use
};

/// What a log of elements without ids has in place of an index.
struct NoIndex {
  void truncate(std::uint32_t) noexcept {}
};

}  // namespace agentflow::detail
