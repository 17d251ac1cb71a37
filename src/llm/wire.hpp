// SPDX-License-Identifier: MIT
// Private: what a wire format is, and the parts that all of them use.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <agentflow/http/request.hpp>
#include <agentflow/llm/provider_options.hpp>
#include <agentflow/ports/chat_model.hpp>

#include "llm/fields.hpp"

namespace agentflow::llm {

/// An honest answer has far fewer tool calls, or items.
inline constexpr std::size_t max_blocks = 4096;

/// What a decoder has made of the bytes so far.
class Answer {
 public:
  Answer() = default;
  void add(ChatEvent event) { events.push_back(std::move(event)); }

  std::vector<ChatEvent> events;
  std::string model, id;
  bool complete = false;  ///< The answer is all there: the connection may end now.
  bool done = false;      ///< And nothing else comes.
};

/// Reads one answer. Throws `model_error` for an error in place of it.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void whole(const json& answer, Answer& out) = 0;
  /// One event of a stream; `type` is what the event stream called it.
  virtual void event(const json& data, const std::string& type, Answer& out) = 0;
  /// The answer is complete.
  virtual void finish(Answer& out) = 0;
};

/// One wire format. Stateless.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual std::string name() const = 0;
  virtual std::string url(const ProviderOptions& options, const std::string& model, bool stream) const = 0;
  virtual void authorize(http::Request& request, const ProviderOptions& options) const = 0;
  virtual json body(const ChatRequest& request, const std::string& model, const ProviderOptions& options,
                    bool stream) const = 0;
  virtual std::unique_ptr<Decoder> decoder() const = 0;
};

std::unique_ptr<Wire> openai_chat_wire();
std::unique_ptr<Wire> openai_responses_wire();
std::unique_ptr<Wire> anthropic_wire();
std::unique_ptr<Wire> gemini_wire();

/// The tool calls and blocks that a decoder has begun, by the provider's own key.
class Blocks {
 public:
  class Call {
   public:
    Call(std::string k, std::string i, std::size_t b) : key(std::move(k)), id(std::move(i)), block(b) {}
    std::string key, id;
    std::size_t block;
    bool has_arguments = false, ended = false;
  };

  std::size_t fresh() noexcept { return next_++; }
  /// The block of a running text or thought, begun when it is asked for.
  std::size_t running(std::optional<std::size_t>& block) {
    if (!block) block = fresh();
    return *block;
  }
  Call& begin(std::string key, std::string id, std::string name, Answer& out);
  Call* find(std::string_view key) noexcept;
  Call* last() noexcept { return calls_.empty() ? nullptr : &calls_.back(); }
  static void arguments(Call& call, std::string text, Answer& out);
  static void end(Call& call, Answer& out);
  void end_all(Answer& out);

 private:
  std::size_t next_ = 0;
  std::vector<Call> calls_;
};

/// Puts the path of an endpoint behind a base URL; `version` ("/v1") where the base is a bare host.
std::string endpoint(std::string base, std::string_view version, std::string_view path);
/// All system messages, as one text.
std::string system_text(const ChatRequest& request);
/// Of a tool's result, what a model reads.
std::string result_text(const ToolResultBlock& result);
/// Arguments as an object, whatever the model wrote.
json arguments_object(const JsonValue& arguments);
/// "data:image/png;base64,..." or the URL.
std::string data_url(const MediaSource& source);
/// The part of an opaque signature that is ours, if it is: "anthropic:xyz" with "anthropic:" is "xyz".
std::optional<std::string> own_signature(const ReasoningBlock& block, std::string_view prefix);
/// Puts `ChatRequest::extra` over the body.
void merge_extra(json& body, const ChatRequest& request);
/// Text with what is not UTF-8 replaced: what a server said may be anything, and logs and JSON want characters.
std::string as_utf8(std::string_view text);
/// Schemas as they are sent: an empty object schema where there is none.
json parameters_of(const ToolSpec& tool);

/// An HTTP status, or 0, and what came with it, as an error. `body` may be null.
model_error classify(int status, const json& body, std::string_view text, ModelErrorInfo info = {});

}  // namespace agentflow::llm
