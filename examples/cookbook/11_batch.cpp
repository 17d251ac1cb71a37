// SPDX-License-Identifier: MIT
// Many questions at once: at most four under way, two a second, and one that fails spoils nothing.
#include <agentflow/agentflow.hpp>
#include <agentflow/testing/scripted_model.hpp>
#include <agentflow/testing/virtual_time.hpp>

#include <algorithm>
#include <asio/awaitable.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace af = agentflow;
using namespace std::chrono_literals;

// Lets one pass in each interval, in the order they come.
class Pace {
 public:
  Pace(std::shared_ptr<af::Clock> clock, std::chrono::nanoseconds interval)
      : clock_(std::move(clock)), interval_(interval), next_(clock_->now()) {}
  asio::awaitable<void> turn() {
    const auto now = clock_->now();
    const auto mine = std::max(next_, now);
    next_ = mine + interval_;
    co_await af::sleep(mine - now);
  }

 private:
  std::shared_ptr<af::Clock> clock_;
  std::chrono::nanoseconds interval_;
  af::Clock::time_point next_;
};

// Stands for a model, which would be asked over the network.
af::ChatResponse judge(const af::ChatRequest& request) {
  const std::string review = request.messages.back().text();
  if (review.find('!') != review.npos) throw af::model_error(af::errc::model_refused, "no shouting, please");
  const bool good = review.find("good") != review.npos;
  return af::ChatResponse(af::Message::assistant(good ? "praise" : "blame"));
}

asio::awaitable<std::string> classify(std::shared_ptr<af::ChatModel> model, std::shared_ptr<Pace> pace,
                                      std::string text) {
  co_await pace->turn();
  af::ChatRequest request;
  request.messages = {af::Message::system("Is this praise or blame?"), af::Message::user(text)};
  const af::ChatResponse answer = co_await model->complete(std::move(request));
  co_return answer.text();
}

asio::awaitable<void> batch(std::shared_ptr<af::ChatModel> model, std::shared_ptr<Pace> pace) {
  const std::vector<std::string> reviews{"good tea", "cold soup", "TOO LOUD!", "good cake", "slow", "good bread"};
  std::vector<asio::awaitable<std::string>> work;
  for (const std::string& review : reviews) work.push_back(classify(model, pace, review));
  const auto outcomes = co_await af::gather(std::move(work), af::return_exceptions, af::GatherOptions().limit(4));
  for (std::size_t i = 0; i < reviews.size(); ++i)
    std::cout << reviews[i] << ": " << (outcomes[i] ? *outcomes[i] : af::describe(outcomes[i].error())) << "\n";
}

int main() {
  // On this loop waiting takes no time. In a program: af::run(batch(model, pace)), with af::Clock::system().
  af::testing::VirtualLoop loop;
  // A real one: const auto model = af::llm::model_from_environment(af::http::Client());
  const auto model = std::make_shared<af::testing::ScriptedModel>();
  model->otherwise(judge).pace(loop.clock(), 700ms);
  loop.run(batch(model, std::make_shared<Pace>(loop.clock(), 500ms)));
  std::cout << std::chrono::duration_cast<std::chrono::milliseconds>(loop.clock()->passed()).count() << " ms\n";
}
