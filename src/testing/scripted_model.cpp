// SPDX-License-Identifier: MIT
// The script of a model, and the streams that play it.
#include <agentflow/testing/scripted_model.hpp>

#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "async/sleep_on.hpp"

namespace agentflow::testing {
namespace {

/// One answer, as the events of its stream and the error that ends them.
class Take {
 public:
  Take() = default;
  explicit Take(std::vector<ChatEvent> e) : events(std::move(e)) {}
  std::vector<ChatEvent> events;
  std::optional<model_error> error;
};

ChatResponse with_a_message(ChatResponse response) {
  if (response.message.role() != Role::assistant)
    response.message = std::move(response.message).with_role(Role::assistant);
  return response;
}

auto take_of(ScriptedModel::Answer fn) {
  return [fn = std::move(fn)](const ChatRequest& request) { return Take(events_of(with_a_message(fn(request)))); };
}

}  // namespace

struct ScriptedModel::Script {
  /// Takes the next answer, and keeps the request.
  Take take(const ChatRequest& request) {
    std::unique_lock lock(mutex);
    requests.push_back(request);
    if (answers.empty() && !otherwise)
      throw model_error(errc::model_bad_request,
                        fmt::format("the script has {} answers, and this is call {}", given, requests.size()));
    auto answer = answers.empty() ? otherwise : std::move(answers.front());
    if (!answers.empty()) {
      answers.pop_front();
      ++given;
    }
    lock.unlock();
    return answer(request);
  }
  void add(std::function<Take(const ChatRequest&)> answer) {
    std::lock_guard lock(mutex);
    answers.push_back(std::move(answer));
  }
  asio::awaitable<void> wait() {
    std::unique_lock lock(mutex);
    const auto on = clock;
    const auto time = per_event;
    lock.unlock();
    if (on) co_await detail::sleep_on(*on, time);
  }

  mutable std::mutex mutex;
  std::deque<std::function<Take(const ChatRequest&)>> answers;
  std::function<Take(const ChatRequest&)> otherwise;
  std::vector<ChatRequest> requests;
  std::size_t given = 0, calls = 0;
  std::shared_ptr<Clock> clock;
  std::chrono::nanoseconds per_event{0};
};

class ScriptedModel::Stream final : public ChatStream {
 public:
  Stream(std::shared_ptr<Script> script, ChatRequest request)
      : script_(std::move(script)), request_(std::move(request)), assembler_(request_) {}

  asio::awaitable<std::optional<ChatEvent>> next() override {
    if (!take_) take_ = script_->take(request_);
    if (at_ == take_->events.size() && !take_->error) co_return std::nullopt;
    auto wait = script_->wait();
    co_await std::move(wait);
    if (at_ == take_->events.size()) fail();
    ChatEvent event = take_->events[at_++];
    assembler_.add(event);
    co_return event;
  }
  ChatResponse response() const override {
    ChatResponse out = assembler_.response();
    out.model = "scripted";
    return out;
  }
  const std::string& message_id() const noexcept override { return assembler_.message_id(); }

 private:
  [[noreturn]] void fail() const {
    const model_error& e = *take_->error;
    ModelErrorInfo info = e.info();
    if (!assembler_.empty()) info.partial = assembler_.response().message;
    throw model_error(e.code(), e.message(), std::move(info), e.context());
  }

  std::shared_ptr<Script> script_;
  ChatRequest request_;
  ChatAssembler assembler_;
  std::optional<Take> take_;
  std::size_t at_ = 0;
};

ScriptedModel::ScriptedModel() : script_(std::make_shared<Script>()) {}
ScriptedModel::~ScriptedModel() = default;

ScriptedModel& ScriptedModel::reply(std::string text) {
  return reply(ChatResponse(Message::assistant(std::move(text))));
}

ScriptedModel& ScriptedModel::reply(ChatResponse response) {
  script_->add([take = Take(events_of(with_a_message(std::move(response))))](const ChatRequest&) { return take; });
  return *this;
}

ScriptedModel& ScriptedModel::call(std::string tool, JsonValue arguments, std::string id) {
  {
    std::lock_guard lock(script_->mutex);
    ++script_->calls;
    if (id.empty()) id = fmt::format("call_{}", script_->calls);
  }
  if (arguments.is_null()) arguments = JsonValue::parse("{}");
  std::vector<ContentBlock> blocks;
  blocks.emplace_back(ToolCallBlock(std::move(id), std::move(tool), std::move(arguments)));
  return reply(ChatResponse(Message(Role::assistant, std::move(blocks)), StopReason::tool_calls));
}

ScriptedModel& ScriptedModel::answer(Answer fn) {
  script_->add(take_of(std::move(fn)));
  return *this;
}

ScriptedModel& ScriptedModel::otherwise(Answer fn) {
  std::lock_guard lock(script_->mutex);
  script_->otherwise = take_of(std::move(fn));
  return *this;
}

ScriptedModel& ScriptedModel::fail(model_error error, ChatResponse begun, std::size_t after_events) {
  Take take(events_of(begun));
  if (after_events < take.events.size()) take.events.resize(after_events);
  take.error = std::move(error);
  script_->add([take = std::move(take)](const ChatRequest&) { return take; });
  return *this;
}

ScriptedModel& ScriptedModel::play(std::vector<ChatEvent> events) {
  script_->add([take = Take(std::move(events))](const ChatRequest&) { return take; });
  return *this;
}

ScriptedModel& ScriptedModel::pace(std::shared_ptr<Clock> clock, std::chrono::nanoseconds per_event) {
  std::lock_guard lock(script_->mutex);
  script_->clock = std::move(clock);
  script_->per_event = per_event;
  return *this;
}

std::vector<ChatRequest> ScriptedModel::requests() const {
  std::lock_guard lock(script_->mutex);
  return script_->requests;
}

std::size_t ScriptedModel::left() const {
  std::lock_guard lock(script_->mutex);
  return script_->answers.size();
}

asio::awaitable<ChatResponse> ScriptedModel::complete(ChatRequest request) {
  const auto script = script_;
  const Take take = script->take(request);
  auto wait = script->wait();
  co_await std::move(wait);
  if (take.error) throw model_error(*take.error);
  ChatAssembler assembler(request);
  for (const ChatEvent& event : take.events) assembler.add(event);
  ChatResponse out = assembler.response();
  out.model = "scripted";
  co_return out;
}

std::unique_ptr<ChatStream> ScriptedModel::stream(ChatRequest request) {
  return std::make_unique<Stream>(script_, std::move(request));
}

}  // namespace agentflow::testing
