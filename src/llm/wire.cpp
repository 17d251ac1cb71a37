// SPDX-License-Identifier: MIT
// What the wire formats share.
#include "llm/wire.hpp"

#include <algorithm>

#include <agentflow/core/ids.hpp>

#include "core/json_text.hpp"

namespace agentflow::llm {

Blocks::Call& Blocks::begin(std::string key, std::string id, std::string name, Answer& out) {
  // Looking for a call takes time in proportion to their number, and one event has room for a great many.
  if (calls_.size() == max_blocks) throw model_error(errc::model_protocol, "the answer has thousands of tool calls");
  if (id.empty()) id = "call_" + make_message_id();
  Call& call = calls_.emplace_back(std::move(key), id, fresh());
  out.add(ChatEvent::tool_begin(call.block, std::move(id), std::move(name)));
  return call;
}

Blocks::Call* Blocks::find(std::string_view key) noexcept {
  // From the end: a key used again means the latest call.
  const auto at = std::find_if(calls_.rbegin(), calls_.rend(), [key](const Call& c) { return c.key == key; });
  return at == calls_.rend() ? nullptr : &*at;
}

void Blocks::arguments(Call& call, std::string text, Answer& out) {
  if (text.empty() || call.ended) return;
  call.has_arguments = true;
  out.add(ChatEvent::tool_args(call.block, std::move(text)));
}

void Blocks::end(Call& call, Answer& out) {
  if (!std::exchange(call.ended, true)) out.add(ChatEvent::tool_end(call.block));
}

void Blocks::end_all(Answer& out) {
  for (Call& call : calls_) end(call, out);
}

std::string endpoint(std::string base, std::string_view version, std::string_view path) {
  while (base.ends_with('/')) base.pop_back();
  if (base.ends_with(path)) base.resize(base.size() - path.size());  // the whole address was given
  const auto scheme = base.find("://");
  if (base.find('/', scheme == base.npos ? 0 : scheme + 3) == base.npos) base += version;
  return base.append(path);
}

std::string system_text(const ChatRequest& request) {
  std::string out;
  for (const Message& message : request.messages)
    if (message.role() == Role::system) out += (out.empty() ? "" : "\n\n") + message.text();
  return out;
}

std::string result_text(const ToolResultBlock& result) {
  if (result.data.is_null()) return result.text;
  return result.text.empty() ? result.data.dump() : result.text + "\n" + result.data.dump();
}

json arguments_object(const JsonValue& arguments) {
  if (arguments.get().is_object()) return arguments.get();
  if (arguments.is_null()) return json::object();
  json out = json::object();
  out["invalid_arguments"] = arguments.get();
  return out;
}

std::string data_url(const MediaSource& source) {
  if (source.is_url()) return source.value();
  return "data:" + source.media_type() + ";base64," + source.value();
}

std::optional<std::string> own_signature(const ReasoningBlock& block, std::string_view prefix) {
  if (!block.signature.starts_with(prefix)) return std::nullopt;
  return block.signature.substr(prefix.size());
}

void merge_extra(json& body, const ChatRequest& request) {
  const json& extra = request.extra.get();
  if (extra.is_null()) return;
  if (!extra.is_object()) throw model_error(errc::model_bad_request, "ChatRequest::extra is an object, or null");
  for (const auto& [key, value] : extra.items()) body[key] = value;
}

std::string as_utf8(std::string_view text) {
  std::string out;
  for (;;) {
    const std::size_t bad = detail::find_invalid_utf8(text);
    out += text.substr(0, bad);
    if (bad == detail::all_valid) return out;
    out += "\xEF\xBF\xBD";
    text.remove_prefix(bad + 1);
  }
}

json parameters_of(const ToolSpec& tool) {
  if (!tool.parameters.is_null()) return tool.parameters.get();
  json out = json::object();
  out["type"] = "object";
  out["properties"] = json::object();
  return out;
}

}  // namespace agentflow::llm
