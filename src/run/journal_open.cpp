// SPDX-License-Identifier: MIT
// How a durable run begins and ends: the thread is taken, the input meets what is stored, the outcome is recorded.
#include <algorithm>
#include <chrono>
#include <new>
#include <thread>
#include <utility>

#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <agentflow/core/error.hpp>

#include "async/loop_guard.hpp"
#include "async/sleep_on.hpp"
#include "run/engine.hpp"
#include "run/journal.hpp"
#include "run/run_core.hpp"

namespace agentflow::detail {
namespace {

using namespace std::chrono_literals;

std::string listed(const std::vector<Question>& questions) {
  std::string text;
  for (const auto& q : questions)
    if (!q.answer)
      text += fmt::format("{}{} ({} node '{}')", text.empty() ? "" : ", ", q.shown.id, to_string(q.shown.kind),
                          q.shown.node);
  return text.empty() ? "none" : text;
}

}  // namespace

asio::awaitable<void> Journal::claim() {
  const auto policy = run_.config().on_busy().value_or(options_.on_busy());
  for (auto pause = 10ms;; pause = std::min(pause * 2, 500ms)) {
    if (policy != on_busy::reject) {
      const auto all_older = run_.graph().older_runs(run_);
      for (const auto& older : all_older) {
        if (policy == on_busy::cancel_older) older->request_cancel();
        const auto spot = std::make_shared<ParkingSpot>();
        older->notify(spot);
        while (!older->done() && !run_.cancel_requested()) co_await spot->park();
      }
      if (run_.cancel_requested()) throw cancelled_error(errc::cancelled, "the run was cancelled");
    }
    try {
      auto work = store_->claim(run_.info.thread_id);
      Lease lease = co_await std::move(work);
      lease_.emplace(std::move(lease));
      co_return;
    } catch (const storage_error& e) {
      if (e.code() != errc::thread_busy || policy == on_busy::reject) throw;
    }
    // Another process, or another graph object, has it.
    if (policy == on_busy::cancel_older) {
      auto ask = store_->request_stop(run_.info.thread_id);
      co_await std::move(ask);
    }
    auto wait = sleep_on(*run_.info.clock, pause);
    co_await std::move(wait);
    if (run_.cancel_requested()) throw cancelled_error(errc::cancelled, "the run was cancelled");
  }
}

asio::awaitable<void> Journal::open(Engine& engine, RunInput& input) {
  co_await claim();
  const std::string& thread = run_.info.thread_id;
  std::optional<CheckpointChain> chain;
  if (const auto& id = run_.config().checkpoint(); !id.empty()) {
    auto work = store_->load_id(thread, id);
    chain = co_await std::move(work);
    if (!chain->tip().ns.empty())
      throw config_error(errc::bad_config, fmt::format("checkpoint {} is of a subgraph: a run starts from one of its "
                                                       "graph's own",
                                                       id));
  } else {
    auto work = store_->load(thread);
    chain = co_await std::move(work);
  }
  Track& top = track("");
  if (chain) adopt(top, *chain);
  engine.attach(top);
  if (input.resume() == nullptr && !input.is_edit()) {
    auto work = begin_turn(engine, input, chain ? &*chain : nullptr);
    co_await std::move(work);
    co_return;
  }
  if (!chain)
    throw storage_error(errc::checkpoint_missing,
                        fmt::format("thread '{}' has no checkpoint: start it with an input", thread),
                        ErrorContext().thread_id(thread));
  auto work = input.is_edit() ? edit(engine, input, *chain) : go_on(engine, *input.resume(), *chain);
  co_await std::move(work);
}

void Journal::check_graph(const CheckpointRecord& tip) const {
  if (tip.fingerprint == fingerprint_ || run_.config().graph_change() || options_.graph_change()) return;
  throw resume_error(errc::graph_changed,
                     fmt::format("checkpoint {} was written by another graph than this one (its nodes, edges or fields "
                                 "differ): give a new input, or say accept_graph_change({{}}) with the new names of "
                                 "nodes",
                                 tip.id()),
                     ErrorContext().thread_id(run_.info.thread_id));
}

asio::awaitable<void> Journal::begin_turn(Engine& engine, RunInput& input, const CheckpointChain* chain) {
  const StateOps& ops = *spec_.ops;
  Track& top = track("");
  StateBox state;
  std::string change;
  if (chain == nullptr) {
    state = std::move(input).initial(ops);
  } else {
    const bool newest = chain->tip().ref() == chain->head;
    const auto questions = read_questions(chain->writes);
    const bool open = std::any_of(questions.begin(), questions.end(), [](const Question& q) { return !q.answer; });
    if (open && newest && run_.config().checkpoint().empty() && !run_.config().discard_interrupts())
      throw resume_error(errc::interrupts_open,
                         fmt::format("the thread waits for answers: {}; go on with af::Resume, or drop them with "
                                     "RunConfig().discard_interrupts()",
                                     listed(questions)),
                         ErrorContext().thread_id(run_.info.thread_id));
    state = rebuild(ops, *chain);
    UpdateBox update = std::move(input).change(ops);
    JsonWriter out(change);
    ops.save_update(out, update.get());
    {
      UserCode mark;
      ops.apply(state.get(), update.get(), nullptr);
    }
    auto work = supersede(*chain);
    co_await std::move(work);
    if (!newest) top.pending = false;  // those of a checkpoint that stays as it was
  }
  top.writes.clear();
  run_.count_messages(state);
  engine.begin(std::move(state));
  stage_end(stored_status::running, {});
  engine.follow_start();
  engine.stage_checkpoint(checkpoint_kind::input, change);
  if (engine.status() == run_status::interrupted) engine.end_held();  // before its first node
  co_await settle();
}

asio::awaitable<void> Journal::supersede(const CheckpointChain& chain) {
  if (chain.tip().status == stored_status::completed) co_return;
  auto ask = store_->thread(run_.info.thread_id);
  const auto known = co_await std::move(ask);
  if (!known || !known->run) co_return;
  const auto status = known->run->status;
  if (status != stored_status::running && status != stored_status::interrupted) co_return;
  CheckpointBatch one(*lease_);
  one.run(RunChange(known->run->id, stored_status::stopped, run_.info.clock->wall_now(),
                    "something else was begun on the thread"));
  auto work = send(std::move(one));
  co_await std::move(work);
}

void Journal::take_answers(const Resume& resume) {
  Track& top = track("");
  auto refuse = [this](std::string why) {
    throw resume_error(errc::interrupt_unknown, fmt::format("{}; open are: {}", why, listed(questions_)),
                       ErrorContext().thread_id(run_.info.thread_id));
  };
  std::vector<std::pair<Question*, JsonValue>> given;
  for (const auto& [id, value] : resume.answers()) {
    const auto q =
        std::find_if(questions_.begin(), questions_.end(), [&id = id](const auto& x) { return x.shown.id == id; });
    if (q == questions_.end()) refuse(fmt::format("there is no question '{}'", id));
    const bool twice = std::any_of(given.begin(), given.end(), [&](const auto& g) { return g.first == &*q; });
    if (q->answer || twice) refuse(fmt::format("the question '{}' is answered already", id));
    given.emplace_back(&*q, value);
  }
  if (resume.value()) {
    Question* only = nullptr;
    std::size_t open = 0;
    for (Question& q : questions_) {
      if (q.answer || q.shown.kind != interrupt_kind::inside) continue;
      ++open;
      only = &q;
    }
    if (open == 1 && !given.empty())
      refuse("Resume(value) answers the only open question, which has an answer already");
    if (open == 0)
      refuse("Resume(value) answers the only open question, but the thread waits for no answer: go on with Resume()");
    if (open != 1)
      refuse(fmt::format("Resume(value) answers the only open question, but {} are: use Resume().answer(id, value)",
                         open));
    given.emplace_back(only, *resume.value());
  }
  for (Question& q : questions_)
    if (!q.answer && q.shown.kind != interrupt_kind::inside) given.emplace_back(&q, JsonValue());
  for (auto& [q, value] : given) {
    stage(answer_write(*q, top.tip.seq, value.dump()));
    q->answer = std::move(value);
  }
}

asio::awaitable<void> Journal::go_on(Engine& engine, const Resume& resume, const CheckpointChain& chain) {
  const CheckpointRecord& tip = chain.tip();
  const StateOps& ops = *spec_.ops;
  Track& top = track("");
  const bool branch = !run_.config().checkpoint().empty();
  const bool finished = tip.status == stored_status::completed;
  if (!finished && !branch) {
    turn_ = tip.run;
    questions_ = read_questions(chain.writes);
  }
  if (finished || branch) top.writes.clear();
  take_answers(resume);
  if (finished) {
    engine.finish(rebuild(ops, chain));
    ended_ = true;
    co_return;
  }
  check_graph(tip);
  const JsonValue body = parse_body(tip);
  StateBox state = rebuild(ops, chain);
  run_.count_messages(state);
  engine.restore(std::move(state), body, tip.step, renames());
  stage_end(stored_status::running, {});
  if (branch) {
    // What is pending at the old checkpoint stays there.
    top.pending = false;
    engine.stage_checkpoint(checkpoint_kind::fork, {});
  } else {
    for (const auto& [from, to] : renames()) {
      for (Question& q : questions_) {
        const auto old = fmt::format("@{}:{}#", top.tip.seq, from);
        if (q.place.starts_with(old)) q.place = fmt::format("@{}:{}#{}", top.tip.seq, to, q.place.substr(old.size()));
      }
      std::map<std::string, std::string, std::less<>> renamed;
      for (auto& [key, bytes] : top.writes)
        renamed[key.starts_with(from + "#") ? to + key.substr(from.size()) : key] = bytes;
      top.writes.swap(renamed);
    }
  }
  co_await settle();
}

asio::awaitable<void> Journal::edit(Engine& engine, RunInput& input, const CheckpointChain& chain) {
  const CheckpointRecord& tip = chain.tip();
  Track& top = track("");
  const bool newest = tip.ref() == chain.head;
  auto work = supersede(chain);
  co_await std::move(work);
  StateBox state = rebuild(*spec_.ops, chain);
  UpdateBox update = std::move(input).change(*spec_.ops);
  const bool finished = tip.status == stored_status::completed;
  if (!newest) top.pending = false;
  top.writes.clear();
  engine.hold();
  if (input.as_node().empty()) {
    if (!finished) check_graph(tip);
    std::string change;
    JsonWriter out(change);
    spec_.ops->save_update(out, update.get());
    {
      UserCode mark;
      spec_.ops->apply(state.get(), update.get(), nullptr);
    }
    engine.restore(std::move(state), parse_body(tip), tip.step, renames());
    engine.stage_checkpoint(checkpoint_kind::update, change);
    engine.end_held();
    co_await settle();
    co_return;
  }
  const auto node = spec_.find(input.as_node());
  if (!node || *node == end_node)
    throw config_error(errc::bad_config, fmt::format("update_state as '{}', which is not a node", input.as_node()));
  engine.begin(std::move(state));
  engine.pretend(*node, std::move(update), tip.step);
}

// ---- the end -------------------------------------------------------------------------------------------------------

std::optional<stored_status> Journal::outcome(const Engine& engine, const std::exception_ptr& failure) const {
  if (failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const storage_error& e) {
      // A fenced run has nothing to say any more.
      if (e.code() == errc::thread_fenced) return std::nullopt;
      return stored_status::failed;
    } catch (const cancelled_error&) {
      return stored_status::stopped;
    } catch (...) {
      return run_.cancel_requested() ? stored_status::stopped : stored_status::failed;
    }
  }
  switch (engine.status()) {
    case run_status::completed: return stored_status::completed;
    case run_status::interrupted: return stored_status::interrupted;
    case run_status::stopped: return stored_status::stopped;
    case run_status::drained: return stored_status::drained;
  }
  return std::nullopt;
}

asio::awaitable<void> Journal::close(const Engine& engine, const std::exception_ptr& failure) {
  if (!lease_) co_return;
  std::exception_ptr own;
  try {
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await asio::this_coro::reset_cancellation_state();
  } catch (...) {
    own = std::current_exception();
  }
  // What is on its way refers to the lease, and is waited for whatever it takes.
  while (writing_) {
    try {
      co_await drain();
    } catch (const std::bad_alloc&) {
      std::this_thread::yield();
    } catch (...) {
      // The writer's failure: seen below.
    }
  }
  if (write_failure_) own = write_failure_;
  try {
    const auto status = outcome(engine, failure ? failure : own);
    if (status && opened_) {
      if (broken_) {
        batch_.reset();
        consumed_.clear();
        puts_.clear();
        left_.clear();
      }
      for (auto& write : std::exchange(left_, {})) puts_.push_back(std::move(write));
      if (*status == stored_status::interrupted) stage_questions();
      if (!ended_) stage_end(*status, failure || own ? describe(failure ? failure : own) : std::string());
      if (batch_ || !puts_.empty()) {
        auto work = send_staged();
        co_await std::move(work);
      }
    }
  } catch (...) {
    if (!own) own = std::current_exception();
  }
  lease_.reset();
  if (own && !failure) std::rethrow_exception(own);
}

}  // namespace agentflow::detail
