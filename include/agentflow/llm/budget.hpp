// SPDX-License-Identifier: MIT
// Budgets of tokens and money, for a run, a user or a day.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>

#include <agentflow/core/config.hpp>
#include <agentflow/ports/chat_model.hpp>
#include <agentflow/state/message.hpp>

namespace agentflow::llm {

/// What a million tokens cost, in any currency, as long as it is the same everywhere.
class Price {
 public:
  Price() = default;
  explicit Price(double input_per_million, double output_per_million)
      : Price(input_per_million, output_per_million, input_per_million) {}
  explicit Price(double input_per_million, double output_per_million, double cached_per_million)
      : input(input_per_million), output(output_per_million), cached(cached_per_million) {}

  double input = 0, output = 0, cached = 0;
  AGENTFLOW_API double of(const TokenUsage& usage) const noexcept;
};
static_assert(!std::is_aggregate_v<Price>);

/// Counts what calls cost, and says when it is enough.
///
/// What a call costs is known only when it is over, so the one that passes a limit still gets its answer; the next is
/// refused. Calls that run at the same time can pass it by as many answers.
///
/// **Thread safety** Distinct objects: safe. Shared objects: safe.
class AGENTFLOW_API Budget {
 public:
  /// Without a limit it only counts.
  explicit Budget(std::optional<std::uint64_t> max_tokens = {}, std::optional<double> max_cost = {});

  /// Throws `model_error` (model_budget) when a limit is reached.
  void check() const;
  void charge(const TokenUsage& usage, const Price& price);

  TokenUsage used() const;
  double cost() const;
  std::uint64_t calls() const;

 private:
  const std::optional<std::uint64_t> max_tokens_;
  const std::optional<double> max_cost_;
  mutable std::mutex mutex_;
  TokenUsage used_;
  double cost_ = 0;
  std::uint64_t calls_ = 0;
};

/// Charges every answer of a model to a budget, as far as the provider says what it cost, and refuses calls once it is
/// used up. Costs two pointers: make one for each run. Of a stream that ends early, what its last usage event said is
/// charged.
AGENTFLOW_API std::shared_ptr<ChatModel> with_budget(std::shared_ptr<ChatModel> model, std::shared_ptr<Budget> budget,
                                                     Price price = Price());

}  // namespace agentflow::llm
