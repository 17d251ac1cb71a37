// SPDX-License-Identifier: MIT
// List: an append-mostly list whose copies and diffs cost the same however long it is.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/state/detail/log.hpp>

namespace agentflow {
namespace detail {

/// Asked once for each T, where List<T> is first needed.
template <class T>
concept CompleteHere = requires { sizeof(T); };

[[noreturn]] inline void throw_no_position(const char* what, std::size_t i, std::size_t size) {
  throw error(errc::bad_input, std::string("List::") + what + ": there is no position " + std::to_string(i) +
                                   " in a list of " + std::to_string(size));
}
[[noreturn]] inline void throw_list_full() {
  throw error(errc::resource_exhausted, "a List holds at most 2147483648 elements");
}

}  // namespace detail

/// A list with value semantics that is made for history: messages, findings, log lines.
///
/// Copies share their elements, so a copy costs two words however long the list is. An append writes behind the
/// last element, into storage that all copies share; the copies go on seeing their own, shorter list. Only the
/// first of several copies can append there; the others continue in storage of their own that refers to the
/// common part (they fork). A list that grew out of another knows it, so their difference is found without
/// looking at the common part: `extends`, `shared_prefix`.
///
/// Elements cannot be changed once they are in; `replace` makes a new list. They never move in memory either: a
/// reference to an element stays good while some list still has that element.
///
/// **Errors** Every operation that can throw (copying an element, memory) leaves the list as it was.
/// Positions past the end: `at` and `replace` throw `error` with `errc::bad_input`; elsewhere they are undefined.
///
/// **Thread safety** Distinct objects: safe, also when they are copies of each other and are appended to while
/// others read. Shared objects: reading from several threads is safe; writing needs synchronisation.
///
/// **Lifetime** Writing to a list invalidates its iterators. Elements dropped by `pop_back`, `truncate` or
/// `replace` are destroyed with the shared storage, or when the only holder of it appends again. An element must not
/// hold, behind pointers or in containers, a copy of the very list it is appended to: storage that holds itself is
/// never freed. A `List<T>` that is a plain member of `T` may; such lists append to storage only while they are alone.
///
/// **Units/limits** At most 2^31 elements; past that, `error` with `errc::resource_exhausted`.
///
/// **Complexity/blocking** Copy O(1), append amortised O(1), access O(number of forks, at most 8). A list forked
/// deeper than that copies some of its elements, amortised O(log n) for a fork.
template <class T>
class AGENTFLOW_VISIBLE List {
  using Log = detail::Log<T>;
  // Whether T has a List<T> as a member: then T is not complete here. See `grow`.
  using Nests = std::bool_constant<!detail::CompleteHere<T>>;

 public:
  class Iterator;
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = const T&;
  using const_reference = const T&;
  using iterator = Iterator;
  using const_iterator = Iterator;

  List() noexcept = default;
  List(std::initializer_list<T> elements) { append(elements.begin(), elements.end()); }
  List(const std::vector<T>& elements) { append(elements.begin(), elements.end()); }
  List(std::vector<T>&& elements) { append(std::move(elements)); }
  template <std::input_iterator It>
  List(It first, It last) {
    append(std::move(first), std::move(last));
  }

  List(const List&) noexcept = default;
  List& operator=(const List&) noexcept = default;
  List(List&& other) noexcept
      : log_(std::move(other.log_)),
        size_(std::exchange(other.size_, 0)),
        off_tip_(std::exchange(other.off_tip_, false)) {}
  List& operator=(List&& other) noexcept {
    List taken(std::move(other));
    std::swap(log_, taken.log_);
    std::swap(size_, taken.size_);
    std::swap(off_tip_, taken.off_tip_);
    return *this;
  }
  ~List() = default;

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const T& operator[](std::size_t i) const noexcept { return (*log_.get())[i]; }
  /// The first, the last, and the element at position `i`. **Errors** `errc::bad_input` when there is none.
  const T& front() const {
    check_position(0, "front");
    return (*this)[0];
  }
  const T& back() const {
    check_position(0, "back");
    return (*this)[size_ - 1u];
  }
  const T& at(std::size_t i) const {
    check_position(i, "at");
    return (*this)[i];
  }

  Iterator begin() const noexcept { return {log_.get(), 0}; }
  Iterator end() const noexcept { return {log_.get(), size_}; }
  Iterator cbegin() const noexcept { return begin(); }
  Iterator cend() const noexcept { return end(); }
  std::vector<T> to_vector() const { return std::vector<T>(begin(), end()); }

  void push_back(const T& element) { emplace_back(element); }
  void push_back(T&& element) { emplace_back(std::move(element)); }
  /// Constructs one element at the end. The arguments may refer to elements of this list.
  template <class... Args>
  const T& emplace_back(Args&&... args) {
    if constexpr (Nests::value) {
      T element(std::forward<Args>(args)...);
      grow(1, [&](void* where, std::size_t) { ::new (where) T(std::move(element)); });
    } else {
      grow(1, [&](void* where, std::size_t) { ::new (where) T(std::forward<Args>(args)...); });
    }
    return back();
  }
  /// Appends all of them or, if one cannot be copied, none.
  void append(const List& other) {
    if (empty())
      *this = other;
    else
      append(other.begin(), other.end());
  }
  void append(const std::vector<T>& elements) { append(elements.begin(), elements.end()); }
  void append(std::initializer_list<T> elements) { append(elements.begin(), elements.end()); }
  /// The same, moving the elements. When it throws, the vector keeps its size, but elements may have been moved from.
  void append(std::vector<T>&& elements) { append_n(std::move_iterator(elements.begin()), elements.size()); }
  template <std::input_iterator It>
  void append(It first, It last) {
    using Category = typename std::iterator_traits<It>::iterator_category;
    if constexpr (!Nests::value && std::derived_from<Category, std::forward_iterator_tag>) {
      append_n(first, static_cast<std::size_t>(std::distance(first, last)));
    } else {
      append(std::vector<T>(std::move(first), std::move(last)));
    }
  }

  void clear() noexcept { *this = List(); }
  /// Drops the last element, if there is one. O(1).
  void pop_back() noexcept { truncate(size_ - 1u); }
  /// Drops all elements but the first `n`; does nothing if there are no more than that. O(1).
  void truncate(std::size_t n) noexcept {
    if (n >= size_) return;
    if (n == 0) return clear();
    size_ = static_cast<std::uint32_t>(n);
    while (log_->base() >= n) {
      log_->parent()->retain();
      log_ = detail::LogRef<T>(log_->parent());
      off_tip_ = true;  // this list had left the parent to others
    }
  }
  /// Puts `element` in place of the one at position `i`: shares what stands before, copies what follows.
  /// **Errors** `errc::bad_input` when there is no such position. **Complexity/blocking** O(size() - i).
  void replace(std::size_t i, T element) {
    check_position(i, "replace");
    List changed = *this;
    changed.truncate(i);
    changed.grow(size_ - i, [&](void* where, std::size_t k) {
      if (k == 0)
        ::new (where) T(std::move(element));
      else
        ::new (where) T((*this)[i + k]);
    });
    *this = std::move(changed);
  }
  /// Empties the list and returns its elements from position `first` on: moved where no other list has them,
  /// copied elsewhere. O(size() - first).
  std::vector<T> take_from(std::size_t first) && {
    std::vector<T> taken;
    taken.reserve(first < size_ ? size_ - first : 0);
    const bool movable = std::is_nothrow_move_constructible_v<T> && log_ && log_->unique();
    for (const std::size_t own = movable ? log_->base() : size_; first < own; ++first) taken.push_back((*this)[first]);
    for (; first < size_; ++first) taken.push_back(std::move(log_->own(first)));
    clear();
    return taken;
  }

  /// Makes this object, its copies, and what it is moved to leave the end of the shared storage to the other
  /// holders: their next append forks, unless by then they are alone. After a fork the mark is gone. Give such a
  /// copy to work that runs beside the owner of the list, so that the owner keeps the cheap place to append.
  void detach_tip() noexcept { off_tip_ = log_.get() != nullptr; }

  /// How many leading elements are the very same objects in both lists. O(number of forks).
  std::size_t shared_prefix(const List& other) const noexcept {
    const Log* a = log_.get();
    const Log* b = other.log_.get();
    std::size_t a_size = size_, b_size = other.size_;
    while (a && b && a != b) {
      const bool up_a = a->depth() >= b->depth(), up_b = b->depth() >= a->depth();
      if (up_a) a_size = std::exchange(a, a->parent())->base();
      if (up_b) b_size = std::exchange(b, b->parent())->base();
    }
    return !a || !b ? 0 : a_size < b_size ? a_size : b_size;
  }
  /// How many leading elements are equal: shared, or, past that, by `==` where `T` has one. O(elements not shared).
  std::size_t common_prefix(const List& other) const {
    std::size_t n = shared_prefix(other);
    if constexpr (std::equality_comparable<T>) {
      const std::size_t end = size_ < other.size_ ? size_ : other.size_;
      while (n < end && (*this)[n] == other[n]) ++n;
    }
    return n;
  }
  /// Whether this list is `base` with nothing or something appended: then the elements from `base.size()` on are
  /// the difference. O(number of forks) if this list grew out of a copy of `base`.
  bool extends(const List& base) const { return size_ >= base.size_ && common_prefix(base) == base.size_; }

  /// The position of the element whose `id()` is `id`; of the last one, if several. Empty ids are not found.
  /// **Thread safety** As for reading; `id()` is called under a lock and must not use lists itself.
  /// **Complexity/blocking** O(number of forks), amortised: an element is indexed when it is first searched past.
  std::optional<std::size_t> find_id(std::string_view id) const
    requires detail::HasId<T>
  {
    std::size_t limit = id.empty() ? 0 : size_;
    for (Log* log = log_.get(); log && limit > 0; limit = std::exchange(log, log->parent())->base()) {
      if (const std::size_t found = log->find_id(id, limit); found > 0) return found - 1;
    }
    return std::nullopt;
  }

  /// Element by element; elements that both lists share count as equal unseen.
  friend bool operator==(const List& a, const List& b) {
    static_assert(std::equality_comparable<T>, "agentflow: comparing List<T> needs operator== for T");
    return a.size_ == b.size_ && a.common_prefix(b) == a.size_;
  }
  friend void swap(List& a, List& b) noexcept {
    List c(std::move(a));
    a = std::move(b);
    b = std::move(c);
  }

 private:
  void check_position(std::size_t i, const char* what) const {
    if (i >= size_) detail::throw_no_position(what, i, size_);
  }

  template <class It>
  void append_n(It first, std::size_t n) {
    grow(n, [&](void* where, std::size_t) {
      ::new (where) T(*first);
      ++first;
    });
  }

  /// Appends `n` elements that `make(address, k)` constructs: all, or none and the list is as before.
  ///
  /// An element that holds a copy of this list must not get into the log of that copy, or the log would hold itself.
  /// Where that can be (`Nests`), the elements exist before this is called, so such a copy shows as another holder.
  void grow(std::size_t n, detail::MakeRef make) {
    if (n == 0) return;
    if (n > Log::max_size - size_) detail::throw_list_full();
    detail::LogRef<T> forked;
    if (log_ && log_->unique()) {
      log_->reclaim(size_, n);
    } else if (!log_ || Nests::value || off_tip_ || !log_->claim(size_, n)) {
      forked = fork();
      forked->reclaim(size_, n);
    }
    (forked ? forked : log_)->fill(size_, n, make);
    if (forked) log_ = std::move(forked);
    size_ = static_cast<std::uint32_t>(size_ + n);
    off_tip_ = false;
  }

  /// A log of this list's own that begins with its elements: it refers to them or, where that would make the chain
  /// of logs too long, has copied the last of them. Then it takes as many logs as it must for the copies to be no
  /// more than half of what the next log has, so that an element is copied O(log n) times, not at every eighth fork.
  detail::LogRef<T> fork() const {
    std::size_t kept = size_;
    Log* at = log_.get();
    if (at && at->depth() == Log::max_depth) {
      do kept = std::exchange(at, at->parent())->base();
      while (at && kept - at->base() < 2 * (size_ - kept));
    }
    if (at) at->retain();
    detail::LogRef<T> parent(at);
    detail::LogRef<T> forked(new Log(parent.release(), kept));
    if (const std::size_t n = size_ - kept; n > 0) {
      forked->reclaim(kept, n);
      forked->fill(kept, n, [&](void* where, std::size_t k) { ::new (where) T((*this)[kept + k]); });
    }
    return forked;
  }

  // No log if and only if the list is empty; else size_ > log_->base().
  detail::LogRef<T> log_;
  std::uint32_t size_ = 0;
  bool off_tip_ = false;
};

/// A random-access iterator over a list; good until that list is written to or destroyed.
template <class T>
class List<T>::Iterator {
 public:
  using iterator_category = std::random_access_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = const T*;
  using reference = const T&;

  Iterator() noexcept = default;
  reference operator*() const noexcept { return (*log_)[static_cast<std::size_t>(at_)]; }
  pointer operator->() const noexcept { return &**this; }
  reference operator[](difference_type n) const noexcept { return *(*this + n); }
  Iterator& operator++() noexcept {
    ++at_;
    return *this;
  }
  Iterator& operator--() noexcept {
    --at_;
    return *this;
  }
  Iterator operator++(int) noexcept { return {log_, at_++}; }
  Iterator operator--(int) noexcept { return {log_, at_--}; }
  Iterator& operator+=(difference_type n) noexcept {
    at_ += n;
    return *this;
  }
  Iterator& operator-=(difference_type n) noexcept {
    at_ -= n;
    return *this;
  }
  friend Iterator operator+(Iterator i, difference_type n) noexcept { return i += n; }
  friend Iterator operator+(difference_type n, Iterator i) noexcept { return i += n; }
  friend Iterator operator-(Iterator i, difference_type n) noexcept { return i -= n; }
  friend difference_type operator-(const Iterator& a, const Iterator& b) noexcept { return a.at_ - b.at_; }
  friend bool operator==(const Iterator& a, const Iterator& b) noexcept { return a.at_ == b.at_; }
  friend std::strong_ordering operator<=>(const Iterator& a, const Iterator& b) noexcept { return a.at_ <=> b.at_; }

 private:
  friend class List;
  Iterator(const Log* log, difference_type at) noexcept : log_(log), at_(at) {}

  const Log* log_ = nullptr;
  difference_type at_ = 0;
};

}  // namespace agentflow
