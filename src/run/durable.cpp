// SPDX-License-Identifier: MIT
// What an engine does for a durable run: checkpoints after steps, results of finished tasks, and the way back.
#include <algorithm>
#include <utility>

#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <agentflow/core/json.hpp>

#include "async/loop_guard.hpp"
#include "run/engine.hpp"
#include "run/journal.hpp"
#include "run/run_core.hpp"
#include "run/user_code.hpp"

namespace agentflow::detail {
namespace {

/// The snapshot of a subgraph's first checkpoint of a call: its state is what the parent's task gives it again.
const std::string entered_marker = "\"entered\"";

}  // namespace

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
    record.snapshot = entered_marker;
  } else if (Journal::wants_snapshot(*track_, record.body.size())) {
    JsonWriter snapshot(record.snapshot.emplace());
    spec_.ops->save(snapshot, state_.get());
  }
  j.stage(*track_, std::move(record));
  if (depth_ == 0) {
    if (last)
      j.stage_end(stored_status::completed, {});
    else if (pretending_)
      j.stage_end(stored_status::stopped, "changed from outside");
    else if (!waits && kind != checkpoint_kind::fork)
      stage_stops();
  }
  step_open_ = false;
}

void Engine::stage_stops() {
  Journal& j = journal();
  const auto& frontier = next_.empty() ? deferred_ : next_;
  for (const Planned& p : frontier)
    if (const auto& name = spec_.nodes[p.node].name; j.stops_before(name))
      j.ask(*track_, name, path_, name, "before", interrupt_kind::before, {});
  if (step_open_)
    for (std::size_t i = 0; i < count_; ++i)
      if (const auto& name = task(i).spec->name; j.stops_after(name))
        j.ask(*track_, name, path_, name, "after", interrupt_kind::after, {});
  if (j.stage_questions()) {
    status_ = run_status::interrupted;
    j.stage_end(stored_status::interrupted, {});
  }
}

void Engine::write_frontier(JsonWriter& out) const {
  auto list = [&](std::string_view key, const Plan& planned) {
    if (planned.empty()) return;
    out.key(key);
    out.begin_array();
    for (const Planned& p : planned) write_planned(out, p);
    out.end_array();
  };
  list("n", next_);
  list("d", deferred_);
  const auto waits = [](const JoinProgress& p) { return p.missing != p.seen.size(); };
  if (std::none_of(joined_.begin(), joined_.end(), waits)) return;
  out.key("j");
  out.begin_array();
  for (std::size_t j = 0; j < joined_.size(); ++j) {
    if (!waits(joined_[j])) continue;
    const JoinSpec& join = spec_.joins[j];
    out.begin_array();
    out.string(spec_.nodes[join.target].name);
    for (const bool seen : {true, false}) {
      out.begin_array();
      for (std::size_t s = 0; s < join.sources.size(); ++s)
        if (joined_[j].seen[s] == seen) out.string(spec_.nodes[join.sources[s]].name);
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
      journal().ask(*track_, t.spec->name, path_, task_key(t), std::to_string(asked.index), interrupt_kind::inside,
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

// ---- the way back --------------------------------------------------------------------------------------------------

std::string Engine::place_in(const Task& t, std::uint32_t index) const {
  return Journal::place_of(track_->ns, track_->tip.seq, task_key(t), std::to_string(index));
}

void Engine::recall(Task& t) {
  const Journal& j = journal();
  const auto key = task_key(t);
  const auto found = track_->writes.find(key);
  if (found != track_->writes.end() && found->second != "null") {
    const JsonValue document = JsonValue::parse(found->second, found->second.size());
    const JsonReader result(document);
    const JsonReader update = result.at("u");
    spec_.ops->load_update(update, t.io.update);
    save_result(t);
    if (const auto targets = result.find("g"))
      for (std::size_t i = 0, n = targets->elements(); i < n; ++i) {
        const auto at = targets->at(i);
        if (at.is_string()) {
          t.io.targets.emplace_back(std::string(at.as_string()));
          continue;
        }
        const NodeId id = stored_node(at.at(std::size_t{0}), {});
        const NodeSpec& n_spec = spec_.nodes[id];
        t.io.targets.emplace_back(n_spec.name, read_input(n_spec, at.at(std::size_t{1})), n_spec.node->input_type());
      }
    t.note->stored = true;
    t.state = Task::State::finished;
    return;
  }
  const auto prefix = key + "/once/";
  for (auto it = track_->writes.lower_bound(prefix); it != track_->writes.end() && it->first.starts_with(prefix); ++it)
    t.note->once[it->first.substr(prefix.size())] = {it->second, true};
  for (std::uint32_t i = 0;; ++i) {
    const Question* q = j.question(place_in(t, i));
    if (q == nullptr) return;
    if (q->answer) continue;
    t.state = Task::State::left;
    interrupted_ = true;
    return;
  }
}

bool Engine::follow_start() {
  if (!spec_.start.routers.empty()) return false;
  route();
  from_start_ = false;
  phase_ = Phase::plan;
  return true;
}

void Engine::restore(StateBox state, const JsonValue& body, std::uint64_t step,
                     const std::map<std::string, std::string>& renames) {
  const JsonReader in(body);
  begin(std::move(state));
  steps_ = first_step_ = step;
  if (in.find("s")) return;  // a router of START is to be asked
  from_start_ = false;
  phase_ = Phase::plan;
  if (const auto n = in.find("n")) next_ = read_planned(*n, renames);
  if (const auto d = in.find("d")) deferred_ = read_planned(*d, renames);
  if (const auto j = in.find("j")) read_joins(*j, renames);
}

void Engine::finish(StateBox state) {
  begin(std::move(state));
  from_start_ = false;
  phase_ = Phase::done;
}

void Engine::pretend(NodeId node, UpdateBox update, std::uint64_t step) {
  pretending_ = true;
  from_start_ = false;
  steps_ = first_step_ = step;
  step_open_ = true;
  count_ = 1;
  pretended_ = std::move(update);
  Task& t = first_;
  t.spec = &spec_.nodes[node];
  t.node = &t.spec->name;
  t.step = ++steps_;
  note_task(t, 0);
  t.io.update = pretended_.get();
  t.state = Task::State::finished;
  save_result(t);
  next_.clear();
  phase_ = Phase::merge;
}

NodeId Engine::stored_node(const JsonReader& in, const std::map<std::string, std::string>& renames) const {
  std::string name(in.as_string());
  if (const auto it = renames.find(name); it != renames.end()) name = it->second;
  const auto id = spec_.find(name);
  if (id && *id != end_node) return *id;
  throw resume_error(
      errc::graph_changed,
      fmt::format("the stored run goes on at '{}', which this graph does not have: give its new name with "
                  "accept_graph_change({{{{\"{}\", \"...\"}}}})",
                  name, name),
      ErrorContext().node(name).thread_id(run_.info.thread_id));
}

Plan Engine::read_planned(const JsonReader& in, const std::map<std::string, std::string>& renames) const {
  Plan planned;
  for (std::size_t i = 0, n = in.elements(); i < n; ++i) {
    const JsonReader at = in.at(i);
    if (at.is_string()) {
      planned.push_back(stored_node(at, renames));
      continue;
    }
    const NodeId id = stored_node(at.at(std::size_t{0}), renames);
    const auto order = static_cast<std::uint32_t>(at.at(std::size_t{1}).as_uint64(0xffffffff));
    planned.push_back(Planned{id, order, read_input(spec_.nodes[id], at.at(std::size_t{2}))});
  }
  return planned;
}

std::shared_ptr<const void> Engine::read_input(const NodeSpec& n, const JsonReader& in) const {
  if (!n.takes_state) return n.node->input_codec().load(in);
  auto box = std::make_shared<StateBox>(*spec_.ops, spec_.ops->create());
  spec_.ops->load(in, box->get());
  return {box, box->get()};
}

void Engine::read_joins(const JsonReader& in, const std::map<std::string, std::string>& renames) {
  for (std::size_t i = 0, n = in.elements(); i < n; ++i) {
    const JsonReader at = in.at(i);
    const NodeId target = stored_node(at.at(std::size_t{0}), renames);
    std::vector<NodeId> seen, sources;
    for (const std::size_t list : {std::size_t{1}, std::size_t{2}})
      for (std::size_t k = 0, m = at.at(list).elements(); k < m; ++k) {
        sources.push_back(stored_node(at.at(list).at(k), renames));
        if (list == 1) seen.push_back(sources.back());
      }
    const auto j = static_cast<std::size_t>(
        std::find_if(spec_.joins.begin(), spec_.joins.end(),
                     [&](const JoinSpec& spec) {
                       return spec.target == target && spec.sources.size() == sources.size() &&
                              std::is_permutation(sources.begin(), sources.end(), spec.sources.begin());
                     }) -
        spec_.joins.begin());
    if (j == spec_.joins.size())
      throw resume_error(
          errc::graph_changed,
          fmt::format("the stored run waits at a join to '{}' that this graph does not have", spec_.nodes[target].name),
          ErrorContext().thread_id(run_.info.thread_id));
    for (std::size_t s = 0; s < spec_.joins[j].sources.size(); ++s) {
      const bool has = std::find(seen.begin(), seen.end(), spec_.joins[j].sources[s]) != seen.end();
      joined_[j].seen[s] = has;
      joined_[j].missing -= has;
    }
  }
}

// ---- subgraphs -----------------------------------------------------------------------------------------------------

asio::awaitable<void> Engine::run_durable_child(Task& t) {
  co_await leave_user_code();
  co_await open_child(t);
  if (t.child->track_ != nullptr)
    co_await t.child->drive_durable();
  else
    co_await t.child->drive(false);
  if (t.child->status() == run_status::completed) {
    leave_child(t);
    co_return;
  }
  interrupted_ = interrupted_ || t.child->status() == run_status::interrupted;
  t.state = Task::State::left;
}

asio::awaitable<void> Engine::open_child(Task& t) {
  make_child(t);
  Engine& child = *t.child;
  Journal& j = journal();
  StateBox input;
  {
    const Entry entry(*this, t, Part::mapping);
    input = t.spec->node->enter(t.io);
  }
  const auto memory = t.spec->options.memory();
  if (memory == subgraph_memory::none) {
    child.begin(std::move(input));
    co_return;
  }
  Track& track = j.track((track_->ns.empty() ? "" : track_->ns + "/") + task_key(t));
  child.attach(track);
  std::optional<CheckpointChain> chain;
  const bool first = !track.loaded;
  if (first || memory == subgraph_memory::thread) {
    auto work = j.load(track.ns);
    chain = co_await std::move(work);
    if (chain) Journal::adopt(track, *chain);
    track.loaded = true;
  }
  if (first && chain && t.attempt == 1) {
    const JsonValue body = Journal::parse_body(chain->tip());
    const auto call = JsonReader(body).find("of");
    if (call && call->as_uint64() == track_->tip.seq) {
      track.call = track_->tip.seq;
      StateBox state = Journal::rebuild(*child.spec_.ops, *chain, std::move(input));
      if (chain->tip().status == stored_status::completed)
        child.finish(std::move(state));
      else
        child.restore(std::move(state), body, chain->tip().step, j.renames());
      co_return;
    }
  }
  track.call = track_->tip.seq;
  track.writes.clear();
  j.withdraw(track.ns);
  std::string change;
  if (memory == subgraph_memory::thread) {
    UpdateBox update(*child.spec_.ops);
    child.spec_.ops->as_update(input.clone().get(), update.get());
    JsonWriter out(change);
    child.spec_.ops->save_update(out, update.get());
    if (chain) {
      input = Journal::rebuild(*child.spec_.ops, *chain);
      const Entry entry(*this, t, Part::reducers);
      child.spec_.ops->apply(input.get(), update.get(), nullptr);
    }
  }
  child.begin(std::move(input));
  child.follow_start();
  child.stage_checkpoint(checkpoint_kind::input, change);
  co_await j.settle();
}

}  // namespace agentflow::detail
