// SPDX-License-Identifier: MIT
// Retries.
#include <agentflow/llm/retry.hpp>

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include "async/sleep_on.hpp"
#include "llm/relay.hpp"

namespace agentflow::llm {
namespace {

using std::chrono::nanoseconds;

/// The attempts of one call: how many there were, and until when there may be more.
class Attempts {
 public:
  Attempts(RetryOptions options, ChatRequest request) : options_(std::move(options)), request_(std::move(request)) {
    if (request_.timeout) deadline_ = detail::after(*options_.clock(), *request_.timeout);
  }

  /// The request, with the time that is left.
  ChatRequest request() const {
    ChatRequest out = request_;
    if (deadline_) out.timeout = std::max(nanoseconds(0), nanoseconds(*deadline_ - options_.clock()->now()));
    return out;
  }

  /// Gives the wait before the next attempt, or throws the error when there is to be none.
  nanoseconds wait_after(const model_error& e) {
    if (!e.retryable() || failed_ >= options_.retries()) throw model_error(e);
    const nanoseconds wait = e.info().retry_after.value_or(backoff());
    if (wait > options_.max_wait()) throw model_error(e);
    if (deadline_ && detail::after(*options_.clock(), wait) >= *deadline_) throw model_error(e);
    ++failed_;
    if (options_.on_retry()) options_.on_retry()(e, failed_, wait);
    return wait;
  }
  Clock& clock() const noexcept { return *options_.clock(); }

 private:
  nanoseconds backoff() const {
    thread_local std::minstd_rand random{std::random_device()()};
    const auto longest = std::max<nanoseconds>(std::chrono::seconds(8), options_.first_wait());
    nanoseconds wait = options_.first_wait();
    for (int n = 0; n < failed_ && wait < longest; ++n) wait *= 2;
    wait = std::min(wait, longest);
    const double part = std::uniform_real_distribution<double>(0.75, 1)(random);
    return nanoseconds(static_cast<nanoseconds::rep>(static_cast<double>(wait.count()) * part));
  }

  RetryOptions options_;
  ChatRequest request_;
  std::optional<Clock::time_point> deadline_;
  int failed_ = 0;
};

class RetryStream final : public RelayStream {
 public:
  RetryStream(std::shared_ptr<ChatModel> model, RetryOptions options, ChatRequest request)
      : RelayStream(model->stream(request)),
        model_(std::move(model)),
        attempts_(std::move(options), std::move(request)) {}

  asio::awaitable<std::optional<ChatEvent>> next() override {
    for (;;) {
      auto work = step(inner());
      Step result = co_await std::move(work);
      if (!result.error) {
        began_ = began_ || result.is_piece();
        co_return std::move(result.event);
      }
      if (began_) throw model_error(*result.error);
      auto sleep = detail::sleep_on(attempts_.clock(), attempts_.wait_after(*result.error));
      co_await std::move(sleep);
      replace(model_->stream(attempts_.request()));
    }
  }

 private:
  std::shared_ptr<ChatModel> model_;
  Attempts attempts_;
  bool began_ = false;
};

class RetryModel final : public ChatModel {
 public:
  RetryModel(std::shared_ptr<ChatModel> model, RetryOptions options)
      : model_(std::move(model)), options_(std::move(options)) {}

  asio::awaitable<ChatResponse> complete(ChatRequest request) override {
    const auto model = model_;
    Attempts attempts(options_, std::move(request));
    for (;;) {
      std::optional<model_error> failure;
      try {
        auto call = model->complete(attempts.request());
        ChatResponse out = co_await std::move(call);
        co_return out;
      } catch (const model_error& e) {
        failure.emplace(e);
      }
      auto sleep = detail::sleep_on(attempts.clock(), attempts.wait_after(*failure));
      co_await std::move(sleep);
    }
  }
  std::unique_ptr<ChatStream> stream(ChatRequest request) override {
    return std::make_unique<RetryStream>(model_, options_, std::move(request));
  }
  std::string name() const override { return model_->name(); }

 private:
  std::shared_ptr<ChatModel> model_;
  RetryOptions options_;
};

}  // namespace

std::shared_ptr<ChatModel> with_retries(std::shared_ptr<ChatModel> model, RetryOptions options) {
  if (!model || options.retries() < 0 || options.max_wait() < nanoseconds(0) || options.first_wait() < nanoseconds(0))
    throw config_error(errc::bad_config, "with_retries: the model is null, or a number of RetryOptions is negative");
  return std::make_shared<RetryModel>(std::move(model), std::move(options));
}

}  // namespace agentflow::llm
