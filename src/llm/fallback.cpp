// SPDX-License-Identifier: MIT
// Fallback models.
#include <agentflow/llm/fallback.hpp>

#include <utility>

#include "llm/relay.hpp"

namespace agentflow::llm {
namespace {

using Models = std::vector<std::shared_ptr<ChatModel>>;

bool final_for_all(const model_error& e) noexcept { return e.code() == errc::model_budget; }

class FallbackStream final : public RelayStream {
 public:
  FallbackStream(Models models, ChatRequest request)
      : RelayStream(models.front()->stream(request)), models_(std::move(models)), request_(std::move(request)) {
    request_.model.clear();
  }

  asio::awaitable<std::optional<ChatEvent>> next() override {
    for (;;) {
      auto work = step(inner());
      Step result = co_await std::move(work);
      if (!result.error) {
        began_ = began_ || result.is_piece();
        co_return std::move(result.event);
      }
      if (began_ || final_for_all(*result.error) || at_ + 1 == models_.size()) throw model_error(*result.error);
      replace(models_[++at_]->stream(request_));
    }
  }

 private:
  Models models_;
  ChatRequest request_;
  std::size_t at_ = 0;
  bool began_ = false;
};

class FallbackModel final : public ChatModel {
 public:
  explicit FallbackModel(Models models) : models_(std::move(models)) {}

  asio::awaitable<ChatResponse> complete(ChatRequest request) override {
    const Models models = models_;
    for (std::size_t i = 0;; ++i) {
      try {
        auto call = models[i]->complete(request);
        ChatResponse out = co_await std::move(call);
        co_return out;
      } catch (const model_error& e) {
        if (final_for_all(e) || i + 1 == models.size()) throw;
      }
      request.model.clear();
    }
  }
  std::unique_ptr<ChatStream> stream(ChatRequest request) override {
    return std::make_unique<FallbackStream>(models_, std::move(request));
  }
  std::string name() const override {
    std::string out;
    for (const auto& model : models_) out += (out.empty() ? "" : ", else ") + model->name();
    return out;
  }

 private:
  Models models_;
};

}  // namespace

std::shared_ptr<ChatModel> with_fallbacks(Models models) {
  if (models.empty()) throw config_error(errc::bad_config, "with_fallbacks: no model");
  for (const auto& model : models)
    if (!model) throw config_error(errc::bad_config, "with_fallbacks: a model is null");
  return std::make_shared<FallbackModel>(std::move(models));
}

}  // namespace agentflow::llm
