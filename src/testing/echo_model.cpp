// SPDX-License-Identifier: MIT
// The echo, as a script of one answer.
#include <agentflow/testing/echo_model.hpp>

#include <sstream>
#include <utility>

#include <agentflow/testing/scripted_model.hpp>

namespace agentflow::testing {
namespace {

std::uint64_t words_of(const std::string& text) {
  std::istringstream in(text);
  std::uint64_t count = 0;
  for (std::string word; in >> word;) ++count;
  return count;
}

ChatResponse echo(const ChatRequest& request) {
  std::string said;
  std::uint64_t words = 0;
  for (const Message& message : request.messages) {
    const std::string text = message.text();
    words += words_of(text);
    if (message.role() == Role::user) said = text;
  }
  Message answer = Message::assistant(said).with_usage(TokenUsage(words, words_of(said)));
  return ChatResponse(std::move(answer));
}

}  // namespace

EchoModel::EchoModel() = default;
EchoModel::~EchoModel() = default;

asio::awaitable<ChatResponse> EchoModel::complete(ChatRequest request) {
  const auto stream = this->stream(std::move(request));
  auto all = read_all(*stream);
  ChatResponse out = co_await std::move(all);
  co_return out;
}

std::unique_ptr<ChatStream> EchoModel::stream(ChatRequest request) {
  ScriptedModel script;
  script.answer(echo);
  return script.stream(std::move(request));
}

}  // namespace agentflow::testing
