// SPDX-License-Identifier: MIT
// ChatModel: the port to a language model, whole answers and streams.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <asio/awaitable.hpp>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/chat_event.hpp>
#include <agentflow/ports/chat_request.hpp>
#include <agentflow/ports/chat_response.hpp>
#include <agentflow/ports/model_error.hpp>

namespace agentflow {

/// An answer that comes in pieces.
///
/// ```cpp
/// auto stream = model->stream(request);
/// while (auto event = co_await stream->next())
///   if (event->kind == af::ChatEventKind::text) std::cout << event->text;
/// const af::ChatResponse answer = stream->response();
/// ```
///
/// **Thread safety** Distinct objects: safe. Shared objects: unsafe; one `next()` at a time.
/// **Cancellation** Destroying the stream, or cancelling the coroutine in `next()`, ends the exchange: a provider
/// closes the request.
class AGENTFLOW_VISIBLE ChatStream {
 public:
  virtual ~ChatStream();
  /// Gives the next piece, and nothing once the answer is complete. The first call sends the request.
  ///
  /// **Errors** `model_error`, also after pieces have come; its `info().partial` is what they make. `cancelled_error`.
  /// After an error the stream is over.
  virtual asio::awaitable<std::optional<ChatEvent>> next() = 0;
  /// The answer so far: complete after `next()` gave nothing. Its text is what the pieces were, and its message has the
  /// id `message_id()` from the beginning.
  virtual ChatResponse response() const = 0;
  virtual const std::string& message_id() const noexcept = 0;
};

/// A language model that can be talked to.
///
/// **Thread safety** Implementations are safe to use from any thread, and for several calls at once.
/// **Lifetime** Streams keep what they need of the model: it may be destroyed before them. A `complete()` under way
/// needs the model.
/// **Complexity/blocking** Never blocks the event loop.
class AGENTFLOW_VISIBLE ChatModel {
 public:
  virtual ~ChatModel();
  /// Asks, and waits for the whole answer.
  ///
  /// **Errors** `model_error` with one of the codes `errc::model_...`; `cancelled_error`.
  /// **Cancellation** Any type; the request is closed.
  virtual asio::awaitable<ChatResponse> complete(ChatRequest request) = 0;
  /// Asks for an answer in pieces. Nothing is sent before the first `next()`; never throws for what is in the request.
  virtual std::unique_ptr<ChatStream> stream(ChatRequest request) = 0;
  /// Which model this is, for logs: "openai/gpt-5", "scripted".
  virtual std::string name() const = 0;
};

/// Reads a stream to its end and gives the answer. The stream must outlive the call.
AGENTFLOW_API asio::awaitable<ChatResponse> read_all(ChatStream& stream);

}  // namespace agentflow
