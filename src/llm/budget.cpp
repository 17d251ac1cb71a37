// SPDX-License-Identifier: MIT
// Budgets.
#include <agentflow/llm/budget.hpp>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "llm/relay.hpp"

namespace agentflow::llm {

double Price::of(const TokenUsage& usage) const noexcept {
  const std::uint64_t cached_tokens = std::min(usage.cached_tokens, usage.input_tokens);
  return (static_cast<double>(usage.input_tokens - cached_tokens) * input +
          static_cast<double>(cached_tokens) * cached + static_cast<double>(usage.output_tokens) * output) /
         1e6;
}

Budget::Budget(std::optional<std::uint64_t> max_tokens, std::optional<double> max_cost)
    : max_tokens_(max_tokens), max_cost_(max_cost) {}

void Budget::check() const {
  std::lock_guard lock(mutex_);
  if (max_tokens_ && used_.total() >= *max_tokens_)
    throw model_error(errc::model_budget, fmt::format("the budget of {} tokens is used up ({} in {} calls)",
                                                      *max_tokens_, used_.total(), calls_));
  if (max_cost_ && cost_ >= *max_cost_)
    throw model_error(errc::model_budget,
                      fmt::format("the budget of {:.6g} is used up ({:.6g} in {} calls)", *max_cost_, cost_, calls_));
}

void Budget::charge(const TokenUsage& usage, const Price& price) {
  std::lock_guard lock(mutex_);
  used_ += usage;
  cost_ += price.of(usage);
  ++calls_;
}

TokenUsage Budget::used() const {
  std::lock_guard lock(mutex_);
  return used_;
}
double Budget::cost() const {
  std::lock_guard lock(mutex_);
  return cost_;
}
std::uint64_t Budget::calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

namespace {

/// Charges once, at the latest when the stream goes.
class BudgetStream final : public RelayStream {
 public:
  BudgetStream(std::unique_ptr<ChatStream> inner, std::shared_ptr<Budget> budget, Price price)
      : RelayStream(std::move(inner)), budget_(std::move(budget)), price_(price) {}
  ~BudgetStream() override { charge(); }

  asio::awaitable<std::optional<ChatEvent>> next() override {
    if (!std::exchange(began_, true)) budget_->check();
    auto work = step(inner());
    Step result = co_await std::move(work);
    if (result.event && result.event->kind == ChatEventKind::usage) usage_ = result.event->usage;
    if (!result.event && !result.error && !std::exchange(over_, true)) usage_ = usage_.value_or(TokenUsage());
    if (!result.event) charge();
    if (result.error) throw model_error(*result.error);
    co_return std::move(result.event);
  }

 private:
  void charge() {
    if (usage_) budget_->charge(*std::exchange(usage_, std::nullopt), price_);
  }
  std::shared_ptr<Budget> budget_;
  Price price_;
  std::optional<TokenUsage> usage_;
  bool began_ = false, over_ = false;
};

class BudgetModel final : public ChatModel {
 public:
  BudgetModel(std::shared_ptr<ChatModel> model, std::shared_ptr<Budget> budget, Price price)
      : model_(std::move(model)), budget_(std::move(budget)), price_(price) {}

  asio::awaitable<ChatResponse> complete(ChatRequest request) override {
    const auto budget = budget_;
    const Price price = price_;
    budget->check();
    auto call = model_->complete(std::move(request));
    ChatResponse out = co_await std::move(call);
    budget->charge(out.usage(), price);
    co_return out;
  }
  std::unique_ptr<ChatStream> stream(ChatRequest request) override {
    return std::make_unique<BudgetStream>(model_->stream(std::move(request)), budget_, price_);
  }
  std::string name() const override { return model_->name(); }

 private:
  std::shared_ptr<ChatModel> model_;
  std::shared_ptr<Budget> budget_;
  Price price_;
};

}  // namespace

std::shared_ptr<ChatModel> with_budget(std::shared_ptr<ChatModel> model, std::shared_ptr<Budget> budget, Price price) {
  if (!model || !budget) throw config_error(errc::bad_config, "with_budget: the model or the budget is null");
  return std::make_shared<BudgetModel>(std::move(model), std::move(budget), price);
}

}  // namespace agentflow::llm
