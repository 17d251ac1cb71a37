// SPDX-License-Identifier: MIT
// Recordings of exchanges: one JSON object a line.
#include <agentflow/llm/recording.hpp>

#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <agentflow/core/json_codec.hpp>

#include "llm/relay.hpp"
#include "llm/wire.hpp"

namespace agentflow::llm {
namespace {

// ---- the format ----

/// What a model sees of a request. Also the key it is found by.
json request_json(const ChatRequest& r) {
  json out;
  for (const Message& message : r.messages) {
    json m;
    m["role"] = to_string(message.role());
    if (!message.name().empty()) m["name"] = message.name();
    m["content"] = to_json_value(message.content()).get();
    out["messages"].push_back(std::move(m));
  }
  for (const ToolSpec& tool : r.tools) {
    json t;
    t["name"] = tool.name;
    t["description"] = tool.description;
    t["parameters"] = tool.parameters.get();
    t["strict"] = tool.strict;
    out["tools"].push_back(std::move(t));
  }
  if (!r.model.empty()) out["model"] = r.model;
  if (r.tool_choice != ToolChoice())
    out["tool_choice"] = fmt::format("{} {}", static_cast<int>(r.tool_choice.mode()), r.tool_choice.name());
  if (r.parallel_tool_calls) out["parallel_tool_calls"] = *r.parallel_tool_calls;
  if (r.output) {
    out["output"]["name"] = r.output->name;
    out["output"]["schema"] = r.output->schema.get();
  }
  if (r.temperature) out["temperature"] = *r.temperature;
  if (r.top_p) out["top_p"] = *r.top_p;
  if (r.max_tokens) out["max_tokens"] = *r.max_tokens;
  if (r.seed) out["seed"] = *r.seed;
  if (!r.stop.empty()) out["stop"] = r.stop;
  if (!r.reasoning.empty()) out["reasoning"] = r.reasoning;
  if (!r.extra.is_null()) out["extra"] = r.extra.get();
  return out;
}

constexpr const char* kinds[] = {"text",          "reasoning", "tool_call_begin", "tool_call_args",
                                 "tool_call_end", "content",   "usage",           "stop"};

json event_json(const ChatEvent& e) {
  json out;
  out["kind"] = kinds[static_cast<int>(e.kind)];
  if (e.block != 0) out["block"] = e.block;
  if (!e.text.empty()) out["text"] = e.text;
  if (!e.signature.empty()) out["signature"] = e.signature;
  if (!e.id.empty()) out["id"] = e.id;
  if (!e.name.empty()) out["name"] = e.name;
  if (e.kind == ChatEventKind::content) out["content"] = to_json_value(e.content).get();
  if (e.kind == ChatEventKind::usage) out["usage"] = to_json_value(e.usage).get();
  if (e.kind == ChatEventKind::stop) out["reason"] = to_string(e.reason);
  return out;
}

ChatEvent event_from(const json& in) {
  ChatEvent out;
  const std::string kind = text(in, "kind");
  std::size_t i = 0;
  while (i < std::size(kinds) && kinds[i] != kind) ++i;
  if (i == std::size(kinds)) throw json_error(errc::json_type, "an event of the unknown kind \"" + kind + "\"");
  out.kind = static_cast<ChatEventKind>(i);
  out.block = number(in, "block");
  out.text = text(in, "text");
  out.signature = text(in, "signature");
  out.id = text(in, "id");
  out.name = text(in, "name");
  if (const json* content = find(in, "content")) out.content = from_json_value<ContentBlock>(JsonValue(*content));
  if (const json* usage = find(in, "usage")) out.usage = from_json_value<TokenUsage>(JsonValue(*usage));
  if (find(in, "reason") != nullptr) out.reason = parse_stop_reason(text(in, "reason")).value_or(StopReason::other);
  return out;
}

json error_json(const model_error& e) {
  json out;
  out["code"] = code_name(e.code());
  out["message"] = e.message();
  out["http_status"] = e.info().http_status;
  return out;
}

errc code_from(std::string_view name) {
  for (int c = static_cast<int>(errc::model_auth); c <= static_cast<int>(errc::model_budget); ++c)
    if (code_name(static_cast<errc>(c)) == name) return static_cast<errc>(c);
  throw json_error(errc::json_type, "an error of the unknown code \"" + std::string(name) + "\"");
}

/// The document that a function makes. Text that is not UTF-8 cannot be written, whatever the model made of it.
template <class F>
std::string line_of(F&& make) {
  try {
    return JsonValue(make()).dump();
  } catch (const json_error& e) {
    throw model_error(errc::model_bad_request, "the exchange cannot be written as JSON: " + e.message());
  }
}

// ---- recording ----

/// The file of a recording.
class Tape {
 public:
  explicit Tape(std::string file) : name_(std::move(file)), out_(name_, std::ios::trunc) {
    if (!out_) throw config_error(errc::bad_config, "recording: the file " + name_ + " cannot be opened for writing");
  }
  void write(const ChatRequest& request, const std::vector<ChatEvent>& events, const std::string& model,
             const model_error* error) {
    const std::string line = line_of([&] {
      json out;
      out["request"] = request_json(request);
      out["model"] = model;
      out["events"] = json::array();
      for (const ChatEvent& e : events) out["events"].push_back(event_json(e));
      if (error != nullptr) out["error"] = error_json(*error);
      return out;
    });
    std::lock_guard lock(mutex_);
    if (!(out_ << line << '\n').flush())
      throw model_error(errc::model_protocol, "the exchange could not be written to " + name_);
  }

 private:
  std::string name_;
  std::mutex mutex_;
  std::ofstream out_;
};

class RecordingStream final : public RelayStream {
 public:
  RecordingStream(std::unique_ptr<ChatStream> inner, std::shared_ptr<Tape> tape, ChatRequest request)
      : RelayStream(std::move(inner)), tape_(std::move(tape)), request_(std::move(request)) {}

  asio::awaitable<std::optional<ChatEvent>> next() override {
    auto work = step(inner());
    Step result = co_await std::move(work);
    if (result.event) events_.push_back(*result.event);
    if (!result.event && !std::exchange(written_, true))
      tape_->write(request_, events_, response().model, result.error ? &*result.error : nullptr);
    if (result.error) throw model_error(*result.error);
    co_return std::move(result.event);
  }

 private:
  std::shared_ptr<Tape> tape_;
  ChatRequest request_;
  std::vector<ChatEvent> events_;
  bool written_ = false;
};

class RecordingModel final : public ChatModel {
 public:
  RecordingModel(std::shared_ptr<ChatModel> model, std::shared_ptr<Tape> tape)
      : model_(std::move(model)), tape_(std::move(tape)) {}

  asio::awaitable<ChatResponse> complete(ChatRequest request) override {
    const auto tape = tape_;
    ChatResponse out;
    try {
      auto call = model_->complete(request);
      out = co_await std::move(call);
    } catch (const model_error& e) {
      tape->write(request, std::vector<ChatEvent>(), {}, &e);
      throw;
    }
    tape->write(request, events_of(out), out.model, nullptr);  // not in the block: its failure is not the model's
    co_return out;
  }
  std::unique_ptr<ChatStream> stream(ChatRequest request) override {
    auto inner = model_->stream(request);
    return std::make_unique<RecordingStream>(std::move(inner), tape_, std::move(request));
  }
  std::string name() const override { return model_->name(); }

 private:
  std::shared_ptr<ChatModel> model_;
  std::shared_ptr<Tape> tape_;
};

// ---- replaying ----

class Take {
 public:
  Take() = default;
  std::vector<ChatEvent> events;
  std::string model;
  std::optional<model_error> error;
};

Take take_from(const json& line) {
  Take out;
  for (const json& e : array(line, "events")) out.events.push_back(event_from(e));
  out.model = text(line, "model");
  if (const json* e = find(line, "error")) {
    ModelErrorInfo info;
    info.provider = "replay";
    info.http_status = static_cast<int>(number(*e, "http_status"));
    out.error.emplace(code_from(text(*e, "code")), text(*e, "message"), std::move(info));
  }
  return out;
}

class Cassette {
 public:
  explicit Cassette(const std::string& file) {
    std::ifstream in(file);
    if (!in) throw config_error(errc::bad_config, "replaying: the file " + file + " cannot be read");
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      if (line.empty()) continue;
      try {
        const JsonValue document = JsonValue::parse(line);
        takes_[object(document.get(), "request").dump()].push_back(take_from(document.get()));
      } catch (const error& e) {
        throw config_error(errc::bad_config,
                           fmt::format("replaying: line {} of {} is no exchange: {}", number, file, e.message()));
      }
    }
  }
  Take take(const ChatRequest& request) {
    const std::string key = line_of([&] { return request_json(request); });
    std::lock_guard lock(mutex_);
    const auto at = takes_.find(key);
    if (at == takes_.end() || at->second.empty())
      throw model_error(errc::model_bad_request, "the recording has no further answer to this request: " +
                                                     as_utf8(std::string_view(key).substr(0, 500)));
    Take out = std::move(at->second.front());
    at->second.pop_front();
    return out;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::deque<Take>> takes_;
};

class ReplayStream final : public ChatStream {
 public:
  ReplayStream(std::shared_ptr<Cassette> cassette, ChatRequest request)
      : cassette_(std::move(cassette)), request_(std::move(request)), assembler_(request_) {}

  asio::awaitable<std::optional<ChatEvent>> next() override {
    if (!take_) take_ = cassette_->take(request_);
    if (at_ == take_->events.size()) {
      if (take_->error) throw model_error(*take_->error);
      co_return std::nullopt;
    }
    ChatEvent event = take_->events[at_++];
    assembler_.add(event);
    co_return event;
  }
  ChatResponse response() const override {
    ChatResponse out = assembler_.response();
    if (take_) out.model = take_->model;
    return out;
  }
  const std::string& message_id() const noexcept override { return assembler_.message_id(); }

 private:
  std::shared_ptr<Cassette> cassette_;
  ChatRequest request_;
  ChatAssembler assembler_;
  std::optional<Take> take_;
  std::size_t at_ = 0;
};

class ReplayModel final : public ChatModel {
 public:
  explicit ReplayModel(std::shared_ptr<Cassette> cassette) : cassette_(std::move(cassette)) {}
  asio::awaitable<ChatResponse> complete(ChatRequest request) override {
    ReplayStream stream(cassette_, std::move(request));
    auto all = read_all(stream);
    ChatResponse out = co_await std::move(all);
    co_return out;
  }
  std::unique_ptr<ChatStream> stream(ChatRequest request) override {
    return std::make_unique<ReplayStream>(cassette_, std::move(request));
  }
  std::string name() const override { return "replay"; }

 private:
  std::shared_ptr<Cassette> cassette_;
};

}  // namespace

std::shared_ptr<ChatModel> recording(std::shared_ptr<ChatModel> model, std::string file) {
  if (!model) throw config_error(errc::bad_config, "recording: the model is null");
  return std::make_shared<RecordingModel>(std::move(model), std::make_shared<Tape>(std::move(file)));
}

std::shared_ptr<ChatModel> replaying(const std::string& file) {
  return std::make_shared<ReplayModel>(std::make_shared<Cassette>(file));
}

}  // namespace agentflow::llm
