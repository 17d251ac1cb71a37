// SPDX-License-Identifier: MIT
// Where a run goes next: Send (a node with an input of its own), Route (what a router returns), Command.
#pragma once

#include <concepts>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/state/update.hpp>

namespace agentflow {

/// The name of the place where every run begins: a source of edges only. The literal "START" means the same.
inline constexpr char START[] = "START";
/// The name of the place where a path of a run ends: a target only. The literal "END" means the same.
inline constexpr char END[] = "END";

/// Starts a node with an input of its own instead of the shared state: the unit of map-reduce. The input is either a
/// state of the graph's type or, for a node that declares another parameter type, a value of that type. Sends of one
/// step to the same node run as separate tasks, merged in the order of the Sends.
///
/// **Lifetime** The input is moved in and shared, unchanged, by every attempt of the task.
class Send {
 public:
  template <class T>
  Send(std::string node, T input)
      : node_(std::move(node)), input_(std::make_shared<const T>(std::move(input))), type_(&typeid(T)) {}
  /// Text is sent as a `std::string`: what a literal points to need not be there any more when the node runs.
  Send(std::string node, const char* text) : Send(std::move(node), std::string(text)) {}
  Send(std::string node, std::string_view text) : Send(std::move(node), std::string(text)) {}

  const std::string& node() const noexcept { return node_; }
  const std::shared_ptr<const void>& input() const noexcept { return input_; }
  const std::type_info& type() const noexcept { return *type_; }

 private:
  std::string node_;
  std::shared_ptr<const void> input_;
  const std::type_info* type_;
};
static_assert(!std::is_aggregate_v<Send>);

/// One place to go to: a node (or END) by name, or a `Send`.
class Target {
 public:
  Target(std::string name) : name_(std::move(name)) {}
  Target(Send send) : name_(send.node()), input_(send.input()), type_(&send.type()) {}

  /// A Send whose input was read from a checkpoint.
  Target(std::string name, std::shared_ptr<const void> input, const std::type_info& type)
      : name_(std::move(name)), input_(std::move(input)), type_(&type) {}

  const std::string& name() const noexcept { return name_; }
  bool is_send() const noexcept { return type_ != nullptr; }
  const std::shared_ptr<const void>& input() const noexcept { return input_; }
  const std::type_info* type() const noexcept { return type_; }

 private:
  std::string name_;
  std::shared_ptr<const void> input_;
  const std::type_info* type_ = nullptr;
};

namespace detail {
/// What a range holds: what std::ranges::range_value_t says, without <ranges>, which takes long to compile.
template <class R>
using element_t = std::remove_cvref_t<decltype(*std::ranges::begin(std::declval<R&>()))>;
}  // namespace detail

/// What a router returns: a name, several names, Sends, `END`, or a mixture; a bool is the name "true" or "false".
/// Converts from all of these, so routers return whichever reads best. An empty route is an error when it is used:
/// say `END` to end.
class Route {
 public:
  Route() = default;
  Route(const char* name) { add(std::string(name)); }
  Route(std::string_view name) { add(std::string(name)); }
  Route(std::string name) { add(std::move(name)); }
  Route(std::initializer_list<std::string_view> names) {
    for (auto n : names) add(std::string(n));
  }
  Route(Send send) { add(std::move(send)); }
  template <std::same_as<bool> B>
  Route(B choice) {
    add(std::string(choice ? "true" : "false"));
  }
  template <class R>
    requires(!std::convertible_to<R, std::string_view> && !std::same_as<std::remove_cvref_t<R>, Route> &&
             (std::convertible_to<detail::element_t<R>, std::string_view> || std::same_as<detail::element_t<R>, Send>))
  Route(R&& targets) {
    for (auto&& t : targets) {
      if constexpr (std::same_as<detail::element_t<R>, Send>)
        add(Target(t));
      else
        add(std::string(std::string_view(t)));
    }
  }

  Route& add(std::string name) & { return add(Target(std::move(name))); }
  Route& add(Send send) & { return add(Target(std::move(send))); }
  Route& add(Target target) & {
    targets_.push_back(std::move(target));
    return *this;
  }

  const std::vector<Target>& targets() const& noexcept { return targets_; }
  std::vector<Target>&& targets() && noexcept { return std::move(targets_); }
  bool empty() const noexcept { return targets_.empty(); }

 private:
  std::vector<Target> targets_;
};
static_assert(!std::is_aggregate_v<Route>);

template <class S>
struct StateModel;

/// An update and where to go next, in one return value. The targets replace the static edges and routers of the node
/// for this step, unless the node was added with `NodeOptions().edges(edges::both)`. A command without targets leaves
/// the edges alone.
template <class S>
class Command {
 public:
  using update_type = typename StateModel<S>::update_type;

  Command() = default;

  Command& update(update_type u) & {
    update_ = std::move(u);
    return *this;
  }
  Command&& update(update_type u) && { return std::move(update(std::move(u))); }
  /// Goes to a node or END by name; call again for several.
  Command& go_to(std::string name) & {
    route_.add(std::move(name));
    return *this;
  }
  Command&& go_to(std::string name) && { return std::move(go_to(std::move(name))); }
  Command& go_to(std::string_view name) & { return go_to(std::string(name)); }
  Command&& go_to(std::string_view name) && { return std::move(go_to(std::string(name))); }
  Command& go_to(const char* name) & { return go_to(std::string(name)); }
  Command&& go_to(const char* name) && { return std::move(go_to(std::string(name))); }
  /// Starts a node with an input of its own.
  Command& send(Send s) & {
    route_.add(std::move(s));
    return *this;
  }
  Command&& send(Send s) && { return std::move(send(std::move(s))); }

  update_type& changes() noexcept { return update_; }
  Route& route() noexcept { return route_; }

 private:
  update_type update_;
  Route route_;
};

}  // namespace agentflow
