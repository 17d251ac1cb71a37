// SPDX-License-Identifier: MIT
// What any program on asio::awaitable costs to compile, before a library of graphs: three nodes behind std::function
// and a coroutine that runs them, with the runner compiled elsewhere. scripts/compile_time holds hello_graph.cpp
// against it, in the same minute on the same machine. Not part of any target.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/this_coro.hpp>

struct State {
  std::string question;
  std::vector<std::string> messages;
  std::optional<std::string> answer;
};
using Function = std::function<State(State)>;
using Coroutine = std::function<asio::awaitable<State>(State)>;
using Nodes = std::map<std::string, std::variant<Function, Coroutine>>;

State run(std::function<asio::awaitable<State>()> work);

asio::awaitable<State> drive(Nodes& nodes, State state) {
  for (auto& [name, node] : nodes) {
    if (auto* function = std::get_if<Function>(&node)) {
      state = (*function)(std::move(state));
    } else {
      auto work = std::get<Coroutine>(node)(std::move(state));
      state = co_await std::move(work);
    }
  }
  co_return state;
}

int main() {
  auto nodes = std::make_unique<Nodes>();
  nodes->emplace("a", Function([](State s) {
                   s.messages.push_back("a");
                   return s;
                 }));
  nodes->emplace("b", Coroutine([](State s) -> asio::awaitable<State> {
                   s.messages.push_back("b");
                   co_return s;
                 }));
  nodes->emplace("c", Coroutine([](State s) -> asio::awaitable<State> {
                   s.answer = "c";
                   co_return s;
                 }));
  State input;
  input.question = "Hello";
  const State result = run([&] { return drive(*nodes, input); });
  return static_cast<int>(result.messages.size());
}
