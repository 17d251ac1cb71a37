// SPDX-License-Identifier: MIT
// What a reducer is: how the changes of several nodes to one field are found and merged.
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

namespace agentflow {

/// What a node did to a field: nothing, a delta for the field's reducer, or a change that no delta of this reducer
/// can express (an element removed from an `append` field), for which the whole new value stands.
template <class D>
class Diff {
 public:
  using delta_type = D;

  Diff(D delta) : delta_(std::move(delta)) {}
  /// From what a reducer without the third answer returns: empty is `none`.
  Diff(std::optional<D> delta) : delta_(std::move(delta)) {}
  static Diff none() { return Diff(std::optional<D>()); }
  /// The field has to be overwritten. A reducer that says so has left `mine` as it was.
  static Diff replaced() {
    Diff diff = none();
    diff.replaced_ = true;
    return diff;
  }

  bool is_none() const noexcept { return !delta_ && !replaced_; }
  bool is_delta() const noexcept { return delta_.has_value(); }
  bool is_replaced() const noexcept { return replaced_; }
  /// The delta; only if `is_delta()`.
  const D& delta() const& { return *delta_; }
  D&& delta() && { return *std::move(delta_); }

 private:
  std::optional<D> delta_;
  bool replaced_ = false;
};

namespace detail {

template <class X>
struct DeltaOf {};
template <class D>
struct DeltaOf<Diff<D>> {
  using type = D;
};
template <class D>
struct DeltaOf<std::optional<D>> {
  using type = D;
};

template <class R, class T>
using found_delta =
    typename DeltaOf<std::remove_cv_t<decltype(R::diff(std::declval<const T&>(), std::declval<T>()))>>::type;

}  // namespace detail

/// A reducer `R` for fields of type `T`: a type with two static functions.
///
/// - `diff(const T& base, T&& mine)` (or `const T& mine`) returns `std::optional<D>` or `Diff<D>`: what turns `base`
///   into `mine`. It may take `mine` apart, except where it answers `Diff<D>::replaced()`; without that answer, every
///   change must have a delta.
/// - `apply(T& value, D delta)` merges a delta into a value, which may be another than the one it was found against.
///
/// The law: `apply(base, diff(base, mine))` makes `base` equal to `mine`. The engine relies on it: where nobody
/// needs the delta it takes `mine` as it is. Deltas are applied in the order in which the nodes were declared.
///
/// Optional: `static constexpr bool exclusive = true` (two writers in one step are a conflict);
/// `template <class T> static D delta_from(X x)` (what else `Update::write` takes); `combine(D& first, D second)` (what
/// two writes of one update come to; without it the second is an error); `prepare_branch(T&) noexcept`
/// (called on the copy of the field that a node gets which runs beside others).
///
/// ```cpp
/// struct longest {
///   static Diff<std::string> diff(const std::string& base, const std::string& mine) {
///     if (mine == base) return Diff<std::string>::none();
///     if (mine.size() <= base.size()) return Diff<std::string>::replaced();  // no delta makes it shorter
///     return mine;
///   }
///   static void apply(std::string& value, std::string delta) {
///     if (delta.size() > value.size()) value = std::move(delta);
///   }
/// };
/// ```
template <class R, class T>
concept ReducerFor = requires(T& value, detail::found_delta<R, T> delta) { R::apply(value, std::move(delta)); };

/// Fails to compile, saying what is missing, if `R` is no reducer for fields of type `T`.
template <class R, class T>
constexpr bool check_reducer() {
  if constexpr (requires { R::template check<T>(); }) {
    R::template check<T>();
  } else {
    static_assert(ReducerFor<R, T>,
                  "agentflow: a reducer needs, for the type T of its field, "
                  "`static std::optional<Delta> diff(const T& base, const T& mine)` and "
                  "`static void apply(T& value, Delta delta)`");
  }
  return true;
}

namespace detail {

template <class R, class T, bool = ReducerFor<R, T>>
struct ReducerDelta {
  using type = found_delta<R, T>;
};
// So that a misfit ends in one sentence, not in what follows from it.
template <class R, class T>
struct ReducerDelta<R, T, false> {
  static_assert(check_reducer<R, T>());
  using type = T;
};

}  // namespace detail

/// The type of the delta of `R` for fields of type `T`: what `Update::write` takes.
template <class R, class T>
using reducer_delta_t = typename detail::ReducerDelta<R, T>::type;

/// Whether a field with this reducer has at most one writer per step.
template <class R>
inline constexpr bool reducer_exclusive_v = requires { requires bool(R::exclusive); };

}  // namespace agentflow
