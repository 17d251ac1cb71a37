// SPDX-License-Identifier: MIT
// Tool: the port to something a model may call, and what it is called with and gives back.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/core/error.hpp>
#include <agentflow/core/ids.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/ports/chat_request.hpp>
#include <agentflow/state/content_block.hpp>

namespace agentflow {

/// A tool, or a set of tools, that cannot be offered to a model (tool_invalid), or a tool that could not do what it was
/// called for (tool_failed).
///
/// A tool throws one to tell the model what went wrong. Any other exception does so too; this one says that the text
/// was written for the model.
class AGENTFLOW_VISIBLE tool_error : public error {
 public:
  explicit tool_error(std::string message) : error(errc::tool_failed, std::move(message)) {}
  tool_error(errc code, std::string message) : error(code, std::move(message)) {}
  ~tool_error() override;
};

/// What a tool gives back to the model: text, JSON, or blocks such as images.
class ToolResult {
 public:
  /// Makes an empty text.
  ToolResult() = default;
  static ToolResult text(std::string text) {
    ToolResult r;
    r.text_ = std::move(text);
    return r;
  }
  static ToolResult json(JsonValue data) {
    ToolResult r;
    r.data_ = std::move(data);
    return r;
  }
  /// Text blocks become the text, the others follow it.
  AGENTFLOW_API static ToolResult blocks(std::vector<ContentBlock> blocks);
  /// Says that the tool failed, and how, so that the model can try something else.
  static ToolResult failure(std::string text) {
    ToolResult r = ToolResult::text(std::move(text));
    r.is_error_ = true;
    return r;
  }

  const std::string& text() const noexcept { return text_; }
  const JsonValue& data() const noexcept { return data_; }
  const std::vector<ContentBlock>& extra() const noexcept { return extra_; }
  bool is_error() const noexcept { return is_error_; }

 private:
  std::string text_;
  JsonValue data_;
  std::vector<ContentBlock> extra_;
  bool is_error_ = false;
};
static_assert(!std::is_aggregate_v<ToolResult>);

/// Where a tool runs, as a `ToolContext` sees it. Implemented by whoever calls tools.
class AGENTFLOW_VISIBLE ToolHost {
 public:
  virtual ~ToolHost();
  virtual const RunId& run_id() const noexcept = 0;
  virtual const std::string& thread_id() const noexcept = 0;
  virtual bool cancelled() const noexcept = 0;
  virtual Clock& clock() const noexcept = 0;
  virtual asio::awaitable<void> sleep(std::chrono::nanoseconds duration) = 0;
  virtual void progress(const ToolCallBlock& call, JsonValue data) = 0;
  /// **Errors** `config_error` (bad_context).
  virtual void* user_object(const std::type_info& wanted) const = 0;
};

/// What a running tool may know and do besides its arguments. A tool takes it as its last parameter, by reference.
///
/// **Thread safety** As `NodeContext`: used by one tool at a time, also on a blocking pool (all but `sleep`).
/// **Lifetime** Valid until the tool returns; it must not be kept.
class ToolContext {
 public:
  ToolContext(ToolHost& host, const ToolCallBlock& call) noexcept : host_(&host), call_(&call) {}
  ToolContext(const ToolContext&) = delete;
  ToolContext& operator=(const ToolContext&) = delete;

  /// The model's name for this call, and the tool's own.
  const std::string& call_id() const noexcept { return call_->id; }
  const std::string& tool() const noexcept { return call_->name; }
  const RunId& run_id() const noexcept { return host_->run_id(); }
  const std::string& thread_id() const noexcept { return host_->thread_id(); }

  /// Whether the call is being cancelled, by its timeout or with the run. A coroutine need not ask: what it awaits is
  /// cancelled for it. A function on a blocking pool should, at times.
  bool cancelled() const noexcept { return host_->cancelled(); }
  Clock& clock() const noexcept { return host_->clock(); }
  /// Waits on the graph's clock. **Cancellation** throws `cancelled_error` at once.
  asio::awaitable<void> sleep(std::chrono::nanoseconds duration) { return host_->sleep(duration); }
  /// Tells the stream (mode custom) how the work goes on: `{"tool": ..., "call_id": ..., "progress": data}`.
  void progress(JsonValue data) { host_->progress(*call_, std::move(data)); }
  /// The application's own object, given with `RunConfig::context`. **Errors** `config_error` (bad_context) if there is
  /// none or it has another type.
  template <class T>
  T& user() const {
    return *static_cast<T*>(host_->user_object(typeid(T)));
  }

 private:
  ToolHost* host_;
  const ToolCallBlock* call_;
};

/// How a tool is run.
enum class tool_kind : std::uint8_t {
  sync,      ///< `call`, on the event loop.
  async,     ///< `acall`.
  blocking,  ///< `call`, on the graph's blocking pool.
};

/// How a tool may be used.
class ToolOptions {
 public:
  ToolOptions() = default;
  /// Limits each call in time: it is cancelled and joined, and the model is told. Default: none.
  ToolOptions& timeout(std::chrono::nanoseconds d) & {
    timeout_ = d;
    return *this;
  }
  ToolOptions&& timeout(std::chrono::nanoseconds d) && { return std::move(timeout(d)); }
  /// Cuts what the tool gives back; a line at the end says so. Default: 1 MiB.
  ToolOptions& max_output_bytes(std::size_t n) & {
    max_output_bytes_ = n;
    return *this;
  }
  ToolOptions&& max_output_bytes(std::size_t n) && { return std::move(max_output_bytes(n)); }
  /// Says that a call changes something outside: a confirmation hook is asked first. Default: false.
  ToolOptions& side_effects(bool on = true) & {
    side_effects_ = on;
    return *this;
  }
  ToolOptions&& side_effects(bool on = true) && { return std::move(side_effects(on)); }
  /// A JSON Schema of the arguments, an object, in place of the one derived from the parameter type.
  ToolOptions& parameters(JsonValue schema) & {
    parameters_ = std::move(schema);
    return *this;
  }
  ToolOptions&& parameters(JsonValue schema) && { return std::move(parameters(std::move(schema))); }

  const std::optional<std::chrono::nanoseconds>& timeout() const noexcept { return timeout_; }
  std::size_t max_output_bytes() const noexcept { return max_output_bytes_; }
  bool side_effects() const noexcept { return side_effects_; }
  const std::optional<JsonValue>& parameters() const noexcept { return parameters_; }

 private:
  std::optional<std::chrono::nanoseconds> timeout_;
  std::size_t max_output_bytes_ = std::size_t{1} << 20;
  bool side_effects_ = false;
  std::optional<JsonValue> parameters_;
};
static_assert(!std::is_aggregate_v<ToolOptions>);

/// Something a model may call. `af::tool` makes one of any callable; adapters implement it for what is elsewhere.
///
/// **Thread safety** Implementations are safe to be called by several runs at once.
class AGENTFLOW_VISIBLE Tool {
 public:
  virtual ~Tool();
  /// What the model is told: a name of 1 to 64 letters, digits, `_`, `-` and `.`, a description, a schema.
  virtual const ToolSpec& spec() const noexcept = 0;
  virtual const ToolOptions& options() const noexcept = 0;
  virtual tool_kind kind() const noexcept = 0;
  /// Does the work, for the kinds sync and blocking. The arguments fit the schema. **Errors** Whatever is thrown is
  /// told to the model.
  virtual ToolResult call(const JsonValue& arguments, ToolContext& context);
  /// Does the work, for the kind async. The context outlives the call.
  virtual asio::awaitable<ToolResult> acall(JsonValue arguments, ToolContext& context);
  /// The agent that takes over when this tool is called; empty for all other tools. Only a tool's own code says so,
  /// never what it gives back.
  virtual const std::string& hands_off_to() const noexcept;
};

}  // namespace agentflow
