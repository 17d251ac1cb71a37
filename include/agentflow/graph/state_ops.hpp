// SPDX-License-Identifier: MIT
// A state without its type: what compiled code may do with a value it cannot name.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_codec.hpp>
#include <agentflow/state/agent_state.hpp>
#include <agentflow/state/update.hpp>

namespace agentflow {

/// The operations of one state type, as functions over untyped pointers. Null members mean "this type cannot".
struct StateOps {
  const std::type_info* type;
  void* (*create)();
  void* (*clone)(const void* state);
  void (*assign)(void* state, const void* from);
  void (*move_to)(void* state, void* from);
  void (*destroy)(void* state) noexcept;
  void (*prepare_branch)(void* state) noexcept;
  std::size_t update_size;  ///< Of an update in memory, and how it must be aligned.
  std::size_t update_alignment;
  void (*construct_update)(void* where);
  void (*clear_update)(void* update);
  void (*destruct_update)(void* update) noexcept;
  std::shared_ptr<const void> (*share_update)(const void* update);
  bool (*update_empty)(const void* update);
  void (*diff)(const void* base, void* mine, void* update);
  void (*apply)(void* state, void* update, MergeGuard* guard);
  void (*write_json)(JsonWriter& out, const void* state);
  void (*read_json)(const JsonReader& in, void* state);
  void (*write_update)(JsonWriter& out, const void* update);
  /// What the state changes against an empty one, for a thread that has a state already.
  void (*as_update)(void* state, void* update);
  // How checkpoints keep states and updates: null where a field or a delta has no JSON mapping.
  void (*save)(JsonWriter& out, const void* state);
  void (*load)(const JsonReader& in, void* state);
  void (*save_update)(JsonWriter& out, const void* update);
  void (*load_update)(const JsonReader& in, void* update);
  /// Appends what a fingerprint of the type is made of.
  void (*fingerprint)(std::string& out);
  /// What the state says of a field.
  field_rule (*rule_of)(std::string_view field);
  /// How many messages a conversation has.
  std::size_t (*message_count)(const void* state);
  /// Calls `sink(arg, message)` for each message that the update adds or replaces.
  void (*messages)(const void* update, void (*sink)(void* arg, const Message& message), void* arg);
};

/// Owns one update of a state of any type.
class UpdateBox {
 public:
  UpdateBox() = default;
  /// One without changes.
  explicit UpdateBox(const StateOps& ops)
      : ops_(&ops), value_(::operator new(ops.update_size, std::align_val_t(ops.update_alignment))) {
    try {
      ops.construct_update(value_);
    } catch (...) {
      free();
      throw;
    }
  }
  UpdateBox(UpdateBox&& o) noexcept : ops_(o.ops_), value_(std::exchange(o.value_, nullptr)) {}
  UpdateBox& operator=(UpdateBox&& o) noexcept {
    std::swap(ops_, o.ops_);
    std::swap(value_, o.value_);
    return *this;
  }
  ~UpdateBox() {
    if (value_ == nullptr) return;
    ops_->destruct_update(value_);
    free();
  }
  void* get() const noexcept { return value_; }
  explicit operator bool() const noexcept { return value_ != nullptr; }

 private:
  void free() noexcept { ::operator delete(value_, std::align_val_t(ops_->update_alignment)); }

  const StateOps* ops_ = nullptr;
  void* value_ = nullptr;
};

/// Owns one state of any type.
class StateBox {
 public:
  StateBox() = default;
  StateBox(const StateOps& ops, void* owned) noexcept : ops_(&ops), value_(owned) {}
  StateBox(StateBox&& o) noexcept : ops_(o.ops_), value_(std::exchange(o.value_, nullptr)) {}
  StateBox& operator=(StateBox&& o) noexcept {
    std::swap(ops_, o.ops_);
    std::swap(value_, o.value_);
    return *this;
  }
  ~StateBox() {
    if (value_ != nullptr) ops_->destroy(value_);
  }

  StateBox clone() const { return StateBox(*ops_, ops_->clone(value_)); }
  void* get() noexcept { return value_; }
  const void* get() const noexcept { return value_; }
  const StateOps& ops() const noexcept { return *ops_; }
  explicit operator bool() const noexcept { return value_ != nullptr; }

 private:
  const StateOps* ops_ = nullptr;
  void* value_ = nullptr;
};

namespace detail {

template <class S>
struct StateOpsFor {
  using M = StateModel<S>;
  using U = typename M::update_type;
  static S& state(void* p) { return *static_cast<S*>(p); }
  static const S& state(const void* p) { return *static_cast<const S*>(p); }
  static U& update(void* p) { return *static_cast<U*>(p); }
  static const U& update(const void* p) { return *static_cast<const U*>(p); }

  static constexpr StateOps make() {
    StateOps o{};
    o.type = &typeid(S);
    o.create = []() -> void* { return new S(); };
    o.clone = [](const void* s) -> void* { return new S(state(s)); };
    o.assign = [](void* s, const void* from) { state(s) = S(state(from)); };
    o.move_to = [](void* s, void* from) { state(s) = std::move(state(from)); };
    o.destroy = [](void* s) noexcept { delete static_cast<S*>(s); };
    o.prepare_branch = [](void* s) noexcept { M::prepare_branch(state(s)); };
    o.update_size = sizeof(U);
    o.update_alignment = alignof(U);
    o.construct_update = [](void* where) { ::new (where) U(); };
    o.clear_update = [](void* u) { update(u) = U(); };
    o.destruct_update = [](void* u) noexcept { static_cast<U*>(u)->~U(); };
    o.share_update = [](const void* u) -> std::shared_ptr<const void> { return std::make_shared<const U>(update(u)); };
    o.update_empty = [](const void* u) { return update(u).empty(); };
    o.diff = [](const void* base, void* mine, void* u) { M::diff(state(base), state(mine), update(u)); };
    o.rule_of = [](std::string_view name) { return M::rule_of(name); };
    o.apply = [](void* s, void* u, MergeGuard* guard) { M::apply(state(s), update(u), guard); };
    o.as_update = [](void* s, void* u) { M::as_update(state(s), update(u)); };
    o.fingerprint = [](std::string& out) { M::fingerprint(out); };
    if constexpr (M::durable) {
      if constexpr (requires(JsonWriter& out, const S& s) { M::save(out, s); }) {
        o.save = [](JsonWriter& out, const void* s) { M::save(out, state(s)); };
        o.load = [](const JsonReader& in, void* s) { M::load(in, state(s)); };
      } else {
        o.save = [](JsonWriter& out, const void* s) { agentflow::write_json(out, state(s)); };
        o.load = [](const JsonReader& in, void* s) { agentflow::read_json(in, state(s)); };
      }
      o.save_update = [](JsonWriter& out, const void* u) { M::save_update(out, update(u)); };
      o.load_update = [](const JsonReader& in, void* u) { M::load_update(in, update(u)); };
    }
    if constexpr (M::json_writable) {
      o.write_json = [](JsonWriter& out, const void* s) { agentflow::write_json(out, state(s)); };
      o.write_update = [](JsonWriter& out, const void* u) { M::write_update(out, update(u)); };
    }
    if constexpr (M::json_readable)
      o.read_json = [](const JsonReader& in, void* s) { agentflow::read_json(in, state(s)); };
    if constexpr (Conversation<S>) o.message_count = [](const void* s) { return state(s).messages.size(); };
    if constexpr (Conversation<S>)
      o.messages = [](const void* u, void (*sink)(void*, const Message&), void* arg) {
        const U& up = update(u);
        if (const auto* added = up.template delta<&S::messages>())
          for (const Message& m : *added) sink(arg, m);
        if (const auto* all = up.template replacement<&S::messages>())
          for (const Message& m : *all) sink(arg, m);
      };
    return o;
  }
  static constexpr StateOps ops = make();
};

}  // namespace detail

/// The operations of a state type.
template <class S>
const StateOps& state_ops() {
  return detail::StateOpsFor<S>::ops;
}
/// Those of the default state are compiled into the library.
template <>
AGENTFLOW_API const StateOps& state_ops<AgentState>();

}  // namespace agentflow
