// SPDX-License-Identifier: MIT
// ScriptedModel: a model that says what a test tells it to say.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/core/clock.hpp>
#include <agentflow/core/config.hpp>
#include <agentflow/core/json_value.hpp>
#include <agentflow/ports/chat_model.hpp>

namespace agentflow::testing {

/// A model that gives prepared answers, one per call in their order, whole or as a stream. It keeps the requests.
///
/// ```cpp
/// auto model = std::make_shared<af::testing::ScriptedModel>();
/// model->call("weather", af::JsonValue::parse(R"({"city":"Rome"})")).reply("It is sunny in Rome.");
/// ```
/// **Errors** A call past the last answer is a `model_error` (model_bad_request) that says so, unless `otherwise` is
/// set.
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
class AGENTFLOW_API ScriptedModel final : public ChatModel {
 public:
  using Answer = std::function<ChatResponse(const ChatRequest&)>;

  ScriptedModel();
  ~ScriptedModel() override;

  /// Says a text. Streams give it word by word.
  ScriptedModel& reply(std::string text);
  ScriptedModel& reply(ChatResponse response);
  /// Calls a tool. Without an id it gets "call_1", "call_2" and so on.
  ScriptedModel& call(std::string tool, JsonValue arguments = {}, std::string id = {});
  /// Answers what the function makes of the request; what it throws is the failure of the call.
  ScriptedModel& answer(Answer fn);
  /// Answers so every call past the last prepared answer. Default: they fail.
  ScriptedModel& otherwise(Answer fn);
  /// Fails; a stream only after so many events of `begun`.
  ScriptedModel& fail(model_error error, ChatResponse begun = {}, std::size_t after_events = 0);
  /// Streams exactly these events: for what no honest model would send.
  ScriptedModel& play(std::vector<ChatEvent> events);
  /// Waits so long before each event of a stream, and once before a whole answer. Default: not at all.
  ScriptedModel& pace(std::shared_ptr<Clock> clock, std::chrono::nanoseconds per_event);

  /// The requests so far: a copy, which a loop over a part of it needs a name for.
  std::vector<ChatRequest> requests() const;
  /// How many answers have not been asked for.
  std::size_t left() const;

  asio::awaitable<ChatResponse> complete(ChatRequest request) override;
  std::unique_ptr<ChatStream> stream(ChatRequest request) override;
  std::string name() const override { return "scripted"; }

 private:
  struct Script;
  class Stream;
  std::shared_ptr<Script> script_;
};

}  // namespace agentflow::testing
