// SPDX-License-Identifier: MIT
// The wire format of OpenAI's Responses.
#include "llm/openai.hpp"

namespace agentflow::llm {
namespace {

// A thought's signature is this and the whole item, to be given back as it came.
constexpr std::string_view item_prefix = "openai:";

// ---- requests ----

json user_part(const ContentBlock& block) {
  json out;
  if (const auto* b = block.get_if<TextBlock>()) {
    out["type"] = "input_text";
    out["text"] = b->text;
  } else if (const auto* j = block.get_if<DataBlock>()) {
    out["type"] = "input_text";
    out["text"] = j->data.dump();
  } else if (const auto* i = block.get_if<ImageBlock>()) {
    out["type"] = "input_image";
    out["detail"] = "auto";
    out["image_url"] = data_url(i->source);
  } else if (const auto* d = block.get_if<DocumentBlock>()) {
    out["type"] = "input_file";
    if (d->source.is_url()) {
      out["file_url"] = d->source.value();
    } else {
      out["filename"] = d->title.empty() ? "document" : d->title;
      out["file_data"] = data_url(d->source);
    }
  }
  return out;
}

void put_message(json& input, const char* role, json parts) {
  if (parts.empty()) return;
  json m;
  m["type"] = "message";
  m["role"] = role;
  m["content"] = std::move(parts);
  input.push_back(std::move(m));
}

void put_assistant(json& input, const Message& message) {
  for (const ContentBlock& block : message.content()) {
    json item;
    if (const auto* thought = block.get_if<ReasoningBlock>()) {
      const auto raw = own_signature(*thought, item_prefix);
      if (!raw) continue;  // another provider's
      item = JsonValue::parse(*raw).get();
    } else if (const auto* text = block.get_if<TextBlock>()) {
      if (text->text.empty()) continue;
      json part;
      part["type"] = "output_text";
      part["text"] = text->text;
      part["annotations"] = json::array();
      put_message(input, "assistant", json::array({std::move(part)}));
      continue;
    } else if (const auto* call = block.get_if<ToolCallBlock>()) {
      item["type"] = "function_call";
      item["call_id"] = call->id;
      item["name"] = call->name;
      item["arguments"] = arguments_object(call->arguments).dump();
    } else {
      continue;
    }
    input.push_back(std::move(item));
  }
}

json input_of(const ChatRequest& request) {
  json input = json::array();
  for (const Message& message : request.messages) {
    if (message.role() == Role::system) continue;
    if (message.role() == Role::assistant) {
      put_assistant(input, message);
      continue;
    }
    json parts = json::array();
    for (const ContentBlock& block : message.content()) {
      if (const auto* result = block.get_if<ToolResultBlock>()) {
        json item;
        item["type"] = "function_call_output";
        item["call_id"] = result->call_id;
        item["output"] = result_text(*result);
        input.push_back(std::move(item));
      } else if (json part = user_part(block); !part.is_null()) {
        parts.push_back(std::move(part));
      }
    }
    put_message(input, "user", std::move(parts));
  }
  return input;
}

void put_tools(json& body, const ChatRequest& request) {
  if (request.tools.empty()) return;
  for (const ToolSpec& tool : request.tools) {
    json t = openai::function_of(tool);
    t["type"] = "function";
    t["strict"] = tool.strict;
    body["tools"].push_back(std::move(t));
  }
  json named;
  named["name"] = request.tool_choice.name();
  openai::put_tool_choice(body, request, std::move(named));
}

// ---- answers ----

/// Items come whole (`item`), or piece by piece and then whole again; what came in pieces is not said twice.
class ResponsesDecoder final : public Decoder {
 public:
  void whole(const json& answer, Answer& out) override {
    std::size_t index = 0;
    for (const json& item : array(answer, "output")) this->item(item, std::to_string(index++), out);
    end(answer, out);
    if (!out.complete)
      throw model_error(errc::model_protocol, "the answer has no status: is the base URL that of an OpenAI server?");
  }

  void event(const json& data, const std::string& name, Answer& out) override {
    const std::string type = text(data, "type").empty() ? name : text(data, "type");
    const std::string index = std::to_string(number(data, "output_index"));
    if (type == "error") throw classify(0, data, {});
    if (type == "response.created") {
      out.model = text(object(data, "response"), "model");
      out.id = text(object(data, "response"), "id");
    } else if (type == "response.output_item.added") {
      begin(object(data, "item"), index, out);
    } else if (type == "response.output_item.done") {
      item(object(data, "item"), index, out);
    } else if (type == "response.output_text.delta") {
      say(index, text(data, "delta"), out);
    } else if (type == "response.refusal.delta") {
      refused_ = true;
      say(index, text(data, "delta"), out);
    } else if (type == "response.function_call_arguments.delta") {
      if (auto* call = blocks_.find(index)) Blocks::arguments(*call, text(data, "delta"), out);
    } else if (type == "response.reasoning_summary_text.delta" || type == "response.reasoning_text.delta") {
      think(index, text(data, "delta"), out);
    } else if (type == "response.completed" || type == "response.incomplete" || type == "response.failed") {
      end(object(data, "response"), out);
      out.done = true;
    }
  }
  void finish(Answer& out) override { blocks_.end_all(out); }

 private:
  using Running = std::vector<std::pair<std::string, std::size_t>>;

  /// The block of an item's text, and whether it had begun.
  std::size_t block_of(Running& running, const std::string& index) {
    for (const auto& [key, block] : running)
      if (key == index) return block;
    if (running.size() == max_blocks) throw model_error(errc::model_protocol, "the answer has thousands of items");
    running.emplace_back(index, blocks_.fresh());
    return running.back().second;
  }
  static bool has(const Running& running, const std::string& index) {
    for (const auto& [key, block] : running)
      if (key == index) return true;
    return false;
  }
  void say(const std::string& index, std::string words, Answer& out) {
    if (!words.empty()) out.add(ChatEvent::text_piece(block_of(texts_, index), std::move(words)));
  }
  void think(const std::string& index, std::string words, Answer& out) {
    if (!words.empty()) out.add(ChatEvent::reasoning_piece(block_of(thoughts_, index), std::move(words)));
  }

  void begin(const json& item, const std::string& index, Answer& out) {
    if (text(item, "type") == "function_call" && blocks_.find(index) == nullptr)
      blocks_.begin(index, text(item, "call_id"), text(item, "name"), out);
  }

  void item(const json& item, const std::string& index, Answer& out) {
    const std::string type = text(item, "type");
    if (type == "message") {
      if (has(texts_, index)) return;
      for (const json& part : array(item, "content")) {
        refused_ = refused_ || find(part, "refusal") != nullptr;
        say(index, text(part, "text") + text(part, "refusal"), out);
      }
    } else if (type == "function_call") {
      begin(item, index, out);
      auto& call = *blocks_.find(index);
      if (!call.has_arguments) Blocks::arguments(call, text(item, "arguments"), out);
      Blocks::end(call, out);
    } else if (type == "reasoning") {
      if (!has(thoughts_, index)) {
        for (const json& part : array(item, "summary")) think(index, text(part, "text"), out);
        for (const json& part : array(item, "content")) think(index, text(part, "text"), out);
      }
      out.add(ChatEvent::reasoning_piece(block_of(thoughts_, index), {}, std::string(item_prefix) + item.dump()));
    }
  }

  void end(const json& response, Answer& out) {
    if (out.model.empty()) out.model = text(response, "model");
    if (out.id.empty()) out.id = text(response, "id");
    if (find(response, "usage") != nullptr)
      out.add(ChatEvent::usage_so_far(openai::usage_of(object(response, "usage"), "input", "output")));
    const std::string status = text(response, "status");
    if (status == "failed" || find(response, "error") != nullptr) throw classify(0, response, {});
    if (status.empty()) return;
    blocks_.end_all(out);
    StopReason reason = refused_ ? StopReason::refused : StopReason::end;
    if (status == "incomplete") {
      const std::string why = text(object(response, "incomplete_details"), "reason");
      reason = why == "max_output_tokens" ? StopReason::length
               : why == "content_filter"  ? StopReason::refused
                                          : StopReason::other;
    }
    out.add(ChatEvent::stopped(reason));
    out.complete = true;
  }

  Blocks blocks_;
  Running texts_, thoughts_;
  bool refused_ = false;
};

class ResponsesWire final : public OpenAiWire {
 public:
  ResponsesWire() : OpenAiWire("openai-responses", "/responses") {}
  std::unique_ptr<Decoder> decoder() const override { return std::make_unique<ResponsesDecoder>(); }

  json body(const ChatRequest& request, const std::string& model, const ProviderOptions&, bool stream) const override {
    if (!request.stop.empty())
      throw model_error(errc::model_bad_request,
                        "OpenAI's Responses have no stop sequences: leave ChatRequest::stop empty");
    json body;
    body["model"] = model;
    if (std::string system = system_text(request); !system.empty()) body["instructions"] = std::move(system);
    body["input"] = input_of(request);
    put_tools(body, request);
    if (request.output) {
      body["text"]["format"] = openai::schema_of(*request.output);
      body["text"]["format"]["type"] = "json_schema";
    }
    if (request.temperature) body["temperature"] = *request.temperature;
    if (request.top_p) body["top_p"] = *request.top_p;
    if (request.max_tokens) body["max_output_tokens"] = *request.max_tokens;
    if (!request.reasoning.empty()) {
      body["reasoning"]["effort"] = request.reasoning;
      body["store"] = false;
      body["include"] = json::array({"reasoning.encrypted_content"});
    }
    if (stream) body["stream"] = true;
    merge_extra(body, request);
    return body;
  }
};

}  // namespace

std::unique_ptr<Wire> openai_responses_wire() { return std::make_unique<ResponsesWire>(); }

}  // namespace agentflow::llm
