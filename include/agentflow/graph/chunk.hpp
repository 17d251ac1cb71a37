// SPDX-License-Identifier: MIT
// Chunk: one event of a run, as a stream delivers it.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <agentflow/core/config.hpp>
#include <agentflow/core/ids.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/graph/state_ops.hpp>
#include <agentflow/state/message.hpp>

namespace agentflow {

/// What a stream delivers; combine with `|`. Modes that are not asked for cost nothing.
enum class stream_mode : std::uint8_t {
  none = 0,
  messages = 1,  ///< Tokens as nodes write them, and the messages of finished nodes (none twice).
  updates = 2,   ///< What each finished node changed.
  values = 4,    ///< The whole state after each step.
  custom = 8,    ///< What nodes write with `NodeContext::write` and `emit`.
  debug = 16,    ///< Begin and end of the run, its steps and nodes; retries and errors.
  all = 31,
};
constexpr stream_mode operator|(stream_mode a, stream_mode b) noexcept {
  return static_cast<stream_mode>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
constexpr bool has(stream_mode set, stream_mode m) noexcept {
  return (static_cast<std::uint8_t>(set) & static_cast<std::uint8_t>(m)) != 0;
}

/// What a chunk says.
enum class chunk_kind {
  token,      ///< A piece of a message's text (mode messages).
  message,    ///< A whole message that was not streamed as tokens (messages).
  update,     ///< A node's changes (updates).
  values,     ///< The state after a step (values).
  custom,     ///< A node's own data (custom).
  run_start,  ///< debug, as all that follow
  step_start,
  node_start,
  node_end,
  node_retry,
  node_error,
  step_end,
  run_end,
};
AGENTFLOW_API std::string_view to_string(chunk_kind kind) noexcept;

/// How to read a chunk's content.
enum class content_type {
  message,  ///< Text for the reader: a token or a message.
  state,    ///< JSON of an update or of the whole state.
  data,     ///< JSON that a node wrote.
  event,    ///< A line about the run itself.
};
AGENTFLOW_API std::string_view to_string(content_type type) noexcept;

/// One event of a run: an immutable value, complete in itself (it may outlive graph and run).
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe to read.
class AGENTFLOW_API Chunk {
 public:
  /// Where chunks come from; shared by all chunks of one task.
  class Origin {
   public:
    Origin(RunId run, std::string thread, std::string node_name, std::string node_path)
        : run_id(run), thread_id(std::move(thread)), node(std::move(node_name)), path(std::move(node_path)) {}
    RunId run_id;
    std::string thread_id, node, path;
  };

  Chunk(chunk_kind kind, std::shared_ptr<const Origin> origin, std::uint64_t step,
        std::chrono::system_clock::time_point timestamp)
      : kind_(kind), step_(step), timestamp_(timestamp), origin_(std::move(origin)) {}

  chunk_kind kind() const noexcept { return kind_; }
  agentflow::content_type content_type() const noexcept;
  /// The content as text: the token, the message's text, or JSON of the update, state or data.
  std::string content() const;

  /// The node that caused the chunk; empty for chunks of the run itself.
  const std::string& node() const noexcept { return origin_->node; }
  /// The subgraphs the node is in, from the outside in, as "outer/inner"; empty in the graph that was run.
  const std::string& path() const noexcept { return origin_->path; }
  std::uint64_t step() const noexcept { return step_; }
  const RunId& run_id() const noexcept { return origin_->run_id; }
  const std::string& thread_id() const noexcept { return origin_->thread_id; }
  std::chrono::system_clock::time_point timestamp() const noexcept { return timestamp_; }
  /// The task within its step, from 0: tells apart the Sends to one node.
  std::uint32_t task() const noexcept { return task_; }

  /// The message a token belongs to, or the id of the message; else empty.
  const std::string& message_id() const noexcept { return message_id_; }
  /// The whole message, for `chunk_kind::message`; else an empty message.
  const Message& message() const noexcept { return message_; }
  /// What a node wrote, for `chunk_kind::custom`.
  const JsonValue& data() const noexcept { return data_; }
  /// The state, for `chunk_kind::values`; null for other kinds and other state types.
  template <class S>
  const S* state() const noexcept {
    return kind_ == chunk_kind::values && ops_ == &state_ops<S>() ? static_cast<const S*>(payload_.get()) : nullptr;
  }
  /// The update, for `chunk_kind::update`; null for other kinds and other state types.
  template <class S>
  const typename StateModel<S>::update_type* update() const noexcept {
    using U = typename StateModel<S>::update_type;
    return kind_ == chunk_kind::update && ops_ == &state_ops<S>() ? static_cast<const U*>(payload_.get()) : nullptr;
  }
  /// The whole chunk as one line of JSON: kind, content_type, content or data, node, path, step, task, ids, timestamp.
  std::string to_json() const;

  // Used by the library while it makes a chunk.
  Chunk&& with_text(std::string text, std::string message_id = {}) &&;
  Chunk&& with_message(Message message) &&;
  Chunk&& with_data(JsonValue data) &&;
  Chunk&& with_payload(std::shared_ptr<const void> payload, const StateOps& ops) &&;
  Chunk&& with_task(std::uint32_t task) &&;
  std::size_t size_hint() const noexcept;

 private:
  chunk_kind kind_;
  std::uint32_t task_ = 0;
  std::uint64_t step_;
  std::chrono::system_clock::time_point timestamp_;
  std::shared_ptr<const Origin> origin_;
  std::string text_, message_id_;
  Message message_;
  JsonValue data_;
  std::shared_ptr<const void> payload_;
  const StateOps* ops_ = nullptr;
};

AGENTFLOW_API std::ostream& operator<<(std::ostream& out, const Chunk& chunk);

}  // namespace agentflow
