// SPDX-License-Identifier: MIT
// Asking a provider, and reading what it answers.
#include "llm/provider.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <agentflow/core/json_codec.hpp>
#include <agentflow/http/sse.hpp>
#include <agentflow/llm/providers.hpp>

namespace agentflow::llm {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t max_error_body = std::size_t{64} << 10, max_beginning = 300;

bool is_secret(std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  for (const auto word : {"auth", "key", "token", "cookie", "secret"})
    if (name.find(word) != name.npos) return true;
  return false;
}

/// The last event of some streams is the whole answer again, and a picture is one line.
std::size_t longest_event(const ChatRequest& request) {
  constexpr std::size_t margin = std::size_t{1} << 20;
  return std::min(request.max_answer_bytes, std::numeric_limits<std::size_t>::max() - margin) + margin;
}

[[noreturn]] void not_a_model(const http::Head& head, std::string_view beginning) {
  throw model_error(errc::model_protocol,
                    "the answer is not that of a model (content-type \"" + std::string(head.header("content-type")) +
                        "\"); check the base URL. It begins: " + std::string(beginning.substr(0, max_beginning)));
}

errc code_of(errc http) noexcept {
  switch (http) {
    case errc::http_bad_request:
    case errc::http_plain: return errc::model_bad_request;
    case errc::http_timeout: return errc::model_timeout;
    case errc::http_limit: return errc::model_protocol;
    default: return errc::model_transport;
  }
}

}  // namespace

Provider::Provider(http::Client client, ProviderOptions options, std::unique_ptr<Wire> wire)
    : client_(std::move(client)), options_(std::move(options)), wire_(std::move(wire)) {
  secrets_.push_back(options_.api_key());
  for (const auto& [name, value] : options_.headers())
    if (is_secret(name)) secrets_.emplace_back(std::string_view(value));
}

std::string Provider::model_of(const ChatRequest& request) const {
  return request.model.empty() ? options_.model() : request.model;
}

http::BodyStream Provider::open(const ChatRequest& request, bool stream, JsonValue* raw_request) const {
  const std::string model = model_of(request);
  JsonValue body;
  try {
    body = JsonValue(wire_->body(request, model, options_, stream));
  } catch (const json_error& e) {
    throw model_error(errc::model_bad_request, "the request cannot be written as JSON: " + e.message());
  }
  http::Request out("POST", wire_->url(options_, model, stream));
  out.header("content-type", "application/json").header("accept", stream ? "text/event-stream" : "application/json");
  wire_->authorize(out, options_);
  for (const auto& [name, value] : options_.headers()) {
    if (is_secret(name))
      out.secret_header(name, "", SecretString(value));
    else
      out.header(name, value);
  }
  out.body = body.dump();
  if (request.keep_raw) *raw_request = body;
  if (request.timeout) out.timeout = std::max(milliseconds(1), std::chrono::ceil<milliseconds>(*request.timeout));
  if (!stream && !out.timeout) out.timeout = options_.timeout();
  out.idle_timeout = stream ? options_.idle_timeout() : milliseconds(0);  // nothing comes before all is there
  return client_.open(std::move(out));
}

asio::awaitable<JsonValue> Provider::read_whole(http::BodyStream& body, http::Head head) const {
  const bool ok = head.status >= 200 && head.status < 300;
  std::string text;
  for (;;) {
    auto read = body.read();
    const std::optional<std::string> piece = co_await std::move(read);
    if (!piece) break;
    text += *piece;
    if (!ok && text.size() > max_error_body) break;
  }
  JsonValue document;
  bool is_json = true;
  try {
    document = JsonValue::parse(text, std::max(text.size(), std::size_t{1}));
  } catch (const json_error&) {
    is_json = false;
  }
  if (ok) {
    if (!is_json) not_a_model(head, text);
    co_return document;
  }
  ModelErrorInfo info;
  info.retry_after = head.retry_after(std::chrono::system_clock::now());
  const auto should = head.header("x-should-retry");
  if (should == "true" || should == "false") info.should_retry = should == "true";
  if (text.size() > max_error_body) text.resize(max_error_body);
  info.body = text;
  throw classify(head.status, document.get(), text, std::move(info));
}

std::string Provider::clean(std::string text) const {
  for (const SecretString& secret : secrets_) text = redact(std::move(text), secret);
  return as_utf8(text);
}

model_error Provider::explain(std::exception_ptr failure, const ChatRequest& request,
                              const ChatAssembler* assembler) const {
  errc code = errc::model_protocol;
  std::string message;
  ModelErrorInfo info;
  try {
    std::rethrow_exception(failure);
  } catch (const model_error& e) {
    code = e.code();
    message = e.message();
    info = e.info();
  } catch (const http::http_error& e) {
    code = code_of(e.code());
    message = e.message();
  } catch (const json_error& e) {
    message = "the answer has a part that is not JSON as it should be: " + e.message();
  }
  info.provider = wire_->name();
  info.model = model_of(request);
  info.body = clean(std::move(info.body));
  if (assembler != nullptr && !assembler->empty()) info.partial = assembler->response().message;
  message = clean(info.provider + " " + info.model + ": " + message);
  return model_error(code, std::move(message), std::move(info));
}

namespace {

class ProviderStream final : public ChatStream {
 public:
  ProviderStream(std::shared_ptr<const Provider> provider, ChatRequest request)
      : provider_(std::move(provider)),
        request_(std::move(request)),
        assembler_(request_),
        decoder_(provider_->wire().decoder()) {}

  asio::awaitable<std::optional<ChatEvent>> next() override {
    try {
      auto work = advance();
      std::optional<ChatEvent> event = co_await std::move(work);
      co_return event;
    } catch (...) {
      failure_ = std::current_exception();
    }
    answer_.events.clear();
    at_ = 0;
    body_.reset();
    throw provider_->explain(failure_, request_, &assembler_);
  }

  ChatResponse response() const override {
    ChatResponse out = assembler_.response();
    out.model = answer_.model.empty() ? provider_->model_of(request_) : answer_.model;
    out.id = answer_.id;
    out.raw_request = raw_request_;
    if (request_.keep_raw) out.raw = raw();
    return out;
  }
  const std::string& message_id() const noexcept override { return assembler_.message_id(); }

 private:
  asio::awaitable<std::optional<ChatEvent>> advance() {
    for (;;) {
      if (at_ < answer_.events.size()) {
        ChatEvent event = std::move(answer_.events[at_++]);
        assembler_.add(event);
        co_return event;
      }
      if (failure_) std::rethrow_exception(failure_);
      if (over_) co_return std::nullopt;
      answer_.events.clear();
      at_ = 0;
      try {
        if (decode_next()) continue;
        auto more = fetch();
        co_await std::move(more);
      } catch (...) {
        failure_ = std::current_exception();  // what came before it goes to the caller first
      }
    }
  }

  asio::awaitable<void> fetch() { return body_ ? read() : open(); }

  /// Decodes one event, so that the first token does not wait for a hundred that came with it; false if none is there.
  bool decode_next() {
    const auto event = sse_.next();
    if (!event) return false;
    decode(*event);
    if (answer_.done) {
      body_->leave();
      finish();
    }
    return true;
  }

  asio::awaitable<void> open() {
    body_.emplace(provider_->open(request_, true, &raw_request_));
    auto wait = body_->head();
    head_ = co_await std::move(wait);
    const auto type = head_.header("content-type");
    if (head_.status / 100 == 2 && type.find("json") == type.npos) co_return;
    // An error, or a server that has not heard of streams.
    auto rest = provider_->read_whole(*body_, head_);
    const JsonValue whole = co_await std::move(rest);
    if (request_.keep_raw) raw_.push_back(whole.get());
    decoder_->whole(whole.get(), answer_);
    finish();
  }

  asio::awaitable<void> read() {
    std::optional<std::string> bytes;
    try {
      auto more = body_->read();
      bytes = co_await std::move(more);
    } catch (const http::http_error&) {
      if (!answer_.complete) throw;  // else only the end of the connection was untidy
    }
    if (!bytes) {
      if (!answer_.complete) truncated();
      finish();
      co_return;
    }
    if (seen_ == 0 && beginning_.size() < max_beginning) beginning_ += bytes->substr(0, max_beginning);
    sse_.feed(*bytes);
  }

  void decode(const http::SseEvent& event) {
    if (event.data.empty()) return;
    ++seen_;
    if (event.data == "[DONE]") {
      answer_.complete = answer_.done = true;
      return;
    }
    const JsonValue data = JsonValue::parse(event.data, event.data.size());
    if (request_.keep_raw) raw_.push_back(data.get());
    decoder_->event(data.get(), event.event, answer_);
  }

  void finish() {
    decoder_->finish(answer_);
    over_ = true;
  }

  /// The events as an array, and null where one more level is too deep for a JsonValue.
  JsonValue raw() const {
    try {
      return JsonValue(raw_);
    } catch (const json_error&) {
      return {};
    }
  }

  [[noreturn]] void truncated() const {
    const bool events = head_.header("content-type").find("event-stream") != std::string_view::npos;
    if (seen_ == 0 && !beginning_.empty() && !events) not_a_model(head_, beginning_);
    throw model_error(errc::model_stream_truncated, "the stream ended before its end mark");
  }

  std::shared_ptr<const Provider> provider_;
  ChatRequest request_;
  ChatAssembler assembler_;
  std::unique_ptr<Decoder> decoder_;
  std::optional<http::BodyStream> body_;
  http::Head head_;
  http::SseParser sse_{longest_event(request_), longest_event(request_)};
  Answer answer_;
  std::size_t at_ = 0, seen_ = 0;
  std::string beginning_;
  JsonValue raw_request_;
  json raw_ = json::array();
  std::exception_ptr failure_;
  bool over_ = false;
};

class ProviderModel final : public ChatModel {
 public:
  explicit ProviderModel(std::shared_ptr<const Provider> provider, std::string model)
      : provider_(std::move(provider)), model_(std::move(model)) {}

  asio::awaitable<ChatResponse> complete(ChatRequest request) override {
    const auto provider = provider_;
    std::exception_ptr failure;
    try {
      auto work = ask(provider, request);
      ChatResponse out = co_await std::move(work);
      co_return out;
    } catch (...) {
      failure = std::current_exception();
    }
    throw provider->explain(failure, request, nullptr);
  }
  std::unique_ptr<ChatStream> stream(ChatRequest request) override {
    return std::make_unique<ProviderStream>(provider_, std::move(request));
  }
  std::string name() const override { return provider_->wire().name() + "/" + model_; }

 private:
  /// `request` outlives the call.
  static asio::awaitable<ChatResponse> ask(std::shared_ptr<const Provider> provider, const ChatRequest& request) {
    JsonValue raw_request;
    http::BodyStream body = provider->open(request, false, &raw_request);
    auto wait = body.head();
    http::Head head = co_await std::move(wait);
    auto rest = provider->read_whole(body, std::move(head));
    JsonValue raw = co_await std::move(rest);
    const auto decoder = provider->wire().decoder();
    Answer answer;
    decoder->whole(raw.get(), answer);
    decoder->finish(answer);
    ChatAssembler assembler(request);
    for (const ChatEvent& event : answer.events) assembler.add(event);
    ChatResponse out = assembler.response();
    out.model = answer.model.empty() ? provider->model_of(request) : answer.model;
    out.id = answer.id;
    out.raw = std::move(raw);
    out.raw_request = std::move(raw_request);
    co_return out;
  }

  std::shared_ptr<const Provider> provider_;
  std::string model_;
};

}  // namespace

std::shared_ptr<ChatModel> provider_model(http::Client client, ProviderOptions options, std::unique_ptr<Wire> wire) {
  const RetryOptions retry = options.retry();
  std::string model = options.model();
  auto provider = std::make_shared<const Provider>(std::move(client), std::move(options), std::move(wire));
  auto out = std::make_shared<ProviderModel>(std::move(provider), std::move(model));
  if (retry.retries() == 0) return out;
  return with_retries(std::move(out), retry);
}

std::shared_ptr<ChatModel> openai_chat(http::Client client, ProviderOptions options) {
  return provider_model(std::move(client), std::move(options), openai_chat_wire());
}
std::shared_ptr<ChatModel> openai_responses(http::Client client, ProviderOptions options) {
  return provider_model(std::move(client), std::move(options), openai_responses_wire());
}
std::shared_ptr<ChatModel> anthropic(http::Client client, ProviderOptions options) {
  return provider_model(std::move(client), std::move(options), anthropic_wire());
}
std::shared_ptr<ChatModel> gemini(http::Client client, ProviderOptions options) {
  return provider_model(std::move(client), std::move(options), gemini_wire());
}

}  // namespace agentflow::llm
