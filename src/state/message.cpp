// SPDX-License-Identifier: MIT
// Messages: the shared data, changing copies, JSON.
#include <agentflow/state/message.hpp>

#include <array>
#include <ostream>

#include <agentflow/core/ids.hpp>
#include <agentflow/core/json_codec.hpp>

namespace agentflow {

struct Message::Data {
  std::string id;
  std::vector<ContentBlock> content;
  std::string name;
  std::optional<TokenUsage> usage;
  JsonValue metadata;
  Clock::time_point timestamp;
  Role role = Role::user;
  bool removal = false;

  bool operator==(const Data&) const = default;
};

namespace {

constexpr std::array<std::string_view, 4> role_names = {"system", "user", "assistant", "tool"};

// Takes a temporary: a vector made from a braced list would copy it.
std::vector<ContentBlock> one_block(ContentBlock block) {
  std::vector<ContentBlock> blocks;
  blocks.push_back(std::move(block));
  return blocks;
}

}  // namespace

std::string_view to_string(Role role) noexcept {
  const auto i = static_cast<std::size_t>(role);
  return i < role_names.size() ? role_names[i] : "unknown";
}

std::optional<Role> parse_role(std::string_view name) noexcept {
  for (std::size_t i = 0; i < role_names.size(); ++i)
    if (role_names[i] == name) return static_cast<Role>(i);
  return std::nullopt;
}

TokenUsage& TokenUsage::operator+=(const TokenUsage& other) noexcept {
  input_tokens += other.input_tokens;
  output_tokens += other.output_tokens;
  cached_tokens += other.cached_tokens;
  reasoning_tokens += other.reasoning_tokens;
  return *this;
}

Message::Message(Role role, std::vector<ContentBlock> content) {
  auto data = std::make_shared<Data>();
  data->id = make_message_id();
  data->content = std::move(content);
  data->timestamp = Clock::now();
  data->role = role;
  data_ = std::move(data);
}

Message Message::from_text(std::string text, Role role) { return Message(role, one_block(TextBlock(std::move(text)))); }
Message Message::tool(ToolResultBlock result) { return Message(Role::tool, one_block(std::move(result))); }

Message Message::remove(std::string id) {
  auto data = std::make_shared<Data>();
  data->id = std::move(id);
  data->removal = true;
  Message message;
  message.data_ = std::move(data);
  return message;
}

const Message::Data& Message::data() const noexcept {
  static const Data empty;
  return data_ ? *data_ : empty;
}

// Gives the data for changing: ours alone, a copy if it was shared.
Message::Data& Message::edit() {
  if (data_.use_count() == 1) {
    // Only we can reach it. Another thread may have let go of it just now: taking and dropping a share of our own is a
    // read-modify-write of the count, which orders its reads before our writes (use_count() alone is a relaxed load).
    std::shared_ptr<const Data>(data_).reset();
  } else {
    data_ = std::make_shared<Data>(data());
  }
  return const_cast<Data&>(*data_);  // made as a non-const Data, here or in a constructor
}

const std::string& Message::id() const noexcept { return data().id; }
Role Message::role() const noexcept { return data().role; }
const std::vector<ContentBlock>& Message::content() const noexcept { return data().content; }
const std::optional<TokenUsage>& Message::usage() const noexcept { return data().usage; }
const JsonValue& Message::metadata() const noexcept { return data().metadata; }
const std::string& Message::name() const noexcept { return data().name; }
Message::Clock::time_point Message::timestamp() const noexcept { return data().timestamp; }
bool Message::is_removal() const noexcept { return data().removal; }

std::string Message::text() const {
  std::string out;
  for (const ContentBlock& block : content())
    if (const auto* b = block.get_if<TextBlock>()) out += b->text;
  return out;
}

bool Message::has_tool_calls() const noexcept {
  for (const ContentBlock& block : content())
    if (block.get_if<ToolCallBlock>() != nullptr) return true;
  return false;
}

std::vector<ToolCallBlock> Message::tool_calls() const {
  std::vector<ToolCallBlock> calls;
  for (const ContentBlock& block : content())
    if (const auto* call = block.get_if<ToolCallBlock>()) calls.push_back(*call);
  return calls;
}

Message Message::with_id(std::string id) && {
  edit().id = std::move(id);
  return std::move(*this);
}
Message Message::with_role(Role role) && {
  edit().role = role;
  return std::move(*this);
}
Message Message::with_name(std::string name) && {
  edit().name = std::move(name);
  return std::move(*this);
}
Message Message::with_block(ContentBlock block) && {
  edit().content.push_back(std::move(block));
  return std::move(*this);
}
Message Message::with_blocks(std::vector<ContentBlock> blocks) && {
  edit().content = std::move(blocks);
  return std::move(*this);
}
Message Message::with_usage(std::optional<TokenUsage> usage) && {
  edit().usage = usage;
  return std::move(*this);
}
Message Message::with_metadata(JsonValue object) && {
  if (!object.is_null() && !JsonReader(object).is_object())
    JsonReader(object).fail(errc::json_type, "the metadata of a message is an object, or null");
  edit().metadata = std::move(object);
  return std::move(*this);
}
Message Message::with_timestamp(Clock::time_point time) && {
  edit().timestamp = time;
  return std::move(*this);
}

// The same on a copy, which shares its data, so that edit() leaves the original alone.
Message Message::with_id(std::string id) const& { return Message(*this).with_id(std::move(id)); }
Message Message::with_role(Role role) const& { return Message(*this).with_role(role); }
Message Message::with_name(std::string name) const& { return Message(*this).with_name(std::move(name)); }
Message Message::with_block(ContentBlock block) const& { return Message(*this).with_block(std::move(block)); }
Message Message::with_blocks(std::vector<ContentBlock> blocks) const& {
  return Message(*this).with_blocks(std::move(blocks));
}
Message Message::with_usage(std::optional<TokenUsage> usage) const& { return Message(*this).with_usage(usage); }
Message Message::with_metadata(JsonValue object) const& { return Message(*this).with_metadata(std::move(object)); }
Message Message::with_timestamp(Clock::time_point time) const& { return Message(*this).with_timestamp(time); }

bool Message::equal(const Message& a, const Message& b) { return a.data() == b.data(); }

std::string to_string(const Message& message) {
  if (message.is_removal()) return "remove " + message.id();
  std::string out(to_string(message.role()));
  if (!message.name().empty()) out += " (" + message.name() + ")";
  out += ':';
  for (const ContentBlock& block : message.content()) out += " " + to_string(block);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Message& message) { return out << to_string(message); }
std::ostream& operator<<(std::ostream& out, Role role) { return out << to_string(role); }

void agentflow_write_json(JsonWriter& out, const Role& role) {
  const auto i = static_cast<std::size_t>(role);
  if (i >= role_names.size()) out.fail(errc::json_type, "not a role: " + std::to_string(i));
  out.string(role_names[i]);
}

void agentflow_read_json(const JsonReader& in, Role& role) {
  const auto parsed = parse_role(in.as_string());
  if (!parsed) in.fail(errc::json_type, "not a role; there are: system, user, assistant, tool");
  role = *parsed;
}

void agentflow_write_json(JsonWriter& out, const TokenUsage& usage) {
  out.begin_object();
  const auto field = [&out](std::string_view name, std::uint64_t value) {
    out.key(name);
    out.unsigned_integer(value);
  };
  field("input_tokens", usage.input_tokens);
  field("output_tokens", usage.output_tokens);
  if (usage.cached_tokens != 0) field("cached_tokens", usage.cached_tokens);
  if (usage.reasoning_tokens != 0) field("reasoning_tokens", usage.reasoning_tokens);
  out.end_object();
}

void agentflow_read_json(const JsonReader& in, TokenUsage& usage) {
  static constexpr std::array<std::string_view, 4> names = {"input_tokens", "output_tokens", "cached_tokens",
                                                            "reasoning_tokens"};
  check_members(in, names);
  const auto optional = [&in](std::string_view name) {
    const auto member = in.find(name);
    return member ? member->as_uint64() : 0;
  };
  usage = TokenUsage(in.at(names[0]).as_uint64(), in.at(names[1]).as_uint64(), optional(names[2]), optional(names[3]));
}

void agentflow_write_json(JsonWriter& out, const Message& message) {
  const auto field = [&out](std::string_view name, const auto& value) {
    out.key(name);
    write_json(out, value);
  };
  out.begin_object();
  if (message.is_removal()) {
    field("remove", message.id());
  } else {
    field("id", message.id());
    field("role", message.role());
    if (!message.name().empty()) field("name", message.name());
    field("content", message.content());
    if (message.usage()) field("usage", *message.usage());
    if (!message.metadata().is_null()) field("metadata", message.metadata());
    field("timestamp", message.timestamp());
  }
  out.end_object();
}

void agentflow_read_json(const JsonReader& in, Message& message) {
  if (const auto id = in.find("remove")) {
    static constexpr std::array<std::string_view, 1> only = {"remove"};
    check_members(in, only);
    message = Message::remove(std::string(id->as_string()));
    return;
  }
  static constexpr std::array<std::string_view, 7> names = {"id",    "role",     "name",     "content",
                                                            "usage", "metadata", "timestamp"};
  check_members(in, names);
  auto data = std::make_shared<Message::Data>();
  read_member(in, "id", data->id);
  read_member(in, "role", data->role);
  read_member(in, "content", data->content);
  read_member(in, "timestamp", data->timestamp);
  read_member(in, "usage", data->usage);
  if (const auto name = in.find("name"); name && !name->is_null()) data->name = name->as_string();
  if (const auto metadata = in.find("metadata")) {
    if (!metadata->is_object() && !metadata->is_null())
      metadata->fail(errc::json_type, "metadata is an object, or null");
    data->metadata = metadata->value();
  }
  message.data_ = std::move(data);
}

}  // namespace agentflow
