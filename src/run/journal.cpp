// SPDX-License-Identifier: MIT
// Staging and committing what a durable run has done; questions; reading what is stored.
#include "run/journal.hpp"

#include <algorithm>
#include <utility>

#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <fmt/format.h>

#include <agentflow/core/checksum.hpp>
#include <agentflow/core/error.hpp>

#include "async/inline_executor.hpp"
#include "async/loop_guard.hpp"
#include "core/json_text.hpp"
#include "run/engine.hpp"
#include "run/run_core.hpp"

namespace agentflow {

std::string_view to_string(interrupt_kind kind) noexcept {
  switch (kind) {
    case interrupt_kind::inside: return "inside";
    case interrupt_kind::before: return "before";
    case interrupt_kind::after: return "after";
  }
  return "unknown";
}

}  // namespace agentflow

namespace agentflow::detail {
namespace {

/// Records between two snapshots may have so many bytes, or as many as the snapshot if that is more: so a state is
/// written as a whole so seldom that it costs no more than what changed, and read with at most as much again.
constexpr std::size_t min_since = 4096;
/// The most checkpoints of an async run that wait to be stored.
constexpr std::size_t max_staged = 64;
constexpr std::size_t max_detail = 1000;

interrupt_kind kind_of(std::string_view name) noexcept {
  return name == "before" ? interrupt_kind::before : name == "after" ? interrupt_kind::after : interrupt_kind::inside;
}

}  // namespace

Journal::Journal(RunCore& run, std::shared_ptr<Checkpointer> store, const CompileOptions& options)
    : run_(run),
      store_(std::move(store)),
      spec_(run.graph().spec()),
      options_(options),
      mode_(run.config().durability().value_or(options.durability())),
      fingerprint_(run.graph().fingerprint()),
      turn_(run.info.run_id) {
  const auto add = [this](const std::vector<std::string>& names, auto& into, const char* option) {
    for (const auto& name : names) {
      const auto id = spec_.find(name);
      if (!id || *id == end_node)
        throw config_error(errc::bad_config, fmt::format("{} names '{}', which is not a node", option, name));
      into.insert(name);
    }
  };
  add(options.interrupt_before(), before_, "interrupt_before");
  add(options.interrupt_after(), after_, "interrupt_after");
  add(run.config().interrupt_before(), before_, "interrupt_before");
  add(run.config().interrupt_after(), after_, "interrupt_after");
  if (const auto& metadata = run.config().metadata(); !metadata.is_null()) {
    if (!JsonReader(metadata).is_object())
      throw config_error(errc::bad_config, "the metadata of a run must be a JSON object");
    metadata_ = metadata.dump();
  }
}

const std::map<std::string, std::string>& Journal::renames() const noexcept {
  static const std::map<std::string, std::string> none;
  if (const auto& own = run_.config().graph_change()) return *own;
  return options_.graph_change() ? *options_.graph_change() : none;
}

Track& Journal::track(const std::string& ns) {
  auto& place = tracks_[ns];
  if (!place) place = std::make_unique<Track>(ns);
  return *place;
}

asio::awaitable<std::optional<CheckpointChain>> Journal::load(std::string ns) {
  co_await drain();  // what is on its way is to be seen
  auto work = store_->load(run_.info.thread_id, ns);
  std::optional<CheckpointChain> chain = co_await std::move(work);
  if (!batch_) co_return chain;
  for (const CheckpointRecord& r : batch_->records()) {
    if (r.ns != ns) continue;
    if (!chain) chain.emplace();
    if (r.snapshot) chain->records.clear();
    chain->records.push_back(r);
    chain->head = r.ref();
    chain->writes.clear();
  }
  co_return chain;
}

// ---- staging -------------------------------------------------------------------------------------------------------

CheckpointBatch& Journal::batch() {
  if (!batch_) batch_.emplace(*lease_);
  return *batch_;
}

CheckpointRecord Journal::next_record(const Track& track, checkpoint_kind kind, std::uint64_t step) const {
  CheckpointRecord record;
  record.ns = track.ns;
  record.seq = track.head + 1;
  record.parent = track.tip;
  record.kind = kind;
  record.step = step;
  record.run = turn_;
  record.created_at = run_.info.clock->wall_now();
  record.fingerprint = fingerprint_;
  record.metadata = metadata_;
  return record;
}

bool Journal::wants_snapshot(const Track& track, std::size_t body) noexcept {
  return track.head == 0 || track.since + body >= std::max(min_since, track.snapshot);
}

void Journal::stage(Track& track, CheckpointRecord record) {
  const std::size_t snapshot = record.snapshot ? record.snapshot->size() : 0;
  const std::size_t since = record.snapshot ? 0 : track.since + record.body.size();
  const auto old = track.tip.seq;
  if (track.pending) consumed_.emplace_back(track.ns, old);
  try {
    track.tip = batch().add(std::move(record));
  } catch (...) {
    if (track.pending) consumed_.pop_back();
    throw;
  }
  track.head = track.tip.seq;
  if (snapshot != 0) track.snapshot = snapshot;
  track.since = since;
  if (track.pending) std::erase_if(puts_, [&](const PendingWrite& w) { return w.ns == track.ns && w.seq == old; });
  track.pending = false;
  track.writes.clear();
  ++staged_;
}

void Journal::stage_end(stored_status status, std::string detail) {
  // One line of whole characters, whatever an exception said.
  std::replace(detail.begin(), detail.end(), '\n', ' ');
  if (detail.size() > max_detail) {
    detail.resize(max_detail);
    while (!detail.empty() && (detail.back() & 0xc0) == 0x80) detail.pop_back();
    if (!detail.empty() && (detail.back() & 0x80) != 0) detail.pop_back();
  }
  for (auto at = find_invalid_utf8(detail); at != all_valid; at = find_invalid_utf8(detail)) detail[at] = '?';
  batch().run(RunChange(turn_, status, run_.info.clock->wall_now(), std::move(detail)));
  ended_ = status != stored_status::running;
  opened_ = true;
}

CheckpointBatch Journal::take_batch() {
  CheckpointBatch taken = std::move(batch());
  batch_.reset();
  for (auto& [ns, seq] : std::exchange(consumed_, {})) taken.consume(std::move(ns), seq);
  for (auto& put : std::exchange(puts_, {})) taken.put(std::move(put));
  staged_ = 0;
  return taken;
}

asio::awaitable<void> Journal::send(CheckpointBatch taken) {
  std::exception_ptr failure;
  try {
    auto work = store_->commit(*lease_, std::move(taken));
    const CommitReceipt receipt = co_await std::move(work);
    if (receipt.stop_requested) run_.request_stop();
  } catch (...) {
    failure = std::current_exception();
  }
  if (!failure) co_return;
  broken_ = true;
  std::rethrow_exception(failure);
}

asio::awaitable<void> Journal::send_staged() {
  try {
    return send(take_batch());
  } catch (...) {
    broken_ = true;
    throw;
  }
}

asio::awaitable<void> Journal::settle() { return mode_ == durability::sync ? send_staged() : settle_later(); }

asio::awaitable<void> Journal::settle_later() {
  if (mode_ == durability::exit) co_return;
  if (write_failure_) std::rethrow_exception(write_failure_);
  if (!writing_)
    start_writer();
  else if (staged_ >= max_staged)
    co_await drain();
}

void Journal::start_writer() {
  try {
    auto work = send(take_batch());
    auto done = [run = run_.shared_from_this(), this](const std::exception_ptr& e) { written(e); };
    writing_ = true;
    asio::co_spawn(run_.executor(), std::move(work), asio::bind_executor(InlineExecutor(), std::move(done)));
  } catch (...) {
    writing_ = false;
    broken_ = true;
    throw;
  }
}

void Journal::written(const std::exception_ptr& failure) noexcept {
  writing_ = false;
  write_failure_ = failure;
  if (!failure && (batch_ || !puts_.empty())) {
    try {
      start_writer();
      return;
    } catch (...) {
      write_failure_ = std::current_exception();
    }
  }
  for (const auto& spot : std::exchange(waiters_, {})) spot->unpark();
}

asio::awaitable<void> Journal::drain() {
  while (writing_) {
    const auto spot = std::make_shared<ParkingSpot>();
    waiters_.push_back(spot);
    // A cancellation wakes it too early; a commit is waited for all the same.
    co_await spot->park([](void*) {}, nullptr);
  }
  if (write_failure_) std::rethrow_exception(write_failure_);
}

asio::awaitable<void> Journal::commit_once(PendingWrite write) {
  CheckpointBatch one(*lease_);
  one.put(std::move(write));
  auto work = store_->commit(*lease_, std::move(one));
  co_await std::move(work);
}

// ---- questions -----------------------------------------------------------------------------------------------------

std::string Journal::place_of(const std::string& ns, std::uint64_t seq, const std::string& task,
                              const std::string& index) {
  return fmt::format("{}@{}:{}/{}", ns, seq, task, index);
}

const Question* Journal::question(std::string_view place) const noexcept {
  const auto it =
      std::find_if(questions_.begin(), questions_.end(), [&](const Question& q) { return q.place == place; });
  return it == questions_.end() ? nullptr : &*it;
}

void Journal::ask(const Track& track, const std::string& node, const std::string& path, const std::string& task,
                  std::string index, interrupt_kind kind, JsonValue payload) {
  Question q;
  q.place = place_of(track.ns, track.tip.seq, task, index);
  q.shown.id = fmt::format("{:016x}", checksum64(q.place, checksum64(run_.info.thread_id)));
  q.shown.node = node;
  q.shown.path = path;
  q.shown.kind = kind;
  q.shown.payload = std::move(payload);
  asked_.push_back(std::move(q));
}

void Journal::withdraw(std::string_view ns) {
  Track& top = track("");
  for (const Question& q : questions_) {
    if (q.answer || !q.place.starts_with(ns) || (q.place[ns.size()] != '@' && q.place[ns.size()] != '/')) continue;
    if (!withdrawn_.insert(q.shown.id).second) continue;
    stage(answer_write(q, top.tip.seq, "null"));
  }
}

bool Journal::stage_questions() {
  Track& top = track("");
  for (Question& q : asked_) {
    if (std::exchange(q.staged, true)) continue;
    stage(question_write(q, top.tip.seq));
    top.pending = true;
  }
  return !asked_.empty();
}

std::vector<Interrupt> Journal::interrupts() const {
  std::vector<Interrupt> open;
  for (const Question& q : questions_)
    if (!q.answer && withdrawn_.count(q.shown.id) == 0) open.push_back(q.shown);
  for (const Question& q : asked_) open.push_back(q.shown);
  return open;
}

PendingWrite Journal::question_write(const Question& q, std::uint64_t seq) {
  std::string bytes;
  JsonWriter out(bytes);
  out.begin_object();
  auto text = [&out](std::string_view key, std::string_view value) {
    out.key(key);
    out.string(value);
  };
  text("id", q.shown.id);
  text("place", q.place);
  text("node", q.shown.node);
  text("path", q.shown.path);
  text("kind", to_string(q.shown.kind));
  out.key("payload");
  out.value(q.shown.payload);
  out.end_object();
  return PendingWrite("", seq, "question/" + q.shown.id, pending_kind::interrupt, std::move(bytes));
}

PendingWrite Journal::answer_write(const Question& q, std::uint64_t seq, std::string bytes) {
  return PendingWrite("", seq, "answer/" + q.shown.id, pending_kind::answer, std::move(bytes));
}

std::vector<Question> Journal::read_questions(const std::vector<PendingWrite>& writes) {
  std::vector<Question> questions;
  for (const PendingWrite& w : writes) {
    if (w.kind != pending_kind::interrupt) continue;
    const JsonValue document = JsonValue::parse(w.bytes, w.bytes.size());
    const JsonReader in(document);
    auto text = [&in](std::string_view key) { return std::string(in.at(key).as_string()); };
    Question q;
    q.place = text("place");
    q.shown.id = text("id");
    q.shown.node = text("node");
    q.shown.path = text("path");
    q.shown.kind = kind_of(in.at("kind").as_string());
    q.shown.payload = in.at("payload").value();
    const auto answer = std::find_if(writes.begin(), writes.end(), [&q](const PendingWrite& a) {
      return a.kind == pending_kind::answer && !a.bytes.empty() && a.key == "answer/" + q.shown.id;
    });
    if (answer != writes.end()) q.answer = JsonValue::parse(answer->bytes, answer->bytes.size());
    questions.push_back(std::move(q));
  }
  return questions;
}

// ---- reading -------------------------------------------------------------------------------------------------------

JsonValue Journal::parse_body(const CheckpointRecord& record) {
  return JsonValue::parse(record.body, record.body.size());
}

void Journal::apply_body(const StateOps& ops, const JsonValue& body, StateBox& state) {
  const JsonReader in(body);
  auto apply = [&](const JsonReader& update) {
    UpdateBox change(ops);
    ops.load_update(update, change.get());
    UserCode mark;
    ops.apply(state.get(), change.get(), nullptr);
  };
  if (const auto u = in.find("u")) apply(*u);
  if (const auto tasks = in.find("t"))
    for (std::size_t i = 0, n = tasks->elements(); i < n; ++i) apply(tasks->at(i).at(1));
}

StateBox Journal::rebuild(const StateOps& ops, const CheckpointChain& chain, StateBox entered) {
  const CheckpointRecord& first = chain.records.front();
  StateBox state;
  try {
    if (!first.snapshot) {
      throw json_error(errc::json_missing, "the first checkpoint has no snapshot");
    } else if (*first.snapshot == entered_marker && entered) {
      state = std::move(entered);
    } else {
      const JsonValue document = JsonValue::parse(*first.snapshot, first.snapshot->size());
      state = StateBox(ops, ops.create());
      ops.load(JsonReader(document), state.get());
    }
    for (std::size_t i = 1; i < chain.records.size(); ++i) apply_body(ops, parse_body(chain.records[i]), state);
  } catch (const std::exception& e) {
    std::throw_with_nested(state_error(
        errc::bad_input,
        fmt::format("the state stored at checkpoint {} does not fit this graph: {}", chain.tip().id(), e.what()),
        ErrorContext().thread_id(first.thread)));
  }
  return state;
}

void Journal::adopt(Track& track, const CheckpointChain& chain) {
  track.tip = chain.tip().ref();
  track.head = chain.head.seq;
  track.snapshot = chain.records.front().snapshot ? chain.records.front().snapshot->size() : 0;
  track.since = 0;
  for (std::size_t i = 1; i < chain.records.size(); ++i) track.since += chain.records[i].body.size();
  track.writes.clear();
  for (const PendingWrite& w : chain.writes)
    if (w.kind == pending_kind::result || w.kind == pending_kind::once) track.writes[w.key] = w.bytes;
  track.pending = !chain.writes.empty();
  track.loaded = true;
}

std::string Journal::checkpoint_id() const {
  const auto it = tracks_.find("");
  if (it == tracks_.end() || !it->second->tip) return {};
  CheckpointRecord named;
  named.seq = it->second->tip.seq;
  named.sum = it->second->tip.sum;
  return named.id();
}

}  // namespace agentflow::detail
