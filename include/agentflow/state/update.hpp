// SPDX-License-Identifier: MIT
// Update<State>: the changes a node makes, field by field, and how they are taken from and put into a state.
#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/state/describe.hpp>
#include <agentflow/state/merge_guard.hpp>

namespace agentflow {

/// A value that replaces a field past its reducer: `update.write<&S::findings>(Overwrite{list})`.
template <class T>
class Overwrite {
 public:
  explicit Overwrite(T v) : value(std::move(v)) {}
  T value;
};

namespace detail {

/// What an update does to one field: nothing, a delta for its reducer, or a new value.
template <class F>
struct FieldChange {
  using value_type = typename F::value_type;
  using delta_type = reducer_delta_t<typename F::reducer, value_type>;
  std::optional<delta_type> delta;
  std::optional<value_type> replaced;
  bool empty() const noexcept { return !delta && !replaced; }

  /// Adds a delta to what is there: to the new value, or to the delta of an earlier write.
  template <class Reducer>
  void add(delta_type later) {
    if (replaced) {
      Reducer::apply(*replaced, std::move(later));
    } else if (!delta) {
      delta = std::move(later);
    } else if constexpr (requires { Reducer::combine(*delta, std::move(later)); }) {
      Reducer::combine(*delta, std::move(later));
    } else {
      throw state_error(errc::reducer_failed,
                        "an update writes a field twice, and its reducer cannot make one delta of two: give it a "
                        "`static void combine(Delta& first, Delta second)`, or write the field once");
    }
  }
};

/// What to write in AGENTFLOW_STATE for a field with one writer that turned out to have several.
template <class F>
constexpr std::string_view suggested_reducer() {
  using T = typename F::value_type;
  if constexpr (!reducer_exclusive_v<typename F::reducer>) return "";
  if constexpr (ReducerFor<add_messages, T>) return "af::add_messages";
  if constexpr (ReducerFor<append, T>) return "af::append";
  if constexpr (ReducerFor<sum, T>) return "af::sum";
  if constexpr (ReducerFor<set_union, T>) return "af::set_union";
  if constexpr (ReducerFor<merge_map, T>) return "af::merge_map";
  if constexpr (ReducerFor<max, T>) return "af::max";
  return "one of your own";
}

template <class Tuple>
struct ChangesOf;
template <class... F>
struct ChangesOf<std::tuple<F...>> {
  using type = std::tuple<FieldChange<F>...>;
};

template <class S>
using field_tuple = std::remove_const_t<decltype(fields_of<S>)>;

template <class S, auto Member>
consteval std::size_t field_index() {
  std::size_t found = field_count<S>;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto check = [&]<std::size_t J>() {
      using F = std::tuple_element_t<J, field_tuple<S>>;
      if constexpr (std::is_same_v<std::remove_const_t<decltype(F::member)>, std::remove_const_t<decltype(Member)>>)
        if (F::member == Member) found = J;
    };
    (check.template operator()<I>(), ...);
  }(std::make_index_sequence<field_count<S>>{});
  return found;
}

template <class S>
consteval bool described_durable() {
  if constexpr (described_writable<S>() && described_readable<S>())
    return []<class... F>(const std::tuple<F...>*) {
      return ((JsonWritable<typename FieldChange<F>::delta_type> && JsonReadable<typename FieldChange<F>::delta_type> &&
               std::default_initializable<typename FieldChange<F>::delta_type> &&
               std::default_initializable<typename F::value_type>) &&
              ...);
    }(static_cast<const field_tuple<S>*>(nullptr));
  else
    return false;
}

}  // namespace detail

/// The changes a node makes to a state, field by field: cheaper than returning the whole state, and explicit.
///
/// `write` goes through the field's reducer (an appended element, an amount to add); `overwrite` replaces the value
/// past the reducer. An update is a plain value: it can be built anywhere and returned, or put into a `Command`.
///
/// ```cpp
/// af::Update<Research> count(const Research& s) {
///   return af::Update<Research>().write<&Research::calls>(1).write<&Research::findings>("found " + s.topic);
/// }
/// ```
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe.
template <class S>
class AGENTFLOW_VISIBLE Update {
  static_assert(Described<S>,
                "agentflow: this state is not described: write AGENTFLOW_STATE(YourState, field, (field, reducer)) "
                "after the struct, at namespace scope");

 public:
  Update() = default;

  /// Writes through the reducer of the field. Takes the reducer's delta, anything the reducer makes one from (one
  /// element for `append`), or an `Overwrite`. A second write to the same field is added to the first, as if another
  /// node had made it: elements are appended after, amounts added up, and a `last_value` takes the later one.
  ///
  /// **Errors** `state_error` (`errc::reducer_failed`) on a second write to a field whose reducer has no `combine`.
  template <auto Member, class V>
  Update& write(V&& value) & {
    auto& change = change_of<Member>();
    using Change = std::remove_reference_t<decltype(change)>;
    using Reducer = typename std::tuple_element_t<detail::field_index<S, Member>(), detail::field_tuple<S>>::reducer;
    using V0 = std::remove_cvref_t<V>;
    if constexpr (std::same_as<V0, Overwrite<typename Change::value_type>>) {
      return overwrite<Member>(std::forward<V>(value).value);
    } else {
      if constexpr (std::convertible_to<V&&, typename Change::delta_type>) {
        change.template add<Reducer>(std::forward<V>(value));
      } else {
        static_assert(
            requires { Reducer::template delta_from<typename Change::value_type>(std::forward<V>(value)); },
            "agentflow: the reducer of this field cannot take a value of this type");
        change.template add<Reducer>(Reducer::template delta_from<typename Change::value_type>(std::forward<V>(value)));
      }
      return *this;
    }
  }
  template <auto Member, class V>
  Update&& write(V&& value) && {
    write<Member>(std::forward<V>(value));
    return std::move(*this);
  }

  /// Replaces the value of the field, past its reducer. Another writer of the field in the same step is a conflict.
  template <auto Member>
  Update& overwrite(typename detail::MemberPointer<decltype(Member)>::value_type value) & {
    auto& change = change_of<Member>();
    change.delta.reset();
    change.replaced = std::move(value);
    return *this;
  }
  template <auto Member>
  Update&& overwrite(typename detail::MemberPointer<decltype(Member)>::value_type value) && {
    overwrite<Member>(std::move(value));
    return std::move(*this);
  }

  /// Whether nothing is changed.
  bool empty() const noexcept {
    return std::apply([](const auto&... c) { return (c.empty() && ...); }, changes_);
  }
  /// Whether this field is changed.
  template <auto Member>
  bool changes() const noexcept {
    return !std::get<index_of<Member>()>(changes_).empty();
  }
  /// The delta written to a field, or null.
  template <auto Member>
  const auto* delta() const noexcept {
    const auto& c = std::get<index_of<Member>()>(changes_);
    return c.delta ? &*c.delta : nullptr;
  }
  /// The value that replaces a field, or null.
  template <auto Member>
  const auto* replacement() const noexcept {
    const auto& c = std::get<index_of<Member>()>(changes_);
    return c.replaced ? &*c.replaced : nullptr;
  }

  /// The changes by field position; for the library.
  auto& raw() noexcept { return changes_; }
  const auto& raw() const noexcept { return changes_; }

 private:
  template <auto Member>
  static consteval std::size_t index_of() {
    constexpr std::size_t i = detail::field_index<S, Member>();
    static_assert(i < detail::field_count<S>,
                  "agentflow: this member is not listed in the AGENTFLOW_STATE of its state");
    return i;
  }
  template <auto Member>
  auto& change_of() {
    return std::get<index_of<Member>()>(changes_);
  }

  typename detail::ChangesOf<detail::field_tuple<S>>::type changes_;
};

/// What a state says of a field: not there, several writers per step, or one.
enum class field_rule { unknown, shared, exclusive };

/// How the engine handles a state type: what a node changed, how changes are merged, JSON. The primary template
/// serves every struct with AGENTFLOW_STATE; `JsonState` specialises it.
template <class S>
struct AGENTFLOW_VISIBLE StateModel {
  static_assert(Described<S>,
                "agentflow: this state is not described: write AGENTFLOW_STATE(YourState, field, (field, reducer)) "
                "after the struct, at namespace scope");
  static_assert(std::is_default_constructible_v<S>, "agentflow: a state must be default-constructible");
  static_assert(std::is_copy_constructible_v<S> && std::is_move_assignable_v<S>,
                "agentflow: a state must be copyable: every node of a step starts from its own copy");

  using update_type = Update<S>;

  /// Readies a copy for a node that runs beside others: its appends must not take the main line's place.
  static void prepare_branch(S& state) noexcept {
    detail::for_each_field<S>([&]<class F>(const F& f) {
      if constexpr (requires { F::reducer::prepare_branch(state.*(f.member)); })
        F::reducer::prepare_branch(state.*(f.member));
    });
  }

  /// Finds what `mine` changed against `base`. `mine` is left valid but unspecified.
  static void diff(const S& base, S& mine, update_type& out) {
    diff_fields(base, mine, out, std::make_index_sequence<detail::field_count<S>>{});
  }

  /// Merges an update into a state; `guard` may be null. The update is consumed.
  static void apply(S& state, update_type& update, MergeGuard* guard) {
    apply_fields(state, update, guard, std::make_index_sequence<detail::field_count<S>>{});
  }

  static field_rule rule_of(std::string_view name) noexcept {
    field_rule rule = field_rule::unknown;
    detail::for_each_field<S>([&]<class F>(const F& f) {
      if (f.name == name) rule = reducer_exclusive_v<typename F::reducer> ? field_rule::exclusive : field_rule::shared;
    });
    return rule;
  }

  static constexpr bool json_writable = detail::described_writable<S>();
  /// Whether states and updates can be stored and read again: every field and every delta has a JSON mapping.
  static constexpr bool durable = detail::described_durable<S>();
  static constexpr bool json_readable = detail::described_readable<S>();

  /// Writes what the update changes: `{"field": delta}`, and `{"field": {"overwrite": value}}` past the reducer.
  static void write_update(JsonWriter& out, const update_type& update)
    requires(json_writable)
  {
    out.begin_object();
    write_fields(out, update, std::make_index_sequence<detail::field_count<S>>{});
    out.end_object();
  }

  /// Finds what a state changes against one that is empty: how an input meets a state that is there already.
  static void as_update(S& state, update_type& out) {
    const S empty{};
    diff(empty, state, out);
  }

  /// Writes and reads an update as checkpoints keep it: `{"field": delta}`, and `{"=field": value}` past the reducer.
  ///
  /// **Errors** `json_error` with the path; reading is strict, a name that is no field is one.
  static void save_update(JsonWriter& out, const update_type& update)
    requires(durable)
  {
    out.begin_object();
    save_fields(out, update, std::make_index_sequence<detail::field_count<S>>{});
    out.end_object();
  }
  static void load_update(const JsonReader& in, update_type& update)
    requires(durable)
  {
    in.for_each_member([&](std::string_view key, const JsonReader& member) {
      load_field(key, member, update, std::make_index_sequence<detail::field_count<S>>{});
    });
  }

  /// Names the fields and their reducers, for the fingerprint of a graph.
  static void fingerprint(std::string& out) {
    detail::for_each_field<S>([&]<class F>(const F& f) {
      out.append(f.name).append(1, ' ').append(typeid(typename F::reducer).name()).append(1, '\n');
    });
  }

 private:
  template <std::size_t... I>
  static void diff_fields(const S& base, S& mine, update_type& out, std::index_sequence<I...>) {
    (diff_one<I>(base, mine, out), ...);
  }
  template <std::size_t I>
  static void diff_one(const S& base, S& mine, update_type& out) {
    using F = std::tuple_element_t<I, detail::field_tuple<S>>;
    using T = typename F::value_type;
    static_assert(check_reducer<typename F::reducer, T>());
    auto& change = std::get<I>(out.raw());
    Diff<typename detail::FieldChange<F>::delta_type> d(
        F::reducer::diff(base.*(F::member), std::move(mine.*(F::member))));
    if (d.is_replaced())
      change.replaced = std::move(mine.*(F::member));
    else if (d.is_delta())
      change.delta = std::move(d).delta();
  }
  template <std::size_t... I>
  static void apply_fields(S& state, update_type& update, MergeGuard* guard, std::index_sequence<I...>) {
    (apply_one<I>(state, std::get<I>(update.raw()), guard), ...);
  }
  template <std::size_t I, class Change>
  static void apply_one(S& state, Change& change, MergeGuard* guard) {
    using F = std::tuple_element_t<I, detail::field_tuple<S>>;
    if (change.empty()) return;
    if (guard != nullptr)
      guard->claim(std::get<I>(detail::fields_of<S>).name,
                   change.replaced.has_value() || reducer_exclusive_v<typename F::reducer>,
                   detail::suggested_reducer<F>());
    if (change.replaced)
      state.*(F::member) = std::move(*change.replaced);
    else
      F::reducer::apply(state.*(F::member), std::move(*change.delta));
  }
  template <std::size_t... I>
  static void write_fields(JsonWriter& out, const update_type& update, std::index_sequence<I...>) {
    auto one = [&](std::string_view name, const auto& change) {
      if (change.empty()) return;
      out.key(name);
      if (change.delta) {
        if constexpr (JsonWritable<std::remove_cvref_t<decltype(*change.delta)>>)
          write_json(out, *change.delta);
        else
          out.null();
        return;
      }
      out.begin_object();
      out.key("overwrite");
      write_json(out, *change.replaced);
      out.end_object();
    };
    (one(std::get<I>(detail::fields_of<S>).name, std::get<I>(update.raw())), ...);
  }
  template <std::size_t... I>
  static void save_fields(JsonWriter& out, const update_type& update, std::index_sequence<I...>) {
    auto one = [&](std::string_view name, const auto& change) {
      if (change.delta) {
        out.key(name);
        write_json(out, *change.delta);
      } else if (change.replaced) {
        out.key("=" + std::string(name));
        write_json(out, *change.replaced);
      }
    };
    (one(std::get<I>(detail::fields_of<S>).name, std::get<I>(update.raw())), ...);
  }
  template <std::size_t... I>
  static void load_field(std::string_view key, const JsonReader& in, update_type& update, std::index_sequence<I...>) {
    const bool replaced = key.starts_with('=');
    auto one = [&](std::string_view name, auto& change) {
      if (name != key.substr(replaced)) return false;
      if (replaced)
        read_json(in, change.replaced.emplace());
      else
        read_json(in, change.delta.emplace());
      return true;
    };
    if (!(one(std::get<I>(detail::fields_of<S>).name, std::get<I>(update.raw())) || ...))
      in.fail(errc::json_unknown, "'" + std::string(key) + "' is not a field of the state");
  }
};

}  // namespace agentflow
