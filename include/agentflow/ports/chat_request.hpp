// SPDX-License-Identifier: MIT
// ChatRequest: what a model is asked.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/state/message.hpp>

namespace agentflow {

/// A tool as a model sees it: what it is called, what it is for, and a JSON Schema of its arguments.
class ToolSpec {
 public:
  ToolSpec() = default;
  explicit ToolSpec(std::string n, std::string d = {}, JsonValue p = {})
      : name(std::move(n)), description(std::move(d)), parameters(std::move(p)) {}

  std::string name, description;
  /// A schema of an object; null means "no arguments".
  JsonValue parameters;
  /// Asks the provider to keep to the schema to the letter, where it can (OpenAI's strict mode).
  bool strict = false;
  bool operator==(const ToolSpec&) const = default;
};

/// Whether a model may, must or must not call tools.
class ToolChoice {
 public:
  enum class Mode : std::uint8_t { automatic, none, required, tool };

  /// The model decides.
  ToolChoice() = default;
  static ToolChoice automatic() { return {}; }
  static ToolChoice none() { return ToolChoice(Mode::none, {}); }
  /// Some tool must be called.
  static ToolChoice required() { return ToolChoice(Mode::required, {}); }
  /// This tool must be called.
  static ToolChoice tool(std::string name) { return ToolChoice(Mode::tool, std::move(name)); }

  Mode mode() const noexcept { return mode_; }
  /// The tool of `tool(name)`; else empty.
  const std::string& name() const noexcept { return name_; }
  bool operator==(const ToolChoice&) const = default;

 private:
  ToolChoice(Mode mode, std::string name) : name_(std::move(name)), mode_(mode) {}
  std::string name_;
  Mode mode_ = Mode::automatic;
};

/// The JSON Schema that the answer's text has to be a document of.
class OutputSchema {
 public:
  OutputSchema() = default;
  explicit OutputSchema(JsonValue s, std::string n = "answer") : schema(std::move(s)), name(std::move(n)) {}

  JsonValue schema;
  std::string name;
  bool strict = true;
  bool operator==(const OutputSchema&) const = default;
};

/// One question to a model: the conversation so far, and how to answer. What is not set is left to the provider.
///
/// ```cpp
/// af::ChatRequest request("What is the weather in Rome?");
/// request.tools.push_back(af::ToolSpec("weather", "Tells the weather of a city", schema));
/// const af::ChatResponse answer = co_await model->complete(request);
/// ```
class ChatRequest {
 public:
  ChatRequest() = default;
  /// Asks with one user message.
  explicit ChatRequest(std::string prompt) { messages.push_back(Message::user(std::move(prompt))); }
  /// Takes the messages of a `List`, a vector or the like. A message costs a pointer.
  template <class Range>
    requires requires(const Range& r) {
      { *r.begin() } -> std::convertible_to<const Message&>;
      r.end();
    }
  explicit ChatRequest(const Range& conversation) : messages(conversation.begin(), conversation.end()) {}

  /// System messages may stand anywhere; providers that take them apart get them joined, in order.
  std::vector<Message> messages;
  /// Another model than the one the `ChatModel` was made for.
  std::string model;

  std::vector<ToolSpec> tools;
  ToolChoice tool_choice;
  /// Whether one answer may hold several calls.
  std::optional<bool> parallel_tool_calls;
  std::optional<OutputSchema> output;

  std::optional<double> temperature, top_p;
  std::optional<std::uint64_t> max_tokens, seed;
  std::vector<std::string> stop;
  /// How much the model thinks before it answers, in the provider's words: "low", "medium", "high". Empty: its default.
  std::string reasoning;
  /// An object whose members are put into the provider's request as they are, over ours.
  JsonValue extra;

  /// Limits the whole call in time, streams and retries included.
  std::optional<std::chrono::nanoseconds> timeout;
  /// An answer past one of these limits fails with `errc::model_protocol`.
  std::size_t max_tool_calls = 64;
  std::size_t max_answer_bytes = std::size_t{16} << 20;
  /// Keeps what was sent, and of a stream what came, in the response's `raw_request` and `raw`.
  bool keep_raw = false;
};

static_assert(!std::is_aggregate_v<ToolSpec> && !std::is_aggregate_v<ToolChoice> &&
              !std::is_aggregate_v<OutputSchema> && !std::is_aggregate_v<ChatRequest>);

}  // namespace agentflow
