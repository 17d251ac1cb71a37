// SPDX-License-Identifier: MIT
// The wire format of Anthropic's Messages.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "llm/wire.hpp"

namespace agentflow::llm {
namespace {

// The signature of a thought, and whole blocks that only Anthropic understands: redacted thoughts, its own tools.
constexpr std::string_view thought_prefix = "anthropic:", block_prefix = "anthropic-block:";

// ---- requests ----

json source_of(const MediaSource& source) {
  json out;
  out["type"] = source.is_url() ? "url" : "base64";
  out[source.is_url() ? "url" : "data"] = source.value();
  if (!source.is_url()) out["media_type"] = source.media_type();
  return out;
}

/// A block of a message; null for what this format has no word for, and for empty text, which it refuses.
json block_of(const ContentBlock& block) {
  json out;
  if (const auto* t = block.get_if<TextBlock>()) {
    if (t->text.empty()) return out;
    out["type"] = "text";
    out["text"] = t->text;
  } else if (const auto* j = block.get_if<DataBlock>()) {
    out["type"] = "text";
    out["text"] = j->data.dump();
  } else if (const auto* i = block.get_if<ImageBlock>()) {
    out["type"] = "image";
    out["source"] = source_of(i->source);
  } else if (const auto* d = block.get_if<DocumentBlock>()) {
    out["type"] = "document";
    out["source"] = source_of(d->source);
    if (!d->title.empty()) out["title"] = d->title;
  } else if (const auto* c = block.get_if<ToolCallBlock>()) {
    out["type"] = "tool_use";
    out["id"] = c->id;
    out["name"] = c->name;
    out["input"] = arguments_object(c->arguments);
  } else if (const auto* r = block.get_if<ToolResultBlock>()) {
    out["type"] = "tool_result";
    out["tool_use_id"] = r->call_id;
    out["content"] = result_text(*r);
    if (r->is_error) out["is_error"] = true;
  } else if (const auto* thought = block.get_if<ReasoningBlock>()) {
    if (const auto whole = own_signature(*thought, block_prefix)) return JsonValue::parse(*whole).get();
    const auto signature = own_signature(*thought, thought_prefix);
    if (!signature) return out;  // another provider's
    out["type"] = "thinking";
    out["thinking"] = thought->text;
    out["signature"] = *signature;
  }
  return out;
}

/// Turns alternate; the answers of tools stand first in theirs.
json messages_of(const ChatRequest& request) {
  json out = json::array();
  for (const Message& message : request.messages) {
    if (message.role() == Role::system) continue;
    const char* role = message.role() == Role::assistant ? "assistant" : "user";
    if (out.empty() || out.back()["role"] != role) {
      json turn;
      turn["role"] = role;
      turn["content"] = json::array();
      out.push_back(std::move(turn));
    }
    json& content = out.back()["content"];
    for (const ContentBlock& block : message.content())
      if (json b = block_of(block); !b.is_null()) content.push_back(std::move(b));
  }
  for (json& turn : out) {
    auto& content = *turn["content"].get_ptr<json::array_t*>();
    std::stable_partition(content.begin(), content.end(),
                          [](const json& b) { return text(b, "type") == "tool_result"; });
  }
  out.erase(std::remove_if(out.begin(), out.end(), [](const json& turn) { return turn["content"].empty(); }),
            out.end());
  return out;
}

void put_tools(json& body, const ChatRequest& request) {
  if (request.tools.empty()) return;
  for (const ToolSpec& tool : request.tools) {
    json t;
    t["name"] = tool.name;
    if (!tool.description.empty()) t["description"] = tool.description;
    t["input_schema"] = parameters_of(tool);
    if (tool.strict) t["strict"] = true;
    body["tools"].push_back(std::move(t));
  }
  static constexpr const char* words[] = {"auto", "none", "any", "tool"};
  json choice;
  const auto mode = request.tool_choice.mode();
  choice["type"] = words[static_cast<int>(mode)];
  if (mode == ToolChoice::Mode::tool) choice["name"] = request.tool_choice.name();
  if (request.parallel_tool_calls && mode != ToolChoice::Mode::none)
    choice["disable_parallel_tool_use"] = !*request.parallel_tool_calls;
  if (mode != ToolChoice::Mode::automatic || request.parallel_tool_calls) body["tool_choice"] = std::move(choice);
}

void put_reasoning(json& body, const std::string& reasoning) {
  if (reasoning.empty()) return;
  std::uint64_t budget = 0;
  const auto [end, ec] = std::from_chars(reasoning.data(), reasoning.data() + reasoning.size(), budget);
  if (reasoning == "none") {
    body["thinking"]["type"] = "disabled";
  } else if (ec == std::errc() && end == reasoning.data() + reasoning.size()) {
    body["thinking"]["type"] = "enabled";
    body["thinking"]["budget_tokens"] = budget;
  } else {
    body["thinking"]["type"] = "adaptive";
    body["output_config"]["effort"] = reasoning;
  }
}

// ---- answers ----

StopReason reason_of(const std::string& word) {
  if (word == "end_turn") return StopReason::end;
  if (word == "tool_use") return StopReason::tool_calls;
  if (word == "max_tokens" || word == "model_context_window_exceeded") return StopReason::length;
  if (word == "stop_sequence") return StopReason::stop_sequence;
  if (word == "refusal") return StopReason::refused;
  if (word == "pause_turn") return StopReason::paused;
  return StopReason::other;
}

class AnthropicDecoder final : public Decoder {
 public:
  void whole(const json& answer, Answer& out) override {
    if (text(answer, "type") == "error") throw classify(0, answer, {});
    start(answer, out);
    std::uint64_t index = 0;
    for (const json& block : array(answer, "content")) {
      begin(block, index, out);
      end(index++, out);
    }
    stop(answer, out);
    if (!out.complete)
      throw model_error(errc::model_protocol, "the answer has no stop_reason: is the base URL that of Anthropic?");
  }

  void event(const json& data, const std::string& name, Answer& out) override {
    const std::string type = text(data, "type").empty() ? name : text(data, "type");
    const std::uint64_t index = number(data, "index");
    if (type == "error") throw classify(0, data, {});
    if (type == "message_start") start(object(data, "message"), out);
    if (type == "content_block_start") begin(object(data, "content_block"), index, out);
    if (type == "content_block_delta") delta(object(data, "delta"), index, out);
    if (type == "content_block_stop") end(index, out);
    if (type == "message_delta") {
      usage(object(data, "usage"), out);
      stop(object(data, "delta"), out);
    }
    if (type == "message_stop") out.complete = out.done = true;
  }
  void finish(Answer& out) override {
    blocks_.end_all(out);
    if (!stopped_) out.add(ChatEvent::stopped(StopReason::other));
  }

 private:
  class Block {
   public:
    Block() = default;
    std::optional<std::size_t> number;
    json opaque;        // a block of a kind we do not know
    std::string input;  // and the pieces of its input
  };

  void start(const json& message, Answer& out) {
    out.model = text(message, "model");
    out.id = text(message, "id");
    usage(object(message, "usage"), out);
  }

  void begin(const json& block, std::uint64_t index, Answer& out) {
    const std::string type = text(block, "type");
    Block& b = open_[index] = Block();
    if (type == "text") {
      if (std::string words = text(block, "text"); !words.empty())
        out.add(ChatEvent::text_piece(blocks_.running(b.number), std::move(words)));
    } else if (type == "thinking") {
      const std::size_t at = blocks_.running(b.number);
      out.add(ChatEvent::reasoning_piece(at, text(block, "thinking"), signed_with(text(block, "signature"), at)));
    } else if (type == "tool_use") {
      auto& call = blocks_.begin(std::to_string(index), text(block, "id"), text(block, "name"), out);
      b.number = call.block;
      // A stream begins with {} and then brings the input.
      if (const json& input = object(block, "input"); !input.empty()) Blocks::arguments(call, input.dump(), out);
    } else if (!type.empty()) {
      b.opaque = block;
    }
  }

  void delta(const json& d, std::uint64_t index, Answer& out) {
    const auto at = open_.find(index);
    if (at == open_.end()) return;
    Block& b = at->second;
    const std::string type = text(d, "type");
    if (type == "text_delta") {
      if (std::string words = text(d, "text"); !words.empty())
        out.add(ChatEvent::text_piece(blocks_.running(b.number), std::move(words)));
    } else if (type == "thinking_delta") {
      out.add(ChatEvent::reasoning_piece(blocks_.running(b.number), text(d, "thinking")));
    } else if (type == "signature_delta") {
      const std::size_t number = blocks_.running(b.number);
      out.add(ChatEvent::reasoning_piece(number, {}, signed_with(text(d, "signature"), number)));
    } else if (type == "input_json_delta") {
      if (auto* call = blocks_.find(std::to_string(index)))
        Blocks::arguments(*call, text(d, "partial_json"), out);
      else
        b.input += text(d, "partial_json");
    }
  }

  void end(std::uint64_t index, Answer& out) {
    if (auto* call = blocks_.find(std::to_string(index))) Blocks::end(*call, out);
    const auto at = open_.find(index);
    if (at == open_.end()) return;
    Block b = std::move(at->second);
    open_.erase(at);
    if (b.opaque.is_null()) return;
    if (!b.input.empty()) b.opaque["input"] = JsonValue::parse(b.input).get();
    out.add(ChatEvent::reasoning_piece(blocks_.fresh(), {}, std::string(block_prefix) + b.opaque.dump()));
  }

  /// The prefix goes before the first piece of a signature.
  std::string signed_with(std::string piece, std::size_t block) {
    if (piece.empty() || !signed_.insert(block).second) return piece;
    return std::string(thought_prefix) + piece;
  }

  /// Each number is a total so far, and the later event need not repeat all of them.
  void usage(const json& u, Answer& out) {
    if (u.empty()) return;
    const auto take = [&u](std::uint64_t& into, std::string_view key) {
      if (llm::find(u, key) != nullptr) into = number(u, key);
    };
    take(input_, "input_tokens");
    take(output_, "output_tokens");
    take(written_, "cache_creation_input_tokens");
    take(cached_, "cache_read_input_tokens");
    out.add(ChatEvent::usage_so_far(TokenUsage(input_ + written_ + cached_, output_, cached_)));
  }

  void stop(const json& where, Answer& out) {
    const std::string reason = text(where, "stop_reason");
    if (reason.empty() || std::exchange(stopped_, true)) return;
    blocks_.end_all(out);
    out.add(ChatEvent::stopped(reason_of(reason)));
    out.complete = true;
  }

  Blocks blocks_;
  std::map<std::uint64_t, Block> open_;
  std::set<std::size_t> signed_;
  std::uint64_t input_ = 0, output_ = 0, written_ = 0, cached_ = 0;
  bool stopped_ = false;
};

class AnthropicWire final : public Wire {
 public:
  std::string name() const override { return "anthropic"; }
  std::string url(const ProviderOptions& options, const std::string&, bool) const override {
    std::string base = options.base_url().empty() ? "https://api.anthropic.com" : options.base_url();
    while (base.ends_with('/')) base.pop_back();
    if (base.ends_with("/v1")) base.resize(base.size() - 3);
    return endpoint(std::move(base), "", "/v1/messages");
  }
  void authorize(http::Request& request, const ProviderOptions& options) const override {
    request.header("anthropic-version", options.anthropic_version());
    if (!options.api_key().empty()) request.secret_header("x-api-key", "", options.api_key());
  }
  std::unique_ptr<Decoder> decoder() const override { return std::make_unique<AnthropicDecoder>(); }

  json body(const ChatRequest& request, const std::string& model, const ProviderOptions& options,
            bool stream) const override {
    json body;
    body["model"] = model;
    body["max_tokens"] = request.max_tokens.value_or(options.default_max_tokens());
    if (std::string system = system_text(request); !system.empty()) body["system"] = std::move(system);
    body["messages"] = messages_of(request);
    put_tools(body, request);
    put_reasoning(body, request.reasoning);
    if (request.output) {
      json& f = body["output_config"]["format"];
      f["type"] = "json_schema";
      f["schema"] = request.output->schema.get();
    }
    if (options.anthropic_version() < "2026-10-21") {  // dates, so the order of texts is that of time
      if (request.temperature) body["temperature"] = *request.temperature;
      if (request.top_p) body["top_p"] = *request.top_p;
    }
    if (!request.stop.empty()) body["stop_sequences"] = request.stop;
    if (stream) body["stream"] = true;
    merge_extra(body, request);
    return body;
  }
};

}  // namespace

std::unique_ptr<Wire> anthropic_wire() { return std::make_unique<AnthropicWire>(); }

}  // namespace agentflow::llm
