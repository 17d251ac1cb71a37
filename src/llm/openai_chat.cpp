// SPDX-License-Identifier: MIT
// The wire format of OpenAI's chat completions, as it is and as other servers speak it.
#include "llm/openai.hpp"

namespace agentflow::llm {
namespace {

// ---- requests ----

json audio_part(const MediaSource& source) {
  json out;
  out["type"] = "input_audio";
  out["input_audio"]["data"] = source.value();
  out["input_audio"]["format"] = source.media_type().ends_with("wav") ? "wav" : "mp3";
  return out;
}

json text_part(std::string text) {
  json out;
  out["type"] = "text";
  out["text"] = std::move(text);
  return out;
}

/// A part of what a user says; null for what this format has no word for.
json user_part(const ContentBlock& block) {
  if (const auto* b = block.get_if<TextBlock>()) return text_part(b->text);
  if (const auto* b = block.get_if<DataBlock>()) return text_part(b->data.dump());
  json out;
  if (const auto* b = block.get_if<ImageBlock>()) {
    out["type"] = "image_url";
    out["image_url"]["url"] = data_url(b->source);
  } else if (const auto* a = block.get_if<AudioBlock>()) {
    out = audio_part(a->source);
  } else if (const auto* d = block.get_if<DocumentBlock>()) {
    out["type"] = "file";
    out["file"]["file_data"] = data_url(d->source);
    out["file"]["filename"] = d->title.empty() ? "document" : d->title;
  }
  return out;
}

json user_content(const Message& message) {
  json parts = json::array();
  bool only_text = true;
  for (const ContentBlock& block : message.content()) {
    json part = user_part(block);
    if (part.is_null()) continue;
    only_text = only_text && part["type"] == "text";
    parts.push_back(std::move(part));
  }
  if (!only_text) return parts;
  // Plain text is what every server takes.
  std::string text;
  for (const json& part : parts) text += part["text"].get_ref<const std::string&>();
  return text;
}

json assistant_message(const Message& message, const ProviderOptions& options) {
  json out;
  out["role"] = "assistant";
  out["content"] = message.text();
  std::string thoughts;
  json calls = json::array();
  for (const ContentBlock& block : message.content()) {
    if (const auto* thought = block.get_if<ReasoningBlock>()) {
      if (thought->signature.empty()) thoughts += thought->text;
    } else if (const auto* call = block.get_if<ToolCallBlock>()) {
      json c;
      c["id"] = call->id;
      c["type"] = "function";
      c["function"]["name"] = call->name;
      c["function"]["arguments"] = arguments_object(call->arguments).dump();
      calls.push_back(std::move(c));
    }
  }
  if (options.echo_reasoning() && !thoughts.empty()) out["reasoning_content"] = std::move(thoughts);
  if (!calls.empty()) {
    if (message.text().empty()) out["content"] = nullptr;
    out["tool_calls"] = std::move(calls);
  }
  return out;
}

void tool_messages(const Message& message, json& out) {
  json rest = json::array();
  for (const ContentBlock& block : message.content()) {
    if (const auto* result = block.get_if<ToolResultBlock>()) {
      json m;
      m["role"] = "tool";
      m["tool_call_id"] = result->call_id;
      m["content"] = result_text(*result);
      out.push_back(std::move(m));
    } else if (json part = user_part(block); !part.is_null()) {
      rest.push_back(std::move(part));
    }
  }
  if (rest.empty()) return;
  json m;  // a tool's images: the role tool takes text alone
  m["role"] = "user";
  m["content"] = std::move(rest);
  out.push_back(std::move(m));
}

json messages_of(const ChatRequest& request, const ProviderOptions& options) {
  json out = json::array();
  for (const Message& message : request.messages) {
    json m;
    switch (message.role()) {
      case Role::system:
        m["role"] = "system";
        m["content"] = message.text();
        break;
      case Role::user:
        m["role"] = "user";
        m["content"] = user_content(message);
        break;
      case Role::assistant: m = assistant_message(message, options); break;
      case Role::tool: tool_messages(message, out); continue;
    }
    out.push_back(std::move(m));
  }
  return out;
}

void put_tools(json& body, const ChatRequest& request) {
  if (request.tools.empty()) return;
  for (const ToolSpec& tool : request.tools) {
    json t;
    t["type"] = "function";
    t["function"] = openai::function_of(tool);
    if (tool.strict) t["function"]["strict"] = true;
    body["tools"].push_back(std::move(t));
  }
  json named;
  named["function"]["name"] = request.tool_choice.name();
  openai::put_tool_choice(body, request, std::move(named));
}

// ---- answers ----

StopReason reason_of(const std::string& word) {
  if (word == "stop") return StopReason::end;
  if (word == "length") return StopReason::length;
  if (word == "tool_calls" || word == "function_call") return StopReason::tool_calls;
  if (word == "content_filter") return StopReason::refused;
  return StopReason::other;
}

class ChatDecoder final : public Decoder {
 public:
  void whole(const json& answer, Answer& out) override {
    chunk(answer, "message", out);
    if (array(answer, "choices").empty())
      throw model_error(errc::model_protocol, "the answer has no choices: is the base URL that of an OpenAI server?");
    out.complete = true;
  }
  void event(const json& data, const std::string&, Answer& out) override { chunk(data, "delta", out); }
  void finish(Answer& out) override {
    blocks_.end_all(out);
    if (!stopped_) out.add(ChatEvent::stopped(refused_ ? StopReason::refused : StopReason::end));
  }

 private:
  void chunk(const json& data, std::string_view key, Answer& out) {
    if (find(data, "error") != nullptr) throw classify(0, data, {});
    if (out.model.empty()) out.model = text(data, "model");
    if (out.id.empty()) out.id = text(data, "id");
    for (const json& choice : array(data, "choices")) {
      if (number(choice, "index") != 0) continue;
      message(object(choice, key), out);
      const std::string reason = text(choice, "finish_reason");
      if (reason.empty() || std::exchange(stopped_, true)) continue;
      blocks_.end_all(out);
      out.add(ChatEvent::stopped(refused_ ? StopReason::refused : reason_of(reason)));
      out.complete = true;
    }
    if (find(data, "usage") != nullptr)
      out.add(ChatEvent::usage_so_far(openai::usage_of(object(data, "usage"), "prompt", "completion")));
  }

  void message(const json& m, Answer& out) {
    std::string thought = text(m, "reasoning_content");
    if (thought.empty()) thought = text(m, "reasoning");
    if (!thought.empty()) out.add(ChatEvent::reasoning_piece(blocks_.running(thought_), std::move(thought)));
    say(text(m, "content"), out);
    for (const json& part : array(m, "content"))
      if (text(part, "type") == "text") say(text(part, "text"), out);
    if (std::string refusal = text(m, "refusal"); !refusal.empty()) {
      refused_ = true;
      say(std::move(refusal), out);
    }
    for (const json& call : array(m, "tool_calls")) tool_call(call, out);
  }

  void say(std::string words, Answer& out) {
    if (!words.empty()) out.add(ChatEvent::text_piece(blocks_.running(text_), std::move(words)));
  }

  /// Fragments belong together by their index. Some servers have none, use one for all, or repeat the name each time.
  void tool_call(const json& fragment, Answer& out) {
    const json& function = object(fragment, "function");
    const std::string id = text(fragment, "id"), name = text(function, "name");
    const json* index = find(fragment, "index");
    Blocks::Call* call = nullptr;
    if (index != nullptr && index->is_number()) {
      call = blocks_.find(index->dump());
      if (call != nullptr && !id.empty() && !name.empty() && id != call->id) call = nullptr;
    } else if (name.empty() || (last_id_ == id && !id.empty())) {
      call = blocks_.last();
    }
    if (call == nullptr) call = &blocks_.begin(index != nullptr ? index->dump() : std::string(), id, name, out);
    last_id_ = id;
    if (const json* arguments = find(function, "arguments"))
      Blocks::arguments(*call, arguments->is_string() ? arguments->get<std::string>() : arguments->dump(), out);
  }

  Blocks blocks_;
  std::optional<std::size_t> text_, thought_;
  std::string last_id_;
  bool stopped_ = false, refused_ = false;
};

class ChatWire final : public OpenAiWire {
 public:
  ChatWire() : OpenAiWire("openai", "/chat/completions") {}
  std::unique_ptr<Decoder> decoder() const override { return std::make_unique<ChatDecoder>(); }

  json body(const ChatRequest& request, const std::string& model, const ProviderOptions& options,
            bool stream) const override {
    json body;
    body["model"] = model;
    body["messages"] = messages_of(request, options);
    put_tools(body, request);
    if (request.output) {
      body["response_format"]["type"] = "json_schema";
      body["response_format"]["json_schema"] = openai::schema_of(*request.output);
    }
    if (request.temperature) body["temperature"] = *request.temperature;
    if (request.top_p) body["top_p"] = *request.top_p;
    const bool own = options.base_url().empty() || options.base_url().find("://api.openai.com") != std::string::npos;
    if (request.max_tokens)
      body[options.max_completion_tokens().value_or(own) ? "max_completion_tokens" : "max_tokens"] =
          *request.max_tokens;
    if (request.seed) body["seed"] = *request.seed;
    if (!request.stop.empty()) body["stop"] = request.stop;
    if (!request.reasoning.empty()) body["reasoning_effort"] = request.reasoning;
    if (stream) {
      body["stream"] = true;
      body["stream_options"]["include_usage"] = true;
    }
    merge_extra(body, request);
    return body;
  }
};

}  // namespace

std::unique_ptr<Wire> openai_chat_wire() { return std::make_unique<ChatWire>(); }

}  // namespace agentflow::llm
