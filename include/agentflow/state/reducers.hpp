// SPDX-License-Identifier: MIT
// The built-in reducers. They are types: `AGENTFLOW_STATE(Research, topic, (findings, append), (calls, sum))`.
#pragma once

#include <concepts>
#include <cstddef>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/state/add_messages.hpp>
#include <agentflow/state/list.hpp>
#include <agentflow/state/reducer.hpp>

namespace agentflow {

/// The default: the field takes the new value. Two nodes of one step that write it are a conflict.
struct last_value {
  static constexpr bool exclusive = true;

  template <std::equality_comparable T>
  static Diff<T> diff(const T& base, T&& mine) {
    if (mine == base) return Diff<T>::none();
    return std::move(mine);
  }
  template <class T>
  static void apply(T& value, std::type_identity_t<T> delta) {
    value = std::move(delta);
  }
  template <class T>
  static void combine(T& first, std::type_identity_t<T> second) {
    first = std::move(second);
  }

  template <class T>
  static constexpr void check() {
    static_assert(ReducerFor<last_value, T>,
                  "agentflow: a last_value field needs operator== (it is how a change is noticed): add "
                  "`bool operator==(const X&) const = default;` to the type of the field");
  }
};

namespace detail {

template <class T>
concept ListLike = !std::same_as<T, std::string>;

}  // namespace detail

/// Several nodes append to a list; all their elements stand, in the order in which the nodes were declared.
/// The delta is the elements (characters) at the end; a node that changed or dropped earlier ones replaced the field.
/// For `List`, `std::vector` and `std::string`. **Complexity/blocking** With a `List`, diff and apply cost what was
/// appended; a vector or string is compared as a whole.
struct append {
  template <std::equality_comparable E>
  static Diff<std::vector<E>> diff(const List<E>& base, List<E>&& mine) {
    if (!mine.extends(base)) return Diff<std::vector<E>>::replaced();
    if (mine.size() == base.size()) return Diff<std::vector<E>>::none();
    return std::move(mine).take_from(base.size());
  }
  template <std::equality_comparable E>
  static Diff<std::vector<E>> diff(const std::vector<E>& base, std::vector<E>&& mine) {
    if (!starts_with(mine, base)) return Diff<std::vector<E>>::replaced();
    if (mine.size() == base.size()) return Diff<std::vector<E>>::none();
    const auto first = mine.begin() + static_cast<std::ptrdiff_t>(base.size());
    return std::vector<E>(std::move_iterator(first), std::move_iterator(mine.end()));
  }
  static Diff<std::string> diff(const std::string& base, std::string&& mine) {
    if (!mine.starts_with(base)) return Diff<std::string>::replaced();
    if (mine.size() == base.size()) return Diff<std::string>::none();
    return mine.substr(base.size());
  }

  template <class E>
  static void apply(List<E>& value, std::vector<E> delta) {
    value.append(std::move(delta));
  }
  template <class E>
  static void apply(std::vector<E>& value, std::vector<E> delta) {
    value.insert(value.end(), std::move_iterator(delta.begin()), std::move_iterator(delta.end()));
  }
  static void apply(std::string& value, std::string delta) { value += delta; }
  template <class D>
  static void combine(D& first, std::type_identity_t<D> second) {
    apply(first, std::move(second));
  }

  /// One element.
  template <detail::ListLike T>
  static std::vector<typename T::value_type> delta_from(typename T::value_type element) {
    std::vector<typename T::value_type> delta;
    delta.push_back(std::move(element));
    return delta;
  }
  /// Several elements.
  template <detail::ListLike T>
  static std::vector<typename T::value_type> delta_from(List<typename T::value_type> elements) {
    return std::move(elements).take_from(0);
  }
  template <class E>
  static void prepare_branch(List<E>& value) noexcept {
    value.detach_tip();
  }

  template <class T>
  static constexpr void check() {
    static_assert(ReducerFor<append, T>,
                  "agentflow: an append field must be an agentflow::List, a std::vector or a std::string, and its "
                  "elements need operator==");
  }

 private:
  template <class E>
  static bool starts_with(const std::vector<E>& whole, const std::vector<E>& part) {
    if (whole.size() < part.size()) return false;
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (!(whole[i] == part[i])) return false;
    }
    return true;
  }
};

namespace detail {

template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;

/// Types with a difference that can be added again: floating point, durations, money, vectors.
template <class T>
concept Additive = !std::integral<T> && std::equality_comparable<T> &&
                   requires(T& value, const T& a, const T& b) { value = static_cast<T>(a + (b - a)); };

}  // namespace detail

/// Several nodes add to a number; all their amounts count. The delta is the difference.
///
/// Integers: differences and sums wrap around silently, so the law holds for every value. Floating point: a value
/// that went through a delta may differ from the node's by the rounding of the larger one; a change from or to
/// infinity or NaN replaces the field. Other types need `==`, `+` and `-`, such as `std::chrono::duration`.
struct sum {
  template <detail::Integer T>
  static Diff<T> diff(const T& base, T&& mine) {
    using U = std::make_unsigned_t<T>;
    if (mine == base) return Diff<T>::none();
    return static_cast<T>(static_cast<U>(static_cast<U>(mine) - static_cast<U>(base)));
  }
  template <detail::Integer T>
  static void apply(T& value, std::type_identity_t<T> delta) {
    using U = std::make_unsigned_t<T>;
    value = static_cast<T>(static_cast<U>(static_cast<U>(value) + static_cast<U>(delta)));
  }

  template <detail::Additive T>
  static auto diff(const T& base, T&& mine) {
    using D = std::remove_cvref_t<decltype(mine - base)>;
    if (mine == base) return Diff<D>::none();
    D delta = mine - base;
    if constexpr (std::floating_point<T>) {
      if (!(delta - delta == 0)) return Diff<D>::replaced();  // infinite, or not a number
    }
    return Diff<D>(std::move(delta));
  }
  template <detail::Additive T, class D>
  static void apply(T& value, D delta) {
    value = static_cast<T>(value + delta);
  }

  template <class D>
  static void combine(D& first, std::type_identity_t<D> second) {
    apply(first, std::move(second));
  }

  template <class T>
  static constexpr void check() {
    static_assert(ReducerFor<sum, T>,
                  "agentflow: a sum field must be a number other than bool, or a type with operator==, + and -");
  }
};

namespace detail {

template <class T>
concept Ordered = std::equality_comparable<T> && requires(const T& a, const T& b) {
  { a < b } -> std::convertible_to<bool>;
};

/// What `min` and `max` share: the better value stands; a node that made it worse replaced the field.
template <class Better>
struct Extremum {
  template <Ordered T>
  static Diff<T> diff(const T& base, T&& mine) {
    if (mine == base) return Diff<T>::none();
    if (!Better::better(mine, base)) return Diff<T>::replaced();
    return std::move(mine);
  }
  template <class T>
  static void apply(T& value, std::type_identity_t<T> delta) {
    if (Better::better(delta, value)) value = std::move(delta);
  }
  template <class T>
  static void combine(T& first, std::type_identity_t<T> second) {
    apply(first, std::move(second));
  }
  template <class T>
  static constexpr void check() {
    static_assert(ReducerFor<Extremum, T>, "agentflow: a min or max field needs operator== and operator<");
  }
};

}  // namespace detail

/// The smallest value that any node gives.
struct min : detail::Extremum<min> {
  template <class T>
  static bool better(const T& a, const T& b) {
    return a < b;
  }
};

/// The largest value that any node gives.
struct max : detail::Extremum<max> {
  template <class T>
  static bool better(const T& a, const T& b) {
    return b < a;
  }
};

namespace detail {

/// `std::set`, `std::unordered_set` and what behaves like them.
template <class T>
concept SetLike =
    std::equality_comparable<typename T::key_type> && std::same_as<typename T::key_type, typename T::value_type> &&
    requires(T& set, const typename T::key_type& key) {
      set.insert(key).second;
      set.find(key);
      set.merge(set);
    };

/// `std::map`, `std::unordered_map` and what behaves like them.
template <class T>
concept MapLike = std::equality_comparable<typename T::key_type> && std::equality_comparable<typename T::mapped_type> &&
                  requires(T& map, const typename T::key_type& key) {
                    map.insert(map.extract(key)).inserted;
                    map.find(key)->second;
                  };

/// Leaves in `mine` what is new or changed against `base`, unless keys of `base` are missing in it. The delta is
/// `mine` itself, so a comparator or hash with a state stays with it.
template <class C, class Key, class Same>
Diff<C> keyed_diff(const C& base, C&& mine, const Key& key_of, const Same& same) {
  std::size_t kept = 0, changed = 0;
  for (const auto& entry : mine) {
    const auto at = base.find(key_of(entry));
    // Keys that a comparator takes for the same need not be equal.
    const bool has_key = at != base.end() && key_of(*at) == key_of(entry);
    kept += has_key;
    changed += !has_key || !same(*at, entry);
  }
  if (kept != base.size()) return Diff<C>::replaced();
  if (changed == 0) return Diff<C>::none();
  for (auto i = mine.begin(); i != mine.end();) {
    const auto at = base.find(key_of(*i));
    i = at != base.end() && same(*at, *i) ? mine.erase(i) : std::next(i);
  }
  return std::move(mine);
}

}  // namespace detail

/// Several nodes add elements to a set. The delta is the new ones; a node that removed one replaced the field.
/// **Complexity/blocking** diff looks every element up; apply costs what was added.
struct set_union {
  template <detail::SetLike S>
  static Diff<S> diff(const S& base, S&& mine) {
    return detail::keyed_diff(
        base, std::move(mine), [](const auto& key) -> const auto& { return key; },
        [](const auto&, const auto&) { return true; });
  }
  template <detail::SetLike S>
  static void apply(S& value, std::type_identity_t<S> delta) {
    value.merge(delta);
  }
  template <class S>
  static void combine(S& first, std::type_identity_t<S> second) {
    apply(first, std::move(second));
  }

  /// One element.
  template <detail::SetLike S>
  static S delta_from(typename S::key_type element) {
    S delta;
    delta.insert(std::move(element));
    return delta;
  }

  template <class T>
  static constexpr void check() {
    static_assert(
        ReducerFor<set_union, T>,
        "agentflow: a set_union field must be a std::set or std::unordered_set whose elements have operator==");
  }
};

/// Several nodes set entries of a map. The delta is the entries that are new or changed; a node that removed one
/// replaced the field. Where two nodes of one step set the same key, the entry of the one declared later stands.
/// **Complexity/blocking** diff looks every entry up; apply costs what was set.
struct merge_map {
  template <detail::MapLike M>
  static Diff<M> diff(const M& base, M&& mine) {
    return detail::keyed_diff(
        base, std::move(mine), [](const auto& entry) -> const auto& { return entry.first; },
        [](const auto& a, const auto& b) { return a.second == b.second; });
  }
  template <detail::MapLike M>
  static void apply(M& value, std::type_identity_t<M> delta) {
    while (!delta.empty()) {
      auto there = value.insert(delta.extract(delta.begin()));
      if (!there.inserted) there.position->second = std::move(there.node.mapped());
    }
  }
  template <class M>
  static void combine(M& first, std::type_identity_t<M> second) {
    apply(first, std::move(second));
  }

  /// One entry.
  template <detail::MapLike M>
  static M delta_from(typename M::value_type entry) {
    M delta;
    delta.insert(std::move(entry));
    return delta;
  }

  template <class T>
  static constexpr void check() {
    static_assert(ReducerFor<merge_map, T>,
                  "agentflow: a merge_map field must be a std::map or std::unordered_map whose keys and values have "
                  "operator==");
  }
};

}  // namespace agentflow
