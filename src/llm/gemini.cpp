// SPDX-License-Identifier: MIT
// The wire format of Google's Gemini.
#include <charconv>

#include <agentflow/core/ids.hpp>

#include "llm/wire.hpp"

namespace agentflow::llm {
namespace {

// A signature belongs to the part after it: it is kept as an empty thought before that part.
constexpr std::string_view signature_prefix = "gemini:";
// Ids of calls that came without one are ours, and not sent back.
constexpr std::string_view made_id = "gemini_call_";

// ---- requests ----

std::string name_of_call(const ChatRequest& request, const std::string& id) {
  for (const Message& message : request.messages)
    for (const ContentBlock& block : message.content())
      if (const auto* call = block.get_if<ToolCallBlock>(); call != nullptr && call->id == id) return call->name;
  return {};
}

json media_part(const MediaSource& source) {
  json out;
  json& data = out[source.is_url() ? "fileData" : "inlineData"];
  data[source.is_url() ? "fileUri" : "data"] = source.value();
  if (!source.media_type().empty()) data["mimeType"] = source.media_type();
  return out;
}

json result_part(const ChatRequest& request, const ToolResultBlock& result) {
  json out;
  json& response = out["functionResponse"];
  response["name"] = name_of_call(request, result.call_id);
  if (!result.call_id.starts_with(made_id)) response["id"] = result.call_id;
  json value = result.text;
  if (!result.data.is_null() && result.text.empty())
    value = result.data.get();
  else if (!result.data.is_null())
    value = result_text(result);
  response["response"][result.is_error ? "error" : "result"] = std::move(value);
  return out;
}

/// A part; null for what this format has no word for. An empty text is refused, unless it carries a signature.
json part_of(const ChatRequest& request, const ContentBlock& block) {
  json out;
  if (const auto* t = block.get_if<TextBlock>()) {
    out["text"] = t->text;
  } else if (const auto* j = block.get_if<DataBlock>()) {
    out["text"] = j->data.dump();
  } else if (const auto* i = block.get_if<ImageBlock>()) {
    out = media_part(i->source);
  } else if (const auto* a = block.get_if<AudioBlock>()) {
    out = media_part(a->source);
  } else if (const auto* d = block.get_if<DocumentBlock>()) {
    out = media_part(d->source);
  } else if (const auto* r = block.get_if<ToolResultBlock>()) {
    out = result_part(request, *r);
  } else if (const auto* c = block.get_if<ToolCallBlock>()) {
    out["functionCall"]["name"] = c->name;
    out["functionCall"]["args"] = arguments_object(c->arguments);
    if (!c->id.starts_with(made_id)) out["functionCall"]["id"] = c->id;
  }
  return out;
}

json contents_of(const ChatRequest& request) {
  json out = json::array();
  for (const Message& message : request.messages) {
    if (message.role() == Role::system) continue;
    json parts = json::array();
    std::optional<std::string> signature;
    for (const ContentBlock& block : message.content()) {
      if (const auto* thought = block.get_if<ReasoningBlock>()) {
        signature = own_signature(*thought, signature_prefix);
        continue;
      }
      json part = part_of(request, block);
      if (part.is_null() || (!signature && text(part, "text").empty() && part.contains("text"))) continue;
      if (signature) part["thoughtSignature"] = *std::exchange(signature, std::nullopt);
      parts.push_back(std::move(part));
    }
    if (parts.empty()) continue;
    const char* role = message.role() == Role::assistant ? "model" : "user";
    if (!out.empty() && out.back()["role"] == role) {
      for (json& part : parts) out.back()["parts"].push_back(std::move(part));
    } else {
      json content;
      content["role"] = role;
      content["parts"] = std::move(parts);
      out.push_back(std::move(content));
    }
  }
  return out;
}

void put_tools(json& body, const ChatRequest& request) {
  if (request.tools.empty()) return;
  json declarations = json::array();
  for (const ToolSpec& tool : request.tools) {
    json f;
    f["name"] = tool.name;
    if (!tool.description.empty()) f["description"] = tool.description;
    if (!tool.parameters.is_null()) f["parametersJsonSchema"] = tool.parameters.get();
    declarations.push_back(std::move(f));
  }
  body["tools"][0]["functionDeclarations"] = std::move(declarations);
  const auto mode = request.tool_choice.mode();
  if (mode == ToolChoice::Mode::automatic) return;
  json& config = body["toolConfig"]["functionCallingConfig"];
  config["mode"] = mode == ToolChoice::Mode::none ? "NONE" : "ANY";
  if (mode == ToolChoice::Mode::tool) config["allowedFunctionNames"] = json::array({request.tool_choice.name()});
}

json generation_config(const ChatRequest& request) {
  json c;
  if (request.temperature) c["temperature"] = *request.temperature;
  if (request.top_p) c["topP"] = *request.top_p;
  if (request.max_tokens) c["maxOutputTokens"] = *request.max_tokens;
  if (request.seed) c["seed"] = *request.seed;
  if (!request.stop.empty()) c["stopSequences"] = request.stop;
  if (request.output) {
    c["responseMimeType"] = "application/json";
    c["responseJsonSchema"] = request.output->schema.get();
  }
  if (const std::string& r = request.reasoning; !r.empty()) {
    std::int64_t budget = 0;
    const auto [end, ec] = std::from_chars(r.data(), r.data() + r.size(), budget);
    if (ec == std::errc() && end == r.data() + r.size())
      c["thinkingConfig"]["thinkingBudget"] = budget;
    else
      c["thinkingConfig"]["thinkingLevel"] = r;
    c["thinkingConfig"]["includeThoughts"] = true;
  }
  return c;
}

// ---- answers ----

StopReason reason_of(const std::string& word) {
  if (word == "STOP") return StopReason::end;
  if (word == "MAX_TOKENS") return StopReason::length;
  for (const auto refused : {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"})
    if (word == refused) return StopReason::refused;
  return StopReason::other;
}

/// A stream is made of whole answers, whose parts are added to one another.
class GeminiDecoder final : public Decoder {
 public:
  void whole(const json& answer, Answer& out) override {
    event(answer, {}, out);
    if (!out.complete)
      throw model_error(errc::model_protocol, "the answer has no finished candidate: is the base URL that of Gemini?");
  }

  void event(const json& data, const std::string&, Answer& out) override {
    if (llm::find(data, "error") != nullptr) throw classify(0, data, {});
    if (out.model.empty()) out.model = text(data, "modelVersion");
    if (out.id.empty()) out.id = text(data, "responseId");
    if (llm::find(data, "usageMetadata") != nullptr) usage(object(data, "usageMetadata"), out);
    const std::string blocked = text(object(data, "promptFeedback"), "blockReason");
    if (!blocked.empty() && array(data, "candidates").empty())
      throw model_error(errc::model_refused, "the prompt was blocked: " + blocked);
    for (const json& candidate : array(data, "candidates")) {
      if (number(candidate, "index") != 0) continue;
      for (const json& part : array(object(candidate, "content"), "parts")) this->part(part, out);
      const std::string reason = text(candidate, "finishReason");
      if (reason.empty() || std::exchange(stopped_, true)) continue;
      out.add(ChatEvent::stopped(reason_of(reason)));
      out.complete = true;
    }
  }
  void finish(Answer&) override {}

 private:
  void part(const json& part, Answer& out) {
    const json* thought = llm::find(part, "thought");
    const bool thinks = thought != nullptr && thought->is_boolean() && thought->get<bool>();
    if (thinks) {
      text_.reset();
      out.add(ChatEvent::reasoning_piece(blocks_.running(thought_), text(part, "text")));
      return;
    }
    const std::string signature = text(part, "thoughtSignature");
    if (!signature.empty()) {
      text_.reset();
      out.add(ChatEvent::reasoning_piece(blocks_.fresh(), {}, std::string(signature_prefix) + signature));
    }
    thought_.reset();
    if (llm::find(part, "text") != nullptr) {
      if (text(part, "text").empty() && signature.empty()) return;
      out.add(ChatEvent::text_piece(blocks_.running(text_), text(part, "text")));
      return;
    }
    text_.reset();
    if (const json& call = object(part, "functionCall"); !call.empty()) {
      std::string id = text(call, "id");
      if (id.empty()) id = std::string(made_id) + make_message_id();
      auto& c = blocks_.begin(id, id, text(call, "name"), out);
      Blocks::arguments(c, object(call, "args").dump(), out);
      Blocks::end(c, out);
    } else if (const json& data = object(part, "inlineData"); !data.empty()) {
      MediaSource source = MediaSource::from_base64(text(data, "data"), text(data, "mimeType"));
      out.add(ChatEvent::whole(blocks_.fresh(), ImageBlock(std::move(source))));
    }
  }

  static void usage(const json& u, Answer& out) {
    const std::uint64_t thoughts = number(u, "thoughtsTokenCount");
    out.add(
        ChatEvent::usage_so_far(TokenUsage(number(u, "promptTokenCount"), number(u, "candidatesTokenCount") + thoughts,
                                           number(u, "cachedContentTokenCount"), thoughts)));
  }

  Blocks blocks_;
  std::optional<std::size_t> text_, thought_;
  bool stopped_ = false;
};

class GeminiWire final : public Wire {
 public:
  std::string name() const override { return "gemini"; }
  std::string url(const ProviderOptions& options, const std::string& model, bool stream) const override {
    std::string base = options.base_url().empty() ? "https://generativelanguage.googleapis.com" : options.base_url();
    while (base.ends_with('/')) base.pop_back();
    if (!base.ends_with("/v1beta") && !base.ends_with("/v1")) base += "/v1beta";
    std::string_view id = model;
    if (id.starts_with("models/")) id.remove_prefix(7);
    for (const char c : id)
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
            c == '_'))
        throw model_error(errc::model_bad_request, "the model's name has a character that no model of Gemini has");
    base.append("/models/").append(id);
    return base + (stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
  }
  void authorize(http::Request& request, const ProviderOptions& options) const override {
    if (!options.api_key().empty()) request.secret_header("x-goog-api-key", "", options.api_key());
  }
  std::unique_ptr<Decoder> decoder() const override { return std::make_unique<GeminiDecoder>(); }

  json body(const ChatRequest& request, const std::string&, const ProviderOptions&, bool) const override {
    json body;
    body["contents"] = contents_of(request);
    if (std::string system = system_text(request); !system.empty())
      body["systemInstruction"]["parts"][0]["text"] = std::move(system);
    put_tools(body, request);
    if (json config = generation_config(request); !config.is_null()) body["generationConfig"] = std::move(config);
    merge_extra(body, request);
    return body;
  }
};

}  // namespace

std::unique_ptr<Wire> gemini_wire() { return std::make_unique<GeminiWire>(); }

}  // namespace agentflow::llm
