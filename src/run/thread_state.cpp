// SPDX-License-Identifier: MIT
// Looking at what a thread has stored: its state, its history, differences, forks.
#include <agentflow/run/thread_state.hpp>

#include <algorithm>
#include <map>
#include <utility>

#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <fmt/format.h>

#include <agentflow/core/error.hpp>
#include <agentflow/run/erased_graph.hpp>

#include "run/journal.hpp"
#include "run/run_core.hpp"

namespace agentflow {
namespace {

using detail::Journal;

std::shared_ptr<Checkpointer> store_of(const detail::GraphCore& graph) {
  if (const auto& store = graph.options().checkpointer()) return store;
  throw config_error(errc::not_durable,
                     "the graph has no checkpointer: compile it with CompileOptions().checkpointer()");
}

std::string id_of(CheckpointRef ref) {
  if (!ref) return {};
  CheckpointRecord named;
  named.seq = ref.seq;
  named.sum = ref.sum;
  return named.id();
}

void read_names(const JsonReader& in, std::vector<std::string>& names) {
  for (std::size_t i = 0, n = in.elements(); i < n; ++i) {
    const auto at = in.at(i);
    names.emplace_back((at.is_string() ? at : at.at(std::size_t{0})).as_string());
  }
}

CheckpointInfo info_of(const CheckpointRecord& record, const JsonValue& body) {
  CheckpointInfo info;
  info.id = record.id();
  info.parent_id = id_of(record.parent);
  info.kind = record.kind;
  info.finished = record.status == stored_status::completed;
  info.step = record.step;
  if (!record.metadata.empty()) info.metadata = JsonValue::parse(record.metadata, record.metadata.size());
  info.run_id = record.run;
  info.created_at = record.created_at;
  const JsonReader in(body);
  if (in.find("s")) info.next.emplace_back(START);
  for (const char* list : {"n", "d"})
    if (const auto planned = in.find(list)) read_names(*planned, info.next);
  return info;
}

ErasedSnapshot snapshot_of(const StateOps& ops, const CheckpointChain& chain) {
  ErasedSnapshot s;
  s.info = info_of(chain.tip(), Journal::parse_body(chain.tip()));
  s.state = Journal::rebuild(ops, chain);
  for (auto& q : Journal::read_questions(chain.writes))
    if (!q.answer) s.info.interrupts.push_back(std::move(q.shown));
  return s;
}

asio::awaitable<std::optional<ErasedSnapshot>> read_state(std::shared_ptr<detail::GraphCore> graph, std::string thread,
                                                          std::string checkpoint) {
  const auto store = store_of(*graph);
  std::optional<CheckpointChain> chain;
  if (checkpoint.empty()) {
    auto work = store->load(std::move(thread));
    chain = co_await std::move(work);
  } else {
    auto work = store->load_id(std::move(thread), std::move(checkpoint));
    chain = co_await std::move(work);
  }
  std::optional<ErasedSnapshot> found;
  if (chain) found = snapshot_of(*graph->spec().ops, *chain);
  co_return found;
}

asio::awaitable<std::vector<ErasedSnapshot>> read_history(std::shared_ptr<detail::GraphCore> graph, std::string thread,
                                                          HistoryOptions options) {
  const auto store = store_of(*graph);
  const StateOps& ops = *graph->spec().ops;
  HistoryQuery query(thread);
  query.limit = options.limit();
  query.metadata = options.where();
  if (!options.before().empty()) {
    const auto id = parse_checkpoint_id(options.before());
    if (!id) throw config_error(errc::bad_config, fmt::format("'{}' is not a checkpoint id", options.before()));
    query.before = id->ref.seq;
  }
  auto ask = store->history(std::move(query));
  const auto records = co_await std::move(ask);
  // From the oldest on, so that each state is made of its parent's; the chain is read only where that is not here.
  std::map<std::uint64_t, StateBox> states;
  std::vector<ErasedSnapshot> page(records.size());
  for (std::size_t i = records.size(); i-- > 0;) {
    const CheckpointRecord& record = records[i];
    const auto parent = states.find(record.parent.seq);
    if (i > 0 && !record.snapshot && parent != states.end()) {
      const JsonValue body = Journal::parse_body(record);
      page[i].info = info_of(record, body);
      page[i].state = parent->second.clone();
      Journal::apply_body(ops, body, page[i].state);
    } else {
      auto load = store->load(thread, {}, record.seq);
      const auto chain = co_await std::move(load);
      if (!chain)
        throw storage_error(errc::checkpoint_missing, fmt::format("checkpoint {} was deleted meanwhile", record.seq),
                            ErrorContext().thread_id(thread));
      page[i] = snapshot_of(ops, *chain);
    }
    states[record.seq] = page[i].state.clone();
  }
  co_return page;
}

asio::awaitable<JsonValue> difference(std::shared_ptr<detail::GraphCore> graph, std::string thread, std::string from,
                                      std::string to) {
  auto first = read_state(graph, thread, std::move(from));
  const auto a = co_await std::move(first);
  auto second = read_state(graph, std::move(thread), std::move(to));
  auto b = co_await std::move(second);
  if (!a || !b) throw storage_error(errc::checkpoint_missing, "the thread has no checkpoints to compare");
  const StateOps& ops = *graph->spec().ops;
  UpdateBox change(ops);
  ops.diff(a->state.get(), b->state.get(), change.get());
  JsonWriter out;
  ops.write_update(out, change.get());
  JsonValue result = JsonValue::parse(out.text(), out.text().size());
  co_return result;
}

asio::awaitable<std::string> copy_thread(std::shared_ptr<detail::GraphCore> graph, std::string thread,
                                         std::string checkpoint, std::string to) {
  const auto store = store_of(*graph);
  std::optional<CheckpointChain> chain;
  if (checkpoint.empty()) {
    auto work = store->load(thread);
    chain = co_await std::move(work);
  } else {
    auto work = store->load_id(thread, std::move(checkpoint));
    chain = co_await std::move(work);
  }
  if (!chain)
    throw storage_error(errc::checkpoint_missing, fmt::format("thread '{}' has no checkpoint", thread),
                        ErrorContext().thread_id(thread));
  // The copy numbers its checkpoints anew, which the places of questions name. Its subgraphs begin anew, and ask again.
  const auto questions = Journal::read_questions(chain->writes);
  std::erase_if(chain->writes, [](const PendingWrite& w) {
    return w.kind == pending_kind::interrupt || w.kind == pending_kind::answer;
  });
  const std::uint64_t tip = chain->records.size();
  for (detail::Question q : questions) {
    if (!q.place.starts_with('@')) continue;
    q.place = fmt::format("@{}{}", tip, q.place.substr(q.place.find(':')));
    chain->writes.push_back(Journal::question_write(q, tip));
    if (q.answer) chain->writes.push_back(Journal::answer_write(q, tip, q.answer->dump()));
  }
  const RunId run = RunId::make();
  for (auto& record : chain->records) record.run = run;
  auto work = store->copy(std::move(*chain), std::move(to));
  const CheckpointRef ref = co_await std::move(work);
  co_return id_of(ref);
}

/// Runs a coroutine to its end on a loop of its own.
template <class T>
T block_on(asio::awaitable<T> work) {
  asio::io_context loop(1);
  std::exception_ptr failure;
  std::optional<T> result;
  asio::co_spawn(loop, std::move(work), [&](std::exception_ptr e, T value) {
    failure = std::move(e);
    result.emplace(std::move(value));
  });
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

}  // namespace

asio::awaitable<std::optional<ErasedSnapshot>> ErasedGraph::aget_state(std::string thread,
                                                                       std::string checkpoint) const {
  return read_state(core_, std::move(thread), std::move(checkpoint));
}
std::optional<ErasedSnapshot> ErasedGraph::get_state(std::string thread, std::string checkpoint) const {
  refuse_on_loop_thread("get_state()", "co_await aget_state()");
  return block_on(read_state(core_, std::move(thread), std::move(checkpoint)));
}

asio::awaitable<std::vector<ErasedSnapshot>> ErasedGraph::aget_state_history(std::string thread,
                                                                             HistoryOptions options) const {
  return read_history(core_, std::move(thread), std::move(options));
}
std::vector<ErasedSnapshot> ErasedGraph::get_state_history(std::string thread, HistoryOptions options) const {
  refuse_on_loop_thread("get_state_history()", "co_await aget_state_history()");
  return block_on(read_history(core_, std::move(thread), std::move(options)));
}

asio::awaitable<JsonValue> ErasedGraph::adiff(std::string thread, std::string from, std::string to) const {
  return difference(core_, std::move(thread), std::move(from), std::move(to));
}
JsonValue ErasedGraph::diff(std::string thread, std::string from, std::string to) const {
  refuse_on_loop_thread("diff()", "co_await adiff()");
  return block_on(difference(core_, std::move(thread), std::move(from), std::move(to)));
}

asio::awaitable<std::string> ErasedGraph::afork(std::string thread, std::string checkpoint, std::string to) const {
  return copy_thread(core_, std::move(thread), std::move(checkpoint), std::move(to));
}
std::string ErasedGraph::fork(std::string thread, std::string checkpoint, std::string to) const {
  refuse_on_loop_thread("fork()", "co_await afork()");
  return block_on(copy_thread(core_, std::move(thread), std::move(checkpoint), std::move(to)));
}

}  // namespace agentflow
