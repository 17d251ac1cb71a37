// SPDX-License-Identifier: MIT
// Long conversations: what of them a model sees, and how they are made shorter.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>

#include <agentflow/ports/chat_model.hpp>
#include <agentflow/typed/state_graph.hpp>

namespace agentflow {

/// Gives about how many tokens a message takes: a quarter of its bytes, and a few for itself.
AGENTFLOW_API std::size_t estimated_tokens(const Message& message);

/// How much of a conversation `trim_messages` keeps.
class TrimOptions {
 public:
  using Count = std::function<std::size_t(const Message&)>;

  TrimOptions() = default;
  /// Default: no limit.
  TrimOptions& max_messages(std::size_t n) & {
    max_messages_ = n;
    return *this;
  }
  TrimOptions&& max_messages(std::size_t n) && { return std::move(max_messages(n)); }
  /// Default: no limit.
  TrimOptions& max_tokens(std::size_t n) & {
    max_tokens_ = n;
    return *this;
  }
  TrimOptions&& max_tokens(std::size_t n) && { return std::move(max_tokens(n)); }
  /// Counts the tokens of a message. Default: `estimated_tokens`.
  TrimOptions& count(Count fn) & {
    count_ = std::move(fn);
    return *this;
  }
  TrimOptions&& count(Count fn) && { return std::move(count(std::move(fn))); }

  std::size_t max_messages() const noexcept { return max_messages_; }
  std::size_t max_tokens() const noexcept { return max_tokens_; }
  const Count& count() const noexcept { return count_; }

 private:
  std::size_t max_messages_ = std::numeric_limits<std::size_t>::max();
  std::size_t max_tokens_ = std::numeric_limits<std::size_t>::max();
  Count count_ = estimated_tokens;
};
static_assert(!std::is_aggregate_v<TrimOptions>);

/// Gives the newest messages that fit, and the system messages at the beginning, which are kept and count. What is kept
/// starts with a message of the user where it can, never with the result of a call that is gone. The last turn (from
/// the last message of the user on) is kept even if it does not fit. The state is not changed: this is for
/// `AgentOptions::history`.
AGENTFLOW_API std::vector<Message> trim_messages(const List<Message>& conversation, const TrimOptions& options);

/// When and how `summarise` shortens a conversation.
class SummaryOptions {
 public:
  SummaryOptions() = default;
  /// A conversation of more messages is summarised. Default: 40.
  SummaryOptions& above(std::size_t messages) & {
    above_ = messages;
    return *this;
  }
  SummaryOptions&& above(std::size_t messages) && { return std::move(above(messages)); }
  /// The newest messages that stay as they are, at least. Default: 10.
  SummaryOptions& keep(std::size_t messages) & {
    keep_ = messages;
    return *this;
  }
  SummaryOptions&& keep(std::size_t messages) && { return std::move(keep(messages)); }

  std::size_t above() const noexcept { return above_; }
  std::size_t keep() const noexcept { return keep_; }

 private:
  std::size_t above_ = 40, keep_ = 10;
};
static_assert(!std::is_aggregate_v<SummaryOptions>);

namespace detail {
AGENTFLOW_API asio::awaitable<std::vector<Message>> summary_of(std::shared_ptr<ChatModel> model,
                                                               List<Message> conversation, SummaryOptions options);
}  // namespace detail

/// Gives a node that shortens a conversation when it is long: a model sums up the older messages, which are removed,
/// and the summary takes the place of the first of them, as a message of the user (never of the system: it may hold
/// what tools gave back). A model that refuses, or answers nothing, leaves the conversation as it is. Put it before an
/// agent.
///
/// ```cpp
/// graph.add_node("summarise", af::summarise(model)).add_edge("summarise", "agent");
/// ```
template <class S = AgentState>
  requires Conversation<S>
auto summarise(std::shared_ptr<ChatModel> model, SummaryOptions options = {}) {
  return [model = std::move(model), options](const S& s) { return detail::summary_of(model, s.messages, options); };
}

}  // namespace agentflow
