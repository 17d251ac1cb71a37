// SPDX-License-Identifier: MIT
// Asking a model for one of several names.
#include <agentflow/prebuilt/team.hpp>

#include <fmt/format.h>

#include <agentflow/core/json.hpp>

#include "prebuilt/open_calls.hpp"
#include "prebuilt/output_text.hpp"

namespace agentflow::detail {
namespace {

using nlohmann::json;

/// The name in an answer, whether it is the JSON that was asked for or just the name.
std::string named_in(const std::string& text) {
  try {
    const JsonValue parsed = JsonValue::parse(json_part(text));
    const json& answer = parsed.get();
    if (answer.is_object() && answer.contains("choice") && answer["choice"].is_string())
      return answer["choice"].get<std::string>();
    if (answer.is_string()) return answer.get<std::string>();
  } catch (const json_error&) {
  }
  return std::string(trimmed(text));
}

}  // namespace

asio::awaitable<std::string> choose(std::shared_ptr<ChatModel> model, std::vector<Message> conversation,
                                    std::vector<std::pair<std::string, std::string>> choices) {
  std::string prompt = "Decide who answers the conversation. Give the name of one of these:\n";
  json names = json::array();
  for (const auto& [name, description] : choices) {
    prompt += fmt::format("- {}: {}\n", name, description);
    names.push_back(name);
  }
  json schema = {{"type", "object"}, {"required", {"choice"}}, {"additionalProperties", false}};
  schema["properties"]["choice"] = {{"type", "string"}, {"enum", names}};
  conversation = close_open_calls(std::move(conversation));
  conversation.insert(conversation.begin(), Message::system(prompt));
  for (int attempt = 0; attempt < 2; ++attempt) {
    ChatRequest request(conversation);
    request.output = OutputSchema(JsonValue(schema), "choice");
    auto work = model->complete(std::move(request));
    const ChatResponse response = co_await std::move(work);
    const std::string name = named_in(response.text());
    for (const auto& choice : choices)
      if (choice.first == name) co_return name;
    conversation.push_back(response.message);
    conversation.push_back(Message::user("That is none of the names. Answer with one of them, as {\"choice\": name}."));
  }
  throw error(errc::output_invalid, "the model was asked to choose, and twice named none of the choices");
}

}  // namespace agentflow::detail
