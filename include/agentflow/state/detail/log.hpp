// SPDX-License-Identifier: MIT
// The storage behind List: an append-only array that many lists share, each seeing a prefix of it.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/state/detail/id_index.hpp>

namespace agentflow::detail {

/// Refers to a function that constructs the k-th of several elements at an address. Erased, so that the code around it
/// is compiled once for each type of element.
class MakeRef {
 public:
  template <class F>
  MakeRef(const F& make) noexcept
      : make_(&make), call_([](const void* f, void* where, std::size_t k) { (*static_cast<const F*>(f))(where, k); }) {}
  void operator()(void* where, std::size_t k) const { call_(make_, where, k); }

 private:
  const void* make_;
  void (*call_)(const void* make, void* where, std::size_t k);
};

/// A segmented array of elements that never move, from position `base()` on; the positions before it belong to
/// the parent, which this log was forked from.
///
/// Who may write: `claimed_` counts the slots that are taken. The list whose length equals it may take the next
/// ones, by one compare-and-swap, and is then alone in writing there: no list can be longer until it publishes
/// itself by a copy. So a failed construction simply gives its slots back, and readers of a prefix need no
/// atomics: what they read was written before the list they hold came to be.
///
/// The count of holders is intrusive, because "I am the only holder" has to be an acquire: it is followed by
/// the destruction of elements that others may have read a moment ago.
template <class T>
class AGENTFLOW_VISIBLE Log {
 public:
  static constexpr std::size_t max_depth = 8;
  static constexpr std::size_t max_size = std::size_t{1} << 31;

  /// Takes over one count of `parent`.
  Log(Log* parent, std::size_t base) noexcept
      : base_(static_cast<std::uint32_t>(base)), depth_(parent ? parent->depth_ + 1 : 0), parent_(parent) {
    static_assert(std::is_nothrow_destructible_v<T>, "agentflow: the destructor of a List's element must not throw");
    segments_[0] = reinterpret_cast<T*>(first_);
  }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  ~Log() {
    destroy(0, claimed_.load(std::memory_order_relaxed));
    for (unsigned k = 1; k < segment_count && segments_[k]; ++k) {
      std::allocator<T>().deallocate(segments_[k], start_of(k));
    }
  }

  void retain() noexcept { holders_.fetch_add(1, std::memory_order_relaxed); }
  static void release(Log* log) noexcept {
    if (log && log->holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) dispose(log);
  }
  bool unique() const noexcept { return holders_.load(std::memory_order_acquire) == 1; }

  std::size_t base() const noexcept { return base_; }
  std::size_t depth() const noexcept { return depth_; }
  Log* parent() const noexcept { return parent_; }

  /// The element at a position of the list, own or inherited.
  const T& operator[](std::size_t position) const noexcept {
    const Log* log = this;
    while (position < log->base_) log = log->parent_;
    return *log->slot(position - log->base_);
  }
  /// An own element, for the single holder to move from.
  T& own(std::size_t position) noexcept { return *slot(position - base_); }

  /// Takes the slots of `n` positions from `position` on, if they are the next free ones.
  bool claim(std::size_t position, std::size_t n) noexcept {
    auto expected = static_cast<std::uint32_t>(position - base_);
    return claimed_.compare_exchange_strong(expected, static_cast<std::uint32_t>(expected + n),
                                            std::memory_order_acq_rel, std::memory_order_relaxed);
  }
  /// The same for the single holder, which always succeeds: elements from `position` on are nobody's any more.
  void reclaim(std::size_t position, std::size_t n) noexcept {
    const auto first = static_cast<std::uint32_t>(position - base_);
    index_.truncate(first);
    const std::uint32_t end = claimed_.exchange(static_cast<std::uint32_t>(first + n), std::memory_order_relaxed);
    destroy(first, end);
  }
  /// Constructs the `n` claimed elements from `position` on; if that throws, the slots are given back.
  void fill(std::size_t position, std::size_t n, MakeRef make) {
    const std::size_t first = position - base_;
    std::size_t done = 0;
    try {
      for (; done < n; ++done) make(static_cast<void*>(new_slot(first + done)), done);
    } catch (...) {
      destroy(first, first + done);
      claimed_.store(static_cast<std::uint32_t>(first), std::memory_order_release);
      throw;
    }
  }

  /// The newest own position below `limit` with this id, plus one; 0 if there is none.
  std::size_t find_id(std::string_view id, std::size_t limit) {
    if (limit - base_ <= scanned) {
      while (limit > base_ && std::string_view((*this)[limit - 1].id()) != id) --limit;
      return limit > base_ ? limit : 0;
    }
    const std::uint32_t found = index_.find(id, static_cast<std::uint32_t>(limit - base_), this, &id_of);
    return found == 0 ? 0 : base_ + found;
  }

 private:
  static constexpr std::size_t scanned = 8;  // so few elements are compared one by one, not indexed

  // Segment 0 has 4 slots and lies in the log itself; segment k > 0 begins at 4 * 2^(k-1) and has as many slots.
  static constexpr unsigned segment_count = 30;
  static unsigned segment_of(std::size_t i) noexcept { return static_cast<unsigned>(std::bit_width(i >> 2)); }
  static std::size_t start_of(unsigned k) noexcept { return ((std::size_t{4} << k) >> 1) & ~std::size_t{3}; }

  static std::string_view id_of(const void* log, std::uint32_t i, std::string& keep) {
    decltype(auto) id = static_cast<const Log*>(log)->slot(i)->id();
    if constexpr (std::is_reference_v<decltype(id)> || std::is_same_v<decltype(id), std::string_view>) {
      return id;
    } else {
      keep = std::string_view(id);
      return keep;
    }
  }

  /// Out of line, because every copy of a list ends in it; a loop, so that a chain of forks does not recurse.
  [[gnu::noinline]] static void dispose(Log* log) noexcept {
    do {
      Log* const parent = log->parent_;
      delete log;
      log = parent;
    } while (log && log->holders_.fetch_sub(1, std::memory_order_acq_rel) == 1);
  }

  T* slot(std::size_t i) const noexcept {
    const unsigned k = segment_of(i);
    return segments_[k] + (i - start_of(k));
  }
  T* new_slot(std::size_t i) {
    const unsigned k = segment_of(i);
    if (!segments_[k]) segments_[k] = std::allocator<T>().allocate(start_of(k));
    return segments_[k] + (i - start_of(k));
  }
  void destroy(std::size_t first, std::size_t end) noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      for (; first < end; ++first) std::destroy_at(slot(first));
    }
  }

  std::atomic<std::uint32_t> holders_{1};
  std::atomic<std::uint32_t> claimed_{0};
  const std::uint32_t base_;
  const std::uint32_t depth_;
  Log* const parent_;
  T* segments_[segment_count] = {};
  [[no_unique_address]] std::conditional_t<HasId<T>, IdIndex, NoIndex> index_;
  alignas(T) std::byte first_[4 * sizeof(T)];
};

/// Holds one count of a log.
template <class T>
class AGENTFLOW_VISIBLE LogRef {
 public:
  LogRef() noexcept = default;
  explicit LogRef(Log<T>* log) noexcept : log_(log) {}
  LogRef(const LogRef& other) noexcept : log_(other.log_) {
    if (log_) log_->retain();
  }
  LogRef(LogRef&& other) noexcept : log_(other.release()) {}
  LogRef& operator=(LogRef other) noexcept {
    std::swap(log_, other.log_);
    return *this;
  }
  ~LogRef() { Log<T>::release(log_); }

  Log<T>* get() const noexcept { return log_; }
  Log<T>* operator->() const noexcept { return log_; }
  explicit operator bool() const noexcept { return log_ != nullptr; }
  Log<T>* release() noexcept { return std::exchange(log_, nullptr); }

 private:
  Log<T>* log_ = nullptr;
};

}  // namespace agentflow::detail
