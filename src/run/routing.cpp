// SPDX-License-Identifier: MIT
// Where a run goes after a step: static edges, joins, commands, routers.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "run/engine.hpp"
#include "run/run_core.hpp"

namespace agentflow::detail {

bool Engine::route() {
  if (from_start_) return route_from(spec_.start, first_);
  for (; route_task_ < count_; ++route_task_, route_index_ = 0) {
    Task& t = task(route_task_);
    if (t.state != Task::State::finished) continue;
    if (route_index_ == 0 && !t.io.targets.empty()) {
      take_targets(t);
      if (t.spec->options.edges() == edges::replaced) continue;
    }
    if (route_from(t.spec->out, t)) return true;
  }
  return false;
}

bool Engine::route_from(const Outgoing& out, Task& t) {
  if (route_index_ == 0) {
    if (out.targets.size() > 1 && next_.empty()) next_.reserve(out.targets.size());
    for (auto id : out.targets)
      if (id != end_node) trigger(id);
    for (const auto& slot : out.joins) {
      auto& progress = joined_[slot.join];
      if (std::exchange(progress.step[slot.source], steps_) == steps_ || progress.seen[slot.source]) continue;
      progress.seen[slot.source] = true;
      if (--progress.missing > 0) continue;
      progress.missing = progress.seen.size();
      progress.seen.assign(progress.missing, false);
      trigger(spec_.joins[slot.join].target);
    }
  }
  for (; route_index_ < out.routers.size(); ++route_index_) {
    const RouterSpec& r = out.routers[route_index_];
    if (r.router->is_async()) return true;
    Route answer;
    std::exception_ptr failure;
    try {
      const Entry entry(*this, t, Part::router);
      answer = r.router->call(state_.get(), t.context);
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) routing_failed(*t.node, "its router threw " + describe(failure), failure);
    take_route(r, std::move(answer), *t.node);
  }
  return false;
}

const RouterSpec& Engine::current_router() const {
  const Outgoing& out = from_start_ ? spec_.start : (route_task_ == 0 ? first_ : more_[route_task_ - 1]).spec->out;
  return out.routers[route_index_];
}

void Engine::take_targets(Task& t) {
  const auto& allowed = t.spec->options.destinations();
  for (const auto& target : t.io.targets) {
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), target.name()) == allowed.end())
      routing_failed(
          *t.node, fmt::format("its Command goes to '{}', which is not among its declared destinations", target.name()),
          nullptr);
    enqueue(target, *t.node);
  }
}

void Engine::take_route(const RouterSpec& router, Route route, const std::string& from) {
  if (route.empty()) routing_failed(from, "its router named no target: return END to end", nullptr);
  if (next_.empty()) next_.reserve(route.targets().size());
  for (const auto& target : route.targets()) {
    if (!router.has_map) {
      enqueue(target, from);
      continue;
    }
    if (target.is_send()) {
      if (std::none_of(router.map.begin(), router.map.end(),
                       [&](const auto& m) { return spec_.name_of(m.second) == target.name(); }))
        routing_failed(from, fmt::format("its router sends to '{}', which is not in its path map", target.name()),
                       nullptr);
      enqueue(target, from);
      continue;
    }
    const auto it =
        std::find_if(router.map.begin(), router.map.end(), [&](const auto& m) { return m.first == target.name(); });
    if (it == router.map.end()) {
      std::string keys;
      for (const auto& [key, id] : router.map) keys += (keys.empty() ? "" : ", ") + key;
      routing_failed(
          from,
          fmt::format("its router returned '{}', which is not in its path map; keys are: {}", target.name(), keys),
          nullptr);
    }
    if (it->second != end_node) trigger(it->second);
  }
}

void Engine::enqueue(const Target& target, const std::string& from) {
  const auto id = spec_.find(target.name());
  if (!id) {
    std::string names;
    for (const auto& n : spec_.nodes) names += (names.empty() ? "" : ", ") + n.name;
    routing_failed(from, fmt::format("'{}' is not a node; nodes are: {}", target.name(), names), nullptr);
  }
  if (*id == end_node) {
    if (target.is_send()) routing_failed(from, "a Send goes to END, which takes no input", nullptr);
    return;
  }
  if (!target.is_send()) {
    trigger(*id);
    return;
  }
  const NodeSpec& n = spec_.nodes[*id];
  if (n.node->input_type() != *target.type())
    routing_failed(from, fmt::format("a Send to '{}' carries another type than the node takes", n.name), nullptr);
  Planned task{*id, ++sends_, target.input()};
  if (n.options.defer())
    deferred_.push_back(std::move(task));
  else
    next_.push_back(std::move(task));
}

void Engine::trigger(NodeId id) {
  const NodeSpec& n = spec_.nodes[id];
  if (!n.takes_state)
    routing_failed(n.name, fmt::format("'{}' takes an input of its own: only a Send can start it", n.name), nullptr);
  if (!n.options.defer()) {
    next_.push_back(id);
  } else if (std::none_of(deferred_.begin(), deferred_.end(),
                          [id](const Planned& p) { return p.node == id && p.order == 0; })) {
    deferred_.push_back(Planned{id, 0, nullptr});
  }
}

void Engine::routing_failed(const std::string& from, const std::string& why, std::exception_ptr cause) {
  ErrorContext where;
  where.node(path_.empty() ? from : path_ + "/" + from)
      .step(steps_)
      .run_id(run_.info.run_id.to_string())
      .thread_id(run_.info.thread_id);
  routing_error e(errc::routing_failed, fmt::format("routing from '{}' failed: {}", from, why), where);
  if (!cause) throw e;
  try {
    std::rethrow_exception(cause);
  } catch (...) {
    std::throw_with_nested(std::move(e));
  }
}

}  // namespace agentflow::detail
