// SPDX-License-Identifier: MIT
// What an engine writes for a durable run: checkpoints after steps, results of finished tasks.
#include <algorithm>
#include <utility>

#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <agentflow/core/json.hpp>

#include "run/engine.hpp"
#include "run/journal.hpp"
#include "run/run_core.hpp"
#include "run/user_code.hpp"

namespace agentflow::detail {

Journal& Engine::journal() const noexcept { return *run_.journal(); }

std::string Engine::task_key(const Task& t) const {
  return fmt::format("{}#{}", *t.node, t.note ? t.note->ordinal : 0);
}

asio::awaitable<void> Engine::drive_durable() {
  std::exception_ptr failure;
  try {
    co_await drive(false);
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  abandon();
  std::rethrow_exception(failure);
}

// ---- writing -------------------------------------------------------------------------------------------------------

asio::awaitable<void> Engine::commit_step() {
  co_await leave_user_code();
  if (run_.deadline() && next_.empty() && deferred_.empty() && run_.info.clock->now() > *run_.deadline())
    run_.throw_timeout();
  stage_checkpoint(pretending_ ? checkpoint_kind::update : checkpoint_kind::step, {});
  co_await journal().settle();
}

void Engine::stage_checkpoint(checkpoint_kind kind, std::string_view update) {
  Journal& j = journal();
  const bool waits = from_start_ && phase_ == Phase::route;  // for a router of START
  const bool last = !waits && next_.empty() && deferred_.empty();
  if (last) check_joins();
  CheckpointRecord record = j.next_record(*track_, kind, steps_);
  std::size_t expected = update.size() + 48;  // nearly always enough, so that the body is allocated once
  for (std::size_t i = 0; step_open_ && i < count_; ++i)
    expected += task(i).note->saved.size() + task(i).spec->name.size();
  record.body.reserve(expected);
  JsonWriter out(record.body);
  out.begin_object();
  if (!update.empty()) {
    out.key("u");
    out.raw(update);
  }
  if (step_open_) {
    out.key("t");
    out.begin_array();
    for (std::size_t i = 0; i < count_; ++i) {
      out.begin_array();
      out.string(task(i).spec->name);
      out.raw(task(i).note->saved);
      out.end_array();
    }
    out.end_array();
  }
  if (waits) {
    out.key("s");
    out.boolean(true);
  }
  write_frontier(out);
  if (track_->call != 0) {
    out.key("of");
    out.unsigned_integer(track_->call);
  }
  out.end_object();
  if (last) record.status = stored_status::completed;
  if (kind == checkpoint_kind::input && depth_ > 0 && update.empty()) {
    record.snapshot = std::string(entered_marker);
  } else if (Journal::wants_snapshot(*track_, record.body.size())) {
    std::string& text = record.snapshot.emplace();
    text.reserve(track_->snapshot + track_->since + record.body.size());  // what it will be, nearly always, or more
    JsonWriter snapshot(text);
    spec_.ops->save(snapshot, state_.get());
  }
  j.stage(*track_, std::move(record));
  const bool stepped = std::exchange(step_open_, false);  // whatever comes now, its results are of the past
  if (depth_ == 0) {
    if (last)
      j.stage_end(stored_status::completed, {});
    else if (pretending_)
      j.stage_end(stored_status::stopped, "changed from outside");
    else if (!waits && kind != checkpoint_kind::fork)
      stage_stops(stepped);
  }
}

void Engine::stage_stops(bool stepped) {
  Journal& j = journal();
  const auto ask_before = [&](const auto& frontier) {
    for (const Planned& p : frontier)
      if (const auto& name = spec_.nodes[p.node].name; j.stops_before(name))
        j.ask(*track_, name, path(), name, "before", interrupt_kind::before, {});
  };
  if (next_.empty())
    ask_before(deferred_);
  else
    ask_before(next_);
  if (stepped)
    for (std::size_t i = 0; i < count_; ++i)
      if (const auto& name = task(i).spec->name; j.stops_after(name))
        j.ask(*track_, name, path(), name, "after", interrupt_kind::after, {});
  if (j.stage_questions()) {
    status_ = run_status::interrupted;
    j.stage_end(stored_status::interrupted, {});
  }
}

void Engine::write_frontier(JsonWriter& out) const {
  auto list = [&](std::string_view key, const auto& planned) {
    if (planned.empty()) return;
    out.key(key);
    out.begin_array();
    for (const Planned& p : planned) write_planned(out, p);
    out.end_array();
  };
  list("n", next_);
  list("d", deferred_);
  if (std::none_of(joined_.begin(), joined_.end(), [](const JoinProgress& p) { return p.waits(); })) return;
  out.key("j");
  out.begin_array();
  for (std::size_t j = 0; j < joined_.size(); ++j) {
    if (!joined_[j].waits()) continue;
    const JoinSpec& join = spec_.joins[j];
    out.begin_array();
    out.string(spec_.nodes[join.target].name);
    for (const bool seen : {true, false}) {
      out.begin_array();
      for (std::size_t s = 0; s < join.sources.size(); ++s)
        if (joined_[j].seen(s) == seen) out.string(spec_.nodes[join.sources[s]].name);
      out.end_array();
    }
    out.end_array();
  }
  out.end_array();
}

void Engine::write_planned(JsonWriter& out, const Planned& p) const {
  const NodeSpec& n = spec_.nodes[p.node];
  if (p.order == 0) {
    out.string(n.name);
    return;
  }
  out.begin_array();
  out.string(n.name);
  out.unsigned_integer(p.order);
  write_input(out, n, p.input.get());
  out.end_array();
}

void Engine::write_input(JsonWriter& out, const NodeSpec& n, const void* input) const {
  if (n.takes_state)
    spec_.ops->save(out, input);
  else
    n.node->input_codec().save(out, input);
}

// ---- tasks ---------------------------------------------------------------------------------------------------------

void Engine::note_tasks() {
  for (std::size_t i = 0; i < count_; ++i)
    note_task(task(i), i > 0 && task(i - 1).spec == task(i).spec ? task(i - 1).note->ordinal + 1 : 0);
  if (track_->writes.empty() && !journal().has_questions()) return;
  for (std::size_t i = 0; i < count_; ++i) recall(task(i));
}

void Engine::forget(Task& t) noexcept { t.note.reset(); }

bool Engine::keeps(Task& t) {
  if (leaves(t)) return false;
  save_result(t);
  return true;
}

void Engine::note_task(Task& t, std::uint32_t ordinal) {
  if (!t.note) {
    t.note = std::make_unique<TaskNote>();
  } else {
    t.note->saved.clear();
    t.note->stored = false;
    t.note->once.clear();
    t.note->asks = 0;
    t.note->asked.clear();
    t.note->refused.clear();
  }
  t.note->ordinal = ordinal;
}

void Engine::save_result(Task& t) {
  t.note->saved.clear();
  JsonWriter out(t.note->saved);
  spec_.ops->save_update(out, t.io.update);
}

bool Engine::leaves(Task& t) {
  if (t.state != Task::State::left && (!t.note || t.note->asked.empty())) return false;
  interrupted_ = interrupted_ || (t.note && !t.note->asked.empty());
  t.state = Task::State::left;
  return true;
}

bool Engine::complete() const noexcept {
  if (count_ > 0 && first_.state != Task::State::finished) return false;
  for (std::size_t i = 1; i < count_; ++i)
    if (more_[i - 1].state != Task::State::finished) return false;
  return true;
}

bool Engine::waits_for_none() const noexcept {
  if (count_ > 0 && first_.state == Task::State::waiting) return false;
  for (std::size_t i = 1; i < count_; ++i)
    if (more_[i - 1].state == Task::State::waiting) return false;
  return true;
}

std::optional<PendingWrite> Engine::result_of(const Task& t) const {
  std::string bytes;
  JsonWriter out(bytes);
  out.begin_object();
  out.key("u");
  out.raw(t.note->saved);
  if (!t.io.targets.empty()) {
    out.key("g");
    out.begin_array();
    for (const Target& target : t.io.targets) {
      const auto id = spec_.find(target.name());
      if (!target.is_send()) {
        out.string(target.name());
        continue;
      }
      // What leads nowhere fails when it is routed; it cannot be stored.
      if (!id || *id == end_node || spec_.nodes[*id].node->input_type() != *target.type()) return std::nullopt;
      out.begin_array();
      out.string(target.name());
      write_input(out, spec_.nodes[*id], target.input().get());
      out.end_array();
    }
    out.end_array();
  }
  out.end_object();
  return PendingWrite(track_->ns, track_->tip.seq, task_key(t), pending_kind::result, std::move(bytes));
}

asio::awaitable<void> Engine::store_results() {
  Journal& j = journal();
  if (!j.writes_early()) co_return;
  bool any = false;
  for (std::size_t i = 0; i < count_; ++i) {
    Task& t = task(i);
    if (t.state != Task::State::finished || t.note->stored) continue;
    auto write = result_of(t);
    if (!write) continue;
    j.stage(std::move(*write));
    t.note->stored = any = track_->pending = true;
  }
  if (any) co_await j.settle();
}

/// Nodes on other executors record what they do by themselves, which must find nothing of this run on its way.
asio::awaitable<void> Engine::settle_for_others() {
  bool any = false;
  for (std::size_t i = 0; i < count_; ++i) any = any || task(i).spec->options.executor();
  if (!any) co_return;
  track_->pending = true;
  co_await journal().drain();
}

asio::awaitable<void> Engine::store_once(const Task& t, std::string key, std::string bytes) {
  Journal& j = journal();
  // A node on another executor finds nothing on its way: see run_many().
  if (!t.spec->options.executor()) {
    auto wait = j.drain();
    co_await std::move(wait);
    track_->pending = true;
  }
  PendingWrite write(track_->ns, track_->tip.seq, task_key(t) + "/once/" + key, pending_kind::once, std::move(bytes));
  auto work = j.commit_once(std::move(write));
  co_await std::move(work);
}

void Engine::pause() {
  status_ = interrupted_ ? run_status::interrupted : run_.stop_status();
  phase_ = Phase::done;
  leave_results();
  for (std::size_t i = 0; i < count_; ++i) {
    Task& t = task(i);
    for (auto& asked : t.note->asked)
      journal().ask(*track_, t.spec->name, path(), task_key(t), std::to_string(asked.index), interrupt_kind::inside,
                    std::move(asked.payload));
  }
}

void Engine::leave_results() {
  Journal& j = journal();
  if (!std::exchange(step_open_, false)) return;
  for (std::size_t i = 0; i < count_; ++i) {
    Task& t = task(i);
    if (t.state == Task::State::finished && !t.note->stored)
      if (auto write = result_of(t)) j.leave(std::move(*write));
    for (const auto index : t.note->refused)
      if (const auto* q = j.question(place_in(t, index))) j.leave(Journal::answer_write(*q, j.track("").tip.seq, ""));
    for (auto& [key, once] : t.note->once)
      if (!once.stored)
        j.leave(PendingWrite(track_->ns, track_->tip.seq, task_key(t) + "/once/" + key, pending_kind::once,
                             std::move(once.bytes)));
  }
}

void Engine::abandon() noexcept {
  try {
    if (phase_ != Phase::merge) {
      leave_results();
      return;
    }
    // What cannot be merged must not be kept: the next try is to run the nodes again.
    for (std::size_t i = 0; i < count_; ++i)
      if (const Task& t = task(i); t.note->stored)
        journal().leave(PendingWrite(track_->ns, track_->tip.seq, task_key(t), pending_kind::result, "null"));
  } catch (...) {
    // No memory to keep it: those nodes will run again.
  }
}

}  // namespace agentflow::detail
