// SPDX-License-Identifier: MIT
// The way back of a durable run's engine: from stored checkpoints and results to where it was, in subgraphs too.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json.hpp>

#include "async/loop_guard.hpp"
#include "run/engine.hpp"
#include "run/journal.hpp"
#include "run/run_core.hpp"
#include "run/user_code.hpp"

namespace agentflow::detail {

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
  if (const auto n = in.find("n"))
    for (Planned& p : read_planned(*n, renames)) next_.push_back(std::move(p));
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

std::vector<Planned> Engine::read_planned(const JsonReader& in,
                                          const std::map<std::string, std::string>& renames) const {
  std::vector<Planned> planned;
  for (std::size_t i = 0, n = in.elements(); i < n; ++i) {
    const JsonReader at = in.at(i);
    if (at.is_string()) {
      planned.push_back(Planned{stored_node(at, renames), 0, nullptr});
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
  if (chain) {
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
