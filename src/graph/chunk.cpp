// SPDX-License-Identifier: MIT
// Chunks as text and JSON.
#include <agentflow/graph/chunk.hpp>

#include <ostream>

namespace agentflow {

std::string_view to_string(chunk_kind kind) noexcept {
  switch (kind) {
    case chunk_kind::token: return "token";
    case chunk_kind::message: return "message";
    case chunk_kind::update: return "update";
    case chunk_kind::values: return "values";
    case chunk_kind::custom: return "custom";
    case chunk_kind::run_start: return "run_start";
    case chunk_kind::step_start: return "step_start";
    case chunk_kind::node_start: return "node_start";
    case chunk_kind::node_end: return "node_end";
    case chunk_kind::node_retry: return "node_retry";
    case chunk_kind::node_error: return "node_error";
    case chunk_kind::step_end: return "step_end";
    case chunk_kind::run_end: return "run_end";
  }
  return "unknown";
}

std::string_view to_string(content_type type) noexcept {
  switch (type) {
    case content_type::message: return "message";
    case content_type::state: return "state";
    case content_type::data: return "data";
    case content_type::event: return "event";
  }
  return "unknown";
}

content_type Chunk::content_type() const noexcept {
  switch (kind_) {
    case chunk_kind::token:
    case chunk_kind::message: return agentflow::content_type::message;
    case chunk_kind::update:
    case chunk_kind::values: return agentflow::content_type::state;
    case chunk_kind::custom: return agentflow::content_type::data;
    default: return agentflow::content_type::event;
  }
}

std::string Chunk::content() const {
  switch (kind_) {
    case chunk_kind::message: return message_.text();
    case chunk_kind::custom: return data_.dump();
    case chunk_kind::update:
    case chunk_kind::values: {
      const auto write = kind_ == chunk_kind::update ? ops_->write_update : ops_->write_json;
      if (write == nullptr) return "null";
      std::string out;
      JsonWriter writer(out);
      write(writer, payload_.get());
      return out;
    }
    default: return text_;
  }
}

std::string Chunk::to_json() const {
  std::string out;
  JsonWriter w(out);
  auto field = [&w](std::string_view key, std::string_view value) {
    if (value.empty()) return;
    w.key(key);
    w.string(value);
  };
  w.begin_object();
  field("kind", to_string(kind_));
  field("content_type", to_string(content_type()));
  switch (kind_) {
    case chunk_kind::custom:
      w.key("content");
      w.value(data_);
      break;
    case chunk_kind::update:
    case chunk_kind::values:
      w.key("content");
      if (const auto write = kind_ == chunk_kind::update ? ops_->write_update : ops_->write_json; write != nullptr)
        write(w, payload_.get());
      else
        w.null();
      break;
    default: w.key("content"); w.string(content());
  }
  field("message_id", message_id_);
  field("node", origin_->node);
  field("path", origin_->path);
  w.key("step");
  w.unsigned_integer(step_);
  w.key("task");
  w.unsigned_integer(task_);
  field("run_id", origin_->run_id.to_string());
  field("thread_id", origin_->thread_id);
  w.key("timestamp_ns");
  w.integer(std::chrono::duration_cast<std::chrono::nanoseconds>(timestamp_.time_since_epoch()).count());
  w.end_object();
  return out;
}

Chunk&& Chunk::with_text(std::string text, std::string message_id) && {
  text_ = std::move(text);
  message_id_ = std::move(message_id);
  return std::move(*this);
}
Chunk&& Chunk::with_message(Message message) && {
  message_id_ = message.id();
  message_ = std::move(message);
  return std::move(*this);
}
Chunk&& Chunk::with_data(JsonValue data) && {
  data_ = std::move(data);
  return std::move(*this);
}
Chunk&& Chunk::with_payload(std::shared_ptr<const void> payload, const StateOps& ops) && {
  payload_ = std::move(payload);
  ops_ = &ops;
  return std::move(*this);
}
Chunk&& Chunk::with_task(std::uint32_t task) && {
  task_ = task;
  return std::move(*this);
}

std::size_t Chunk::size_hint() const noexcept { return sizeof(Chunk) + text_.size(); }

std::ostream& operator<<(std::ostream& out, const Chunk& chunk) {
  return out << to_string(chunk.kind()) << ' ' << chunk.node() << ": " << chunk.content();
}

}  // namespace agentflow
