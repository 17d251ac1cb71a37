// SPDX-License-Identifier: MIT
// The super-step machine: plan, run, merge, route.
#include "run/engine.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "run/journal.hpp"
#include "run/run_core.hpp"

namespace agentflow::detail {
namespace {

constexpr int max_depth = 16;
/// A run of steps that never suspend gives way after this many.
constexpr std::uint32_t yield_after = 128;
const std::string start_name(START);

}  // namespace

Engine::Engine(RunCore& run, const GraphSpec& spec, std::string path, int depth, Task* parent_task)
    : run_(run), spec_(spec), path_(std::move(path)), depth_(depth), parent_task_(parent_task) {
  if (depth_ > max_depth)
    throw config_error(errc::bad_config, fmt::format("subgraphs are nested deeper than {}", max_depth));
}

void Engine::begin(StateBox state) {
  state_ = std::move(state);
  watched_ = run_.channel() != nullptr;
  debug_ = run_.debug() != nullptr;
  from_start_ = true;
  phase_ = Phase::route;
  route_index_ = 0;
  joined_.clear();
  if (!spec_.joins.empty()) {
    joined_.resize(spec_.joins.size());
    for (std::size_t j = 0; j < joined_.size(); ++j) {
      joined_[j].missing = spec_.joins[j].sources.size();
      joined_[j].seen.assign(joined_[j].missing, false);
      joined_[j].step.assign(joined_[j].missing, 0);
    }
  }
  own(first_);
  first_.node = &start_name;
}

Engine::Need Engine::advance() {
  for (;;) {
    switch (phase_) {
      case Phase::plan:
        if (!plan()) {
          phase_ = Phase::done;
          break;
        }
        if (watched_) publish_step(chunk_kind::step_start);
        if (!inline_) {
          phase_ = Phase::running;
          if (track_ != nullptr && waits_for_none()) break;  // a resume had the results
          return count_ == 1 && first_.spec->plain ? Need::one : Need::many;
        }
        for (std::size_t i = 0; i < count_ && (i == 0 || !run_.info.stop_requested.load(std::memory_order_relaxed));
             ++i)
          if (task(i).state == Task::State::waiting) run_inline(task(i));
        phase_ = Phase::merge;
        break;
      case Phase::running: phase_ = Phase::merge; break;
      case Phase::merge:
        if (track_ != nullptr && !complete()) {
          pause();
          break;
        }
        merge();
        route_task_ = route_index_ = 0;
        phase_ = Phase::route;
        break;
      case Phase::route:
        if (route()) return Need::route;
        if (track_ != nullptr) {
          phase_ = Phase::settle;
          return Need::commit;
        }
        [[fallthrough]];
      case Phase::settle:
        phase_ = status_ == run_status::completed && !pretending_ ? Phase::plan : Phase::done;
        if (std::exchange(from_start_, false)) break;
        if (watched_) publish_step(chunk_kind::step_end);
        if (!run_.driven()) break;
        if (auto* c = run_.channel(); c != nullptr && c->full() && !cancelled()) return Need::room;
        if (++since_yield_ >= yield_after) {
          since_yield_ = 0;
          return Need::yield;
        }
        break;
      case Phase::done: return Need::nothing;
    }
  }
}

bool Engine::cancelled() const noexcept {
  if (run_.cancel_requested()) return true;
  for (const Engine* e = this; e->parent_task_ != nullptr; e = e->parent())
    if (e->parent_task_->cancel_requested.load(std::memory_order_relaxed) || e->parent_task_->timed_out) return true;
  return false;
}

bool Engine::plan() {
  if (cancelled()) throw cancelled_error(errc::cancelled, "the run was cancelled");
  if (next_.empty() && !deferred_.empty()) {
    for (auto& p : deferred_) next_.push_back(std::move(p));
    deferred_.clear();
  }
  if ((cut_ || !next_.empty()) && run_.info.stop_requested.load(std::memory_order_relaxed)) {
    status_ = run_.stop_status();
    return false;
  }
  if (next_.empty()) {
    check_joins();
    return false;
  }
  check_limits();
  ++steps_;
  next_.put_in_order();
  sends_ = 0;
  make_tasks();
  choose_mode();
  if (!in_place_ && updates_.size() < count_) updates_ = UpdateBlock(*spec_.ops, more_capacity_ + 1);
  for (std::size_t i = 0; i < count_; ++i) prepare(task(i));
  if (track_ != nullptr && (!track_->writes.empty() || journal().has_questions()))
    for (std::size_t i = 0; i < count_; ++i) recall(task(i));
  next_.clear();
  step_open_ = true;
  return true;
}

void Engine::check_limits() {
  if (steps_ - first_step_ >= run_.config().recursion_limit())
    throw recursion_error(run_.config().recursion_limit(), ErrorContext()
                                                               .node(std::string(spec_.name_of(next_[0].node)))
                                                               .step(steps_)
                                                               .run_id(run_.info.run_id.to_string())
                                                               .thread_id(run_.info.thread_id));
  if (run_.deadline() && run_.info.clock->now() >= *run_.deadline()) run_.throw_timeout();
}

void Engine::check_joins() const {
  for (std::size_t j = 0; j < joined_.size(); ++j) {
    const auto& seen = joined_[j].seen;
    if (joined_[j].missing == seen.size()) continue;
    std::string waiting;
    for (std::size_t s = 0; s < seen.size(); ++s)
      if (!seen[s])
        waiting += fmt::format("{}'{}'", waiting.empty() ? "" : ", ", spec_.nodes[spec_.joins[j].sources[s]].name);
    const auto& target = spec_.nodes[spec_.joins[j].target].name;
    throw routing_error(
        errc::routing_failed,
        fmt::format("nothing is left to run, but the join to '{}' still waits for {}, which routing left out: "
                    "use plain edges and defer '{}'",
                    target, waiting, target),
        ErrorContext().node(target).step(steps_).run_id(run_.info.run_id.to_string()).thread_id(run_.info.thread_id));
  }
}

void Engine::own(Task& t) noexcept {
  t.engine = this;
  t.run = &run_.info;
  t.path = &path_;
}

void Engine::make_tasks() {
  count_ = next_.size();
  if (count_ > 1 && count_ - 1 > more_capacity_) {
    const auto capacity = std::max(count_ - 1, more_capacity_ * 2);
    more_capacity_ = 0;
    more_ = std::make_unique<Task[]>(capacity);
    more_capacity_ = capacity;
    for (std::size_t i = 1; i <= capacity; ++i) own(task(i));
  }
  for (std::size_t i = 0; i < count_; ++i) {
    Task& t = task(i);
    t.spec = &spec_.nodes[next_[i].node];
    t.node = &t.spec->name;
    t.step = steps_;
    t.index = static_cast<std::uint32_t>(i);
    t.input = std::move(next_[i].input);
    if (t.origin) t.origin.reset();
    t.state = Task::State::waiting;
    t.lane = nullptr;
    t.cancel_requested.store(false, std::memory_order_relaxed);
    if (track_ != nullptr)
      note_task(t, i > 0 && task(i - 1).spec == t.spec ? task(i - 1).note->ordinal + 1 : 0);
    else if (t.note)
      *t.note = TaskNote();
  }
}

void Engine::choose_mode() {
  inline_ = true;
  for (std::size_t i = 0; i < count_ && inline_; ++i)
    inline_ = task(i).spec->inline_call && (track_ == nullptr || task(i).spec->kind != node_kind::subgraph);
  // With nobody beside it, nobody listening and nothing to go back to, a node may have the state itself.
  in_place_ = track_ == nullptr && count_ == 1 && !first_.input && first_.spec->may_consume &&
              (!watched_ || (!listens(stream_mode::updates) && !listens(stream_mode::messages)));
}

void Engine::prepare(Task& t) {
  t.attempt = 1;
  t.timed_out = false;
  t.io.targets.clear();
  t.io.merging = false;
  t.io.state_input = t.spec->takes_state;
  if (in_place_) {
    t.io.state = state_.get();
    t.io.input = nullptr;
    return;
  }
  t.io.state = nullptr;
  t.io.input = t.input ? t.input.get() : state_.get();
  t.io.update = updates_.at(t.index);
}

void Engine::run_inline(Task& t) {
  if (watched_) publish_node(t, chunk_kind::node_start);
  std::exception_ptr failure;
  try {
    if (t.spec->kind == node_kind::subgraph) {
      enter_child(t);
      while (t.child->advance() != Need::nothing) {
      }
      leave_child(t);
    } else {
      const Entry entry(*this, t, Part::node);
      t.spec->node->call(t.io);
    }
    finished(t);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) fail(t, std::move(failure));
}

void Engine::finished(Task& t) {
  if (track_ != nullptr) {
    if (leaves(t)) return;
    save_result(t);
  }
  t.state = Task::State::finished;
  if (!watched_) return;
  publish_result(t);
  publish_node(t, chunk_kind::node_end);
}

ErrorContext Engine::where(const Task& t) const {
  ErrorContext c;
  c.node(path_.empty() ? t.spec->name : path_ + "/" + t.spec->name).step(steps_).attempt(t.attempt);
  c.run_id(run_.info.run_id.to_string()).thread_id(run_.info.thread_id);
  return c;
}

void Engine::fail(Task& t, std::exception_ptr e) {
  if (cancelled()) throw cancelled_error(errc::cancelled, "the run was cancelled", where(t));
  if (t.timed_out || (track_ != nullptr && journal().broken())) std::rethrow_exception(e);
  if (t.io.merging) merge_failed(t, e);
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    // What a subgraph reports already names its node, and its limits in time are reported as they are.
    const auto* own = dynamic_cast<const error*>(&x);
    if (own != nullptr && t.spec->kind == node_kind::subgraph && !own->context().run_id().empty()) throw;
    const char* what = x.what();
    const std::string text = what != nullptr ? what : "(an exception without a text)";
    publish_node(t, chunk_kind::node_error, text);
    std::throw_with_nested(
        node_error(errc::node_failed, fmt::format("node '{}' failed: {}", t.spec->name, text), where(t)));
  } catch (...) {
    const auto text = describe(std::current_exception());
    publish_node(t, chunk_kind::node_error, text);
    std::throw_with_nested(
        node_error(errc::node_failed, fmt::format("node '{}' threw {}", t.spec->name, text), where(t)));
  }
}

void Engine::merge_failed(const Task& t, const std::exception_ptr& e) const {
  try {
    std::rethrow_exception(e);
  } catch (const state_error& x) {
    // The guard has said everything about a conflict but whose run it is.
    if (x.context().step() != 0) throw state_error(x.code(), x.message(), where(t).field(x.context().field()));
    std::throw_with_nested(
        state_error(x.code(), fmt::format("merging what node '{}' changed: {}", t.spec->name, x.message()), where(t)));
  } catch (...) {
    std::throw_with_nested(state_error(
        errc::reducer_failed,
        fmt::format("merging what node '{}' changed: {}", t.spec->name, describe(std::current_exception())), where(t)));
  }
}

void Engine::merge() {
  if (!in_place_) merge_updates();
  for (std::size_t i = 0; i < count_; ++i) {
    cut_ = cut_ || task(i).state != Task::State::finished;
    if (task(i).input) task(i).input.reset();
  }
  if (watched_) publish_values();
}

void Engine::merge_updates() {
  MergeGuard guard;
  guard.begin(steps_);
  for (std::size_t i = 0; i < count_; ++i) {
    Task& t = task(i);
    if (t.state != Task::State::finished) continue;
    guard.writer(t.spec->name);
    try {
      const Entry entry(*this, t, Part::reducers);
      spec_.ops->apply(state_.get(), t.io.update, &guard);
      spec_.ops->clear_update(t.io.update);
    } catch (...) {
      merge_failed(t, std::current_exception());
    }
  }
}

bool Engine::listens(stream_mode mode) const noexcept {
  auto* c = run_.channel();
  return c != nullptr && c->listens(mode);
}

void Engine::publish_step(chunk_kind kind) {
  if (!listens(stream_mode::debug)) return;
  run_.channel()->push(Chunk(kind, std::make_shared<Chunk::Origin>(run_.info.run_id, run_.info.thread_id, "", path_),
                             steps_, run_.info.clock->wall_now())
                           .with_text(fmt::format("step {}: {} task{}", steps_, count_, count_ == 1 ? "" : "s")));
}

void Engine::publish_values() {
  if (!listens(stream_mode::values)) return;
  std::shared_ptr<StateBox> copy;
  try {
    copy = std::make_shared<StateBox>(state_.clone());
  } catch (...) {
    std::throw_with_nested(state_error(errc::reducer_failed,
                                       "copying the state for the stream: " + describe(std::current_exception()),
                                       where(first_)));
  }
  std::shared_ptr<const void> payload(copy, copy->get());
  run_.channel()->push(Chunk(chunk_kind::values,
                             std::make_shared<Chunk::Origin>(run_.info.run_id, run_.info.thread_id, "", path_), steps_,
                             run_.info.clock->wall_now())
                           .with_payload(std::move(payload), *spec_.ops));
}

void Engine::publish_node(Task& t, chunk_kind kind, std::string text) {
  if (!listens(stream_mode::debug)) return;
  if (!t.origin) t.origin = std::make_shared<Chunk::Origin>(run_.info.run_id, run_.info.thread_id, *t.node, path_);
  run_.channel()->push(
      Chunk(kind, t.origin, steps_, run_.info.clock->wall_now()).with_task(t.index).with_text(std::move(text)));
}

void Engine::publish_result(Task& t) {
  if (in_place_) return;
  const bool updates = listens(stream_mode::updates), messages = listens(stream_mode::messages);
  if (!updates && !messages) return;
  if (!t.origin) t.origin = std::make_shared<Chunk::Origin>(run_.info.run_id, run_.info.thread_id, *t.node, path_);
  if (messages && spec_.ops->messages != nullptr) {
    auto sink = [](void* arg, const Message& m) {
      auto& task = *static_cast<Task*>(arg);
      RunCore& run = task.engine->run_;
      EventChannel& channel = *run.channel();
      if (m.is_removal() || channel.streamed(m.id(), false)) return;
      // What a mapping hands on from its subgraph was delivered there.
      if (task.spec->kind == node_kind::subgraph && channel.delivered_inside(m.id(), false)) return;
      if (task.engine->depth_ > 0) channel.delivered_inside(m.id(), true);
      channel.push(Chunk(chunk_kind::message, task.origin, task.step, run.info.clock->wall_now())
                       .with_task(task.index)
                       .with_message(m));
    };
    // A subgraph has delivered its own messages.
    if (t.spec->kind != node_kind::subgraph || spec_.ops != t.spec->node->subgraph()->ops)
      spec_.ops->messages(t.io.update, sink, &t);
  }
  if (updates)
    run_.channel()->push(Chunk(chunk_kind::update, t.origin, steps_, run_.info.clock->wall_now())
                             .with_task(t.index)
                             .with_payload(spec_.ops->share_update(t.io.update), *spec_.ops));
}

}  // namespace agentflow::detail
