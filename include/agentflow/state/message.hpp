// SPDX-License-Identifier: MIT
// Message: one message of a conversation, immutable and shared.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <agentflow/core/config.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/state/content_block.hpp>

namespace agentflow {

/// Who speaks in a message.
enum class Role : std::uint8_t { system, user, assistant, tool };

/// Gives "system", "user", "assistant" or "tool".
AGENTFLOW_API std::string_view to_string(Role role) noexcept;
/// Reads what `to_string` wrote, and nothing else.
AGENTFLOW_API std::optional<Role> parse_role(std::string_view name) noexcept;

/// What a model's answer cost. `cached` is the part of `input` served from a cache, `reasoning` the part of `output`
/// spent on reasoning: neither adds to the total.
class TokenUsage {
 public:
  TokenUsage() = default;
  explicit TokenUsage(std::uint64_t input, std::uint64_t output, std::uint64_t cached = 0, std::uint64_t reasoning = 0)
      : input_tokens(input), output_tokens(output), cached_tokens(cached), reasoning_tokens(reasoning) {}

  std::uint64_t input_tokens = 0, output_tokens = 0, cached_tokens = 0, reasoning_tokens = 0;

  std::uint64_t total() const noexcept { return input_tokens + output_tokens; }
  AGENTFLOW_API TokenUsage& operator+=(const TokenUsage& other) noexcept;
  bool operator==(const TokenUsage&) const = default;
};
static_assert(!std::is_aggregate_v<TokenUsage>);

/// One message of a conversation. Never changes, so a copy costs a pointer and conversations share their messages.
///
/// A new message has an id of its own (`make_message_id`) and the time of its making; set both to have messages that
/// compare equal from run to run. The `with_` functions give a changed message; on a temporary, as in
/// `Message::user("hi").with_name("ann")`, they change it in place.
///
/// **Thread safety** Distinct objects: safe, also when they are copies of one another. Shared objects: safe while
/// nobody assigns to them.
///
/// **Complexity/blocking** `from_text` allocates twice, besides what the text holds; copies and moves never do.
class AGENTFLOW_VISIBLE Message {
 public:
  using Clock = std::chrono::system_clock;

  /// Makes an empty user message without id, at time 0. Does not allocate. A message moved from is like this.
  Message() noexcept = default;
  Message(Role role, std::vector<ContentBlock> content);

  static Message from_text(std::string text, Role role = Role::user);
  /// The same as `from_text`.
  static Message text_message(std::string text, Role role = Role::user) { return from_text(std::move(text), role); }
  static Message system(std::string text) { return from_text(std::move(text), Role::system); }
  static Message user(std::string text) { return from_text(std::move(text), Role::user); }
  static Message assistant(std::string text) { return from_text(std::move(text), Role::assistant); }
  /// Makes the answer to a tool call; `with_block` adds the answers to further calls.
  static Message tool(ToolResultBlock result);
  static Message tool(std::string call_id, std::string text) {
    return tool(ToolResultBlock(std::move(call_id), std::move(text)));
  }
  /// Makes a marker that the reducer `add_messages` takes as "remove the message with this id". It has no content.
  static Message remove(std::string id);

  const std::string& id() const noexcept;
  Role role() const noexcept;
  const std::vector<ContentBlock>& content() const noexcept;
  /// The text blocks, one after the other.
  std::string text() const;
  bool has_tool_calls() const noexcept;
  std::vector<ToolCallBlock> tool_calls() const;
  /// What the answer cost, if the model said so.
  const std::optional<TokenUsage>& usage() const noexcept;
  /// An object, or null when there is none.
  const JsonValue& metadata() const noexcept;
  /// Who speaks, where one role has several speakers; else empty.
  const std::string& name() const noexcept;
  Clock::time_point timestamp() const noexcept;
  bool is_removal() const noexcept;

  [[nodiscard]] Message with_id(std::string id) const&;
  [[nodiscard]] Message with_id(std::string id) &&;
  [[nodiscard]] Message with_role(Role role) const&;
  [[nodiscard]] Message with_role(Role role) &&;
  [[nodiscard]] Message with_name(std::string name) const&;
  [[nodiscard]] Message with_name(std::string name) &&;
  /// Adds a block at the end.
  [[nodiscard]] Message with_block(ContentBlock block) const&;
  [[nodiscard]] Message with_block(ContentBlock block) &&;
  /// Replaces all blocks.
  [[nodiscard]] Message with_blocks(std::vector<ContentBlock> blocks) const&;
  [[nodiscard]] Message with_blocks(std::vector<ContentBlock> blocks) &&;
  [[nodiscard]] Message with_usage(std::optional<TokenUsage> usage) const&;
  [[nodiscard]] Message with_usage(std::optional<TokenUsage> usage) &&;
  /// Replaces the metadata. **Errors** `json_error` (json_type) when it is neither an object nor null.
  [[nodiscard]] Message with_metadata(JsonValue object) const&;
  [[nodiscard]] Message with_metadata(JsonValue object) &&;
  [[nodiscard]] Message with_timestamp(Clock::time_point time) const&;
  [[nodiscard]] Message with_timestamp(Clock::time_point time) &&;

  /// Same message, or equal in everything: id, time and all.
  friend bool operator==(const Message& a, const Message& b) { return a.data_ == b.data_ || equal(a, b); }

  friend AGENTFLOW_API void agentflow_read_json(const JsonReader& in, Message& message);

 private:
  struct Data;
  static bool equal(const Message& a, const Message& b);
  const Data& data() const noexcept;
  Data& edit();

  std::shared_ptr<const Data> data_;  // null for the empty message
};

/// Gives role, name and content for people: `assistant: I look. [tool_call weather {"city":"Rome"}]`.
AGENTFLOW_API std::string to_string(const Message& message);
AGENTFLOW_API std::ostream& operator<<(std::ostream& out, const Message& message);
AGENTFLOW_API std::ostream& operator<<(std::ostream& out, Role role);

/// The JSON of a message is an object: id, role, content (an array of blocks), timestamp (nanoseconds since the epoch),
/// and name, usage and metadata where they are set. That of a removal is `{"remove": id}`. Reading is strict: a member
/// too many or too few is a `json_error`.
AGENTFLOW_API void agentflow_write_json(JsonWriter& out, const Message& message);
AGENTFLOW_API void agentflow_read_json(const JsonReader& in, Message& message);
AGENTFLOW_API void agentflow_write_json(JsonWriter& out, const TokenUsage& usage);
AGENTFLOW_API void agentflow_read_json(const JsonReader& in, TokenUsage& usage);
/// A role is its name.
AGENTFLOW_API void agentflow_write_json(JsonWriter& out, const Role& role);
AGENTFLOW_API void agentflow_read_json(const JsonReader& in, Role& role);

}  // namespace agentflow
