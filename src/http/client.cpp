// SPDX-License-Identifier: MIT
// The client, and the streams that read its exchanges.
#include <agentflow/http/client.hpp>

#include <utility>

#include <asio/this_coro.hpp>

#include "http/engine.hpp"

namespace agentflow::http {

Client::Client(ClientOptions options) : engine_(std::make_shared<Engine>(std::move(options))) {}
Client::~Client() = default;
Client::Client(const Client&) = default;
Client& Client::operator=(const Client&) = default;

BodyStream Client::open(Request request) const { return BodyStream(engine_, engine_->begin(std::move(request))); }

asio::awaitable<Response> Client::fetch(Request request) const {
  BodyStream stream = open(std::move(request));
  Response out;
  auto head = stream.head();
  out.head = co_await std::move(head);
  for (;;) {
    auto read = stream.read();
    const std::optional<std::string> piece = co_await std::move(read);
    if (!piece) co_return out;
    out.body += *piece;
  }
}

BodyStream::BodyStream(std::shared_ptr<Engine> engine, std::shared_ptr<Transfer> transfer) noexcept
    : engine_(std::move(engine)), transfer_(std::move(transfer)) {}
BodyStream::BodyStream(BodyStream&&) noexcept = default;
BodyStream& BodyStream::operator=(BodyStream&& other) noexcept {
  if (transfer_) engine_->abort(std::move(transfer_));
  engine_ = std::move(other.engine_);
  transfer_ = std::move(other.transfer_);
  return *this;
}
BodyStream::~BodyStream() {
  if (transfer_) engine_->abort(std::move(transfer_));
}

void BodyStream::leave() noexcept {
  if (transfer_) engine_->leave(std::move(transfer_));
}

namespace {

/// Waits until the engine has something new; throws when the coroutine was cancelled meanwhile.
asio::awaitable<void> wait(std::shared_ptr<Transfer> transfer) {
  auto park = transfer->spot.park();
  co_await std::move(park);
  const auto state = co_await asio::this_coro::cancellation_state;
  if (state.cancelled() != asio::cancellation_type::none)
    throw cancelled_error(errc::cancelled, "the HTTP exchange was cancelled");
}

}  // namespace

asio::awaitable<Head> BodyStream::head() {
  for (;;) {
    if (!transfer_) throw http_error(errc::http_transport, "the stream is over");
    std::optional<Head> head = transfer_->take_head();
    if (head) co_return std::move(*head);
    auto more = wait(transfer_);
    co_await std::move(more);
  }
}

asio::awaitable<std::optional<std::string>> BodyStream::read() {
  for (;;) {
    if (!transfer_) co_return std::nullopt;
    Transfer::Piece piece = transfer_->take();
    if (piece.resume) engine_->resume(transfer_);
    if (!piece.bytes.empty()) co_return std::move(piece.bytes);
    if (piece.end) co_return std::nullopt;
    auto more = wait(transfer_);
    co_await std::move(more);
  }
}

}  // namespace agentflow::http
