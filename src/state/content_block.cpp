// SPDX-License-Identifier: MIT
// Content blocks as JSON and as text.
#include <agentflow/state/content_block.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <ostream>

#include <agentflow/core/json_codec.hpp>

namespace agentflow {
namespace {

// In the order of ContentBlock::Variant.
constexpr std::array<std::string_view, 9> type_names = {"text",      "image",       "audio",     "document", "data",
                                                        "tool_call", "tool_result", "reasoning", "error"};
static_assert(type_names.size() == std::variant_size_v<ContentBlock::Variant>);

// Writes the fields of a block after its type.
class FieldWriter {
 public:
  explicit FieldWriter(JsonWriter& out) : out_(out) {}

  void operator()(const TextBlock& b) { field("text", b.text); }
  void operator()(const ImageBlock& b) { source(b.source); }
  void operator()(const AudioBlock& b) { source(b.source); }
  void operator()(const DocumentBlock& b) {
    source(b.source);
    unless_empty("title", b.title);
  }
  void operator()(const DataBlock& b) { field("data", b.data); }
  void operator()(const ToolCallBlock& b) {
    field("id", b.id);
    field("name", b.name);
    field("arguments", b.arguments);
  }
  void operator()(const ToolResultBlock& b) {
    field("call_id", b.call_id);
    if (b.data.is_null())
      field("text", b.text);
    else
      unless_empty("text", b.text);
    if (!b.data.is_null()) field("data", b.data);
    if (b.is_error) field("is_error", true);
  }
  void operator()(const ReasoningBlock& b) {
    field("text", b.text);
    unless_empty("signature", b.signature);
  }
  void operator()(const ErrorBlock& b) {
    field("code", b.code);
    field("message", b.message);
  }

 private:
  template <class T>
  void field(std::string_view name, const T& value) {
    out_.key(name);
    write_json(out_, value);
  }
  void unless_empty(std::string_view name, const std::string& value) {
    if (!value.empty()) field(name, value);
  }
  void source(const MediaSource& s) {
    field(s.is_url() ? "url" : "data", s.value());
    unless_empty("media_type", s.media_type());
  }

  JsonWriter& out_;
};

class FieldReader {
 public:
  explicit FieldReader(const JsonReader& in) : in_(in) {}

  void only(std::initializer_list<std::string_view> names) const { check_members(in_, {names.begin(), names.size()}); }
  std::string text(std::string_view name) const { return std::string(in_.at(name).as_string()); }
  std::string optional_text(std::string_view name) const { return in_.find(name) ? text(name) : std::string(); }
  JsonValue json(std::string_view name) const { return in_.at(name).value(); }
  MediaSource source() const {
    if (!in_.find("data")) return MediaSource::from_url(text("url"), optional_text("media_type"));
    if (in_.find("url")) in_.at("url").fail(errc::json_unknown, "a source has either \"url\" or \"data\"");
    return MediaSource::from_base64(text("data"), optional_text("media_type"));
  }
  ToolResultBlock tool_result() const {
    ToolResultBlock b(text("call_id"), optional_text("text"));
    if (const auto data = in_.find("data"))
      b.data = data->value();
    else
      in_.at("text");  // one of the two must be there
    if (const auto error = in_.find("is_error")) b.is_error = error->as_bool();
    return b;
  }

 private:
  const JsonReader& in_;
};

// One-line pieces for people.
class Printer {
 public:
  std::string operator()(const TextBlock& b) const { return b.text; }
  std::string operator()(const ImageBlock& b) const { return "[image " + source(b.source) + "]"; }
  std::string operator()(const AudioBlock& b) const { return "[audio " + source(b.source) + "]"; }
  std::string operator()(const DocumentBlock& b) const {
    return "[document " + (b.title.empty() ? "" : b.title + " ") + source(b.source) + "]";
  }
  std::string operator()(const DataBlock& b) const { return "[data " + b.data.dump() + "]"; }
  std::string operator()(const ToolCallBlock& b) const {
    return "[tool_call " + b.name + " " + b.arguments.dump() + "]";
  }
  std::string operator()(const ToolResultBlock& b) const {
    std::string out = b.is_error ? "[tool_result error: " : "[tool_result ";
    out += b.text;
    if (!b.data.is_null()) out += (b.text.empty() ? "" : " ") + b.data.dump();
    return out + "]";
  }
  std::string operator()(const ReasoningBlock& b) const { return "[reasoning " + b.text + "]"; }
  std::string operator()(const ErrorBlock& b) const { return "[error " + b.code + ": " + b.message + "]"; }

 private:
  static std::string source(const MediaSource& s) {
    return s.is_url() ? s.value() : s.media_type() + ", " + std::to_string(s.value().size()) + " bytes of base64";
  }
};

}  // namespace

std::string_view ContentBlock::type() const noexcept { return type_names[value_.index()]; }

void agentflow_write_json(JsonWriter& out, const ContentBlock& block) {
  out.begin_object();
  out.key("type");
  out.string(block.type());
  std::visit(FieldWriter(out), block.value());
  out.end_object();
}

void agentflow_read_json(const JsonReader& in, ContentBlock& block) {
  const JsonReader type = in.at("type");
  const auto name = std::find(type_names.begin(), type_names.end(), type.as_string());
  const FieldReader f(in);
  switch (name - type_names.begin()) {
    case 0:
      f.only({"type", "text"});
      block = TextBlock(f.text("text"));
      return;
    case 1:
      f.only({"type", "url", "data", "media_type"});
      block = ImageBlock(f.source());
      return;
    case 2:
      f.only({"type", "url", "data", "media_type"});
      block = AudioBlock(f.source());
      return;
    case 3:
      f.only({"type", "url", "data", "media_type", "title"});
      block = DocumentBlock(f.source(), f.optional_text("title"));
      return;
    case 4:
      f.only({"type", "data"});
      block = DataBlock(f.json("data"));
      return;
    case 5:
      f.only({"type", "id", "name", "arguments"});
      block = ToolCallBlock(f.text("id"), f.text("name"), f.json("arguments"));
      return;
    case 6:
      f.only({"type", "call_id", "text", "data", "is_error"});
      block = f.tool_result();
      return;
    case 7:
      f.only({"type", "text", "signature"});
      block = ReasoningBlock(f.text("text"), f.optional_text("signature"));
      return;
    case 8:
      f.only({"type", "code", "message"});
      block = ErrorBlock(f.text("code"), f.text("message"));
      return;
    default: break;
  }
  std::string known;
  for (const std::string_view n : type_names) known += (known.empty() ? "" : ", ") + std::string(n);
  type.fail(errc::json_type, "not a type of content block; there are: " + known);
}

std::string to_string(const ContentBlock& block) { return std::visit(Printer(), block.value()); }

std::ostream& operator<<(std::ostream& out, const ContentBlock& block) { return out << to_string(block); }

}  // namespace agentflow
