// SPDX-License-Identifier: MIT
// add_messages: the reducer of a conversation, which appends, replaces and removes by id.
#pragma once

#include <concepts>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/state/list.hpp>
#include <agentflow/state/reducer.hpp>

namespace agentflow {

/// What `add_messages` needs of an element: an id (may be empty), a cheap `==`, and markers for removal.
template <class M>
concept MessageLike = detail::HasId<M> && std::equality_comparable<M> && requires(const M& m, std::string id) {
  { m.is_removal() } -> std::convertible_to<bool>;
  { M::remove(std::move(id)) } -> std::convertible_to<M>;
};

namespace detail {

/// What a delta does to elements that are there: by position, the element of the delta that replaces it, or nothing.
class Edits {
 public:
  static constexpr std::size_t removed = static_cast<std::size_t>(-1);
  struct Edit {
    std::size_t position, by;
  };

  bool empty() const noexcept { return edits_.empty(); }
  auto begin() const noexcept { return edits_.begin(); }
  auto end() const noexcept { return edits_.end(); }
  bool removes(std::size_t position) const noexcept {
    const std::size_t i = find(position);
    return i < edits_.size() && edits_[i].position == position && edits_[i].by == removed;
  }
  void set(std::size_t position, std::size_t by) {
    const std::size_t i = find(position);
    if (i < edits_.size() && edits_[i].position == position)
      edits_[i].by = by;
    else
      edits_.insert(edits_.begin() + static_cast<std::ptrdiff_t>(i), Edit{position, by});
  }

 private:
  /// The first edit at or after a position. Deltas mostly come in the order of the list, so the end is tried first.
  std::size_t find(std::size_t position) const noexcept {
    std::size_t low = 0, high = edits_.size();
    if (high > 0 && edits_[high - 1].position < position) return high;
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (edits_[middle].position < position)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }

  std::vector<Edit> edits_;  // sorted by position
};

}  // namespace detail

/// Several nodes add messages to a conversation, a `List` of elements with an id. An element whose id stands in the
/// list takes the place of the one there; a removal marker (`M::remove(id)`) removes it; everything else is appended,
/// elements without an id always. If an id stands several times in the list, the last one is meant.
///
/// The list that a node returns is taken literally: the field then is that list, whether its changes were found as a
/// delta or taken as a whole. Appended, changed (same id, same place) and removed elements become a delta, so they
/// merge with those of other nodes. What a delta would turn into something else replaces the field: a change of order,
/// a changed or dropped element without an id, and, at the end, a removal marker or an id that stood there already. So
/// to replace or remove a message, use `List::replace`, return the message itself, or write an `Update`.
///
/// **Errors** `apply`: `state_error` with `errc::reducer_failed` if a marker names an id that is not there. Whatever
/// is thrown, the list is as before.
/// **Complexity/blocking** Appending: diff and apply cost what was appended. Replacing and removing: besides, one
/// copy of the elements from the first changed one on, however many change.
struct AGENTFLOW_VISIBLE add_messages{
    template <MessageLike M> static Diff<std::vector<M>> diff(const List<M>& base, List<M>&& mine){std::vector<M> delta;
std::size_t i = mine.common_prefix(base), j = i;
if (i == base.size()) {
  if (!all_new(base, mine, j)) return Diff<std::vector<M>>::replaced();
  if (mine.size() == j) return Diff<std::vector<M>>::none();
  return std::move(mine).take_from(j);
}
for (; i < base.size(); ++i) {
  const M& old = base[i];
  if (j < mine.size() && mine[j] == old) {
    ++j;
    continue;
  }
  const auto& id = old.id();
  if (base.find_id(id) != i) return Diff<std::vector<M>>::replaced();  // no id, or another element has it too
  if (j < mine.size() && std::string_view(mine[j].id()) == std::string_view(id)) {
    if (mine[j].is_removal()) return Diff<std::vector<M>>::replaced();
    delta.push_back(mine[j++]);
  } else {
    delta.push_back(M::remove(std::string(std::string_view(id))));
  }
}
if (!all_new(base, mine, j)) return Diff<std::vector<M>>::replaced();
for (; j < mine.size(); ++j) delta.push_back(mine[j]);
return delta;
}  // namespace agentflow

template <MessageLike M>
static void apply(List<M>& value, std::vector<M> delta) {
  const std::size_t before = value.size();
  try {
    detail::Edits edits;
    for (std::size_t k = 0; k < delta.size(); ++k) {
      auto at = value.find_id(delta[k].id());
      if (at && edits.removes(*at)) at.reset();
      if (delta[k].is_removal()) {
        if (!at) throw_unknown(std::string_view(delta[k].id()));
        edits.set(*at, detail::Edits::removed);
      } else if (at) {
        edits.set(*at, k);
      } else {
        value.push_back(std::move(delta[k]));
      }
    }
    if (!edits.empty()) value = edited(value, edits, delta);
  } catch (...) {
    value.truncate(before);
    throw;
  }
}

/// `apply` takes the elements of a delta in turn.
template <class M>
static void combine(std::vector<M>& first, std::vector<M> second) {
  first.insert(first.end(), std::move_iterator(second.begin()), std::move_iterator(second.end()));
}
/// One message.
template <class T>
static std::vector<typename T::value_type> delta_from(typename T::value_type message) {
  std::vector<typename T::value_type> delta;
  delta.push_back(std::move(message));
  return delta;
}
/// Several messages.
template <class T>
static std::vector<typename T::value_type> delta_from(List<typename T::value_type> messages) {
  return std::move(messages).take_from(0);
}
template <class M>
static void prepare_branch(List<M>& value) noexcept {
  value.detach_tip();
}

template <class T>
static constexpr void check() {
  static_assert(ReducerFor<add_messages, T>,
                "agentflow: an add_messages field must be an agentflow::List of elements with id(), is_removal(), "
                "a static remove(id) and operator==, such as agentflow::Message");
}

private:
/// Whether `apply` would append, and not do something else with, the elements of `mine` from `first` on.
template <class M>
static bool all_new(const List<M>& base, const List<M>& mine, std::size_t first) {
  for (std::size_t j = first; j < mine.size(); ++j) {
    const auto& id = mine[j].id();
    if (mine[j].is_removal()) return false;
    if (std::string_view(id).empty()) continue;
    if (mine.find_id(id) != j || base.find_id(id)) return false;
  }
  return true;
}

template <class M>
static List<M> edited(const List<M>& value, const detail::Edits& edits, const std::vector<M>& delta) {
  List<M> result = value;
  std::size_t next = edits.begin()->position;
  result.truncate(next);
  for (const auto& edit : edits) {
    for (; next < edit.position; ++next) result.push_back(value[next]);
    if (edit.by != detail::Edits::removed) result.push_back(delta[edit.by]);
    ++next;
  }
  for (; next < value.size(); ++next) result.push_back(value[next]);
  return result;
}

[[noreturn]] static void throw_unknown(std::string_view id) {
  throw state_error(errc::reducer_failed,
                    "add_messages: no message with the id '" + std::string(id) + "' is there to remove");
}
}
;

}  // namespace agentflow
