// SPDX-License-Identifier: MIT
// How agents ask their models.
#include <agentflow/prebuilt/agent.hpp>

#include <optional>

#include <agentflow/core/error.hpp>
#include <agentflow/core/json.hpp>

#include "prebuilt/open_calls.hpp"

namespace agentflow {

asio::awaitable<ChatResponse> call_model(std::shared_ptr<ChatModel> model, ChatRequest request, NodeContext& context) {
  if (!context.listens(stream_mode::messages)) {
    auto work = model->complete(std::move(request));
    ChatResponse response = co_await std::move(work);
    co_return response;
  }
  const auto stream = model->stream(std::move(request));
  for (;;) {
    auto next = stream->next();
    const std::optional<ChatEvent> event = co_await std::move(next);
    if (!event) break;
    context.heartbeat();
    if (event->kind != ChatEventKind::text || event->text.empty()) continue;
    auto emit = context.emit_token(event->text, stream->message_id());
    co_await std::move(emit);
  }
  co_return stream->response();
}

namespace {

constexpr const char* stop_mark = "stop";

bool is_usual(StopReason reason) noexcept {
  return reason == StopReason::end || reason == StopReason::tool_calls || reason == StopReason::stop_sequence;
}

Message with_stop_reason(Message answer, StopReason reason) {
  nlohmann::json metadata = answer.metadata().get();
  metadata[stop_mark] = std::string(to_string(reason));
  return std::move(answer).with_metadata(JsonValue(std::move(metadata)));
}

}  // namespace

StopReason stop_reason(const Message& answer) {
  const auto& metadata = answer.metadata().get();
  if (metadata.is_object() && metadata.contains(stop_mark) && metadata[stop_mark].is_string())
    return parse_stop_reason(metadata[stop_mark].get<std::string>()).value_or(StopReason::other);
  return answer.has_tool_calls() ? StopReason::tool_calls : StopReason::end;
}

ModelCaller::ModelCaller(std::shared_ptr<ChatModel> model, std::vector<ToolSpec> tools, AgentOptions options)
    : model_(std::move(model)), tools_(std::move(tools)), options_(std::move(options)) {
  if (!model_) throw error(errc::agent_invalid, "an agent needs a model, and was given a null pointer");
}

ChatRequest ModelCaller::request(std::string system, const List<Message>& conversation) const {
  ChatRequest request;
  if (options_.history())
    request.messages = options_.history()(conversation);
  else
    request.messages.assign(conversation.begin(), conversation.end());
  request.messages = detail::close_open_calls(std::move(request.messages));
  if (!system.empty()) request.messages.insert(request.messages.begin(), Message::system(std::move(system)));
  request.tools = tools_;
  if (options_.request()) options_.request()(request);
  return request;
}

asio::awaitable<Message> ModelCaller::ask(std::string system, List<Message> conversation, NodeContext& context) const {
  auto work = call_model(model_, request(std::move(system), conversation), context);
  ChatResponse response = co_await std::move(work);
  if (!is_usual(response.stop)) response.message = with_stop_reason(std::move(response.message), response.stop);
  if (!options_.name().empty()) response.message = std::move(response.message).with_name(options_.name());
  co_return std::move(response.message);
}

}  // namespace agentflow
